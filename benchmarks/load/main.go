// A fleet of fake Envoys, in one process, that measures a control plane: how long a change takes to reach the first,
// the middle and the last of them, what a push costs, how a herd of reconnecting clients is served, and how a steady
// stream of changes is. Any server can be measured that has the control port described in server.go.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"time"
)

type options struct {
	address string // of the discovery service
	control string // of the control port
	variant string // of the protocol: sotw or delta
	clients int
	stalled int
	others  int // clusters that a server has beside those of its services
	warmup  int
	rounds  int
	rate    float64 // changes in a second
	period  time.Duration
	resume  bool
	timeout time.Duration
}

// report is what is printed, as JSON, when all is measured. What was not asked for is left out.
type report struct {
	Herd    herd    `json:"herd"`
	Rounds  *rounds `json:"rounds,omitempty"`
	Churn   *churn  `json:"churn,omitempty"`
	Resumed *resume `json:"resumed,omitempty"`
	Stalled *stall  `json:"stalled,omitempty"`
	// OtherCPU is what the rest of the machine used meanwhile, in percent of a core: noise in the figures.
	OtherCPU float64 `json:"other_cpu_pct"`
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "", "HOST:PORT of the discovery service")
	flag.StringVar(&o.control, "control", "", "HOST:PORT of the control port")
	flag.StringVar(&o.variant, "variant", "delta", "sotw or delta")
	flag.IntVar(&o.clients, "clients", 100, "how many Envoys, each with its own connection")
	flag.IntVar(&o.stalled, "stalled", 0, "how many more stop reading as soon as they have subscribed")
	flag.IntVar(&o.others, "others", 0, "how many more clusters there may be than services")
	flag.IntVar(&o.warmup, "warmup", 2, "changes before those that are measured")
	flag.IntVar(&o.rounds, "rounds", 10, "changes that are measured, each when the one before has arrived everywhere")
	flag.Float64Var(&o.rate, "rate", 0, "changes in a second, at random, whether or not those before have arrived")
	flag.DurationVar(&o.period, "period", 10*time.Second, "how long changes go on at this rate")
	flag.BoolVar(&o.resume, "resume", false, "connect all once more, with the versions that they have")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "for each step")
	flag.Parse()
	if _, known := variants[o.variant]; !known || o.address == "" || o.control == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	result, err := measure(o)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

func measure(o options) (report, error) {
	var result report
	server, err := contact(o.control)
	if err != nil {
		return result, err
	}
	begun, busy, own := time.Now(), machineSeconds(), server.cpuSeconds()+ownSeconds()
	fleet := newFleet(o, server)
	defer fleet.close()
	for _, step := range steps(o, fleet, &result) {
		if err := step(); err != nil {
			return result, err
		}
	}
	others := machineSeconds() - busy - (server.cpuSeconds() + ownSeconds() - own)
	result.OtherCPU = 100 * others / time.Since(begun).Seconds()
	return result, nil
}

func steps(o options, fleet *fleet, result *report) []func() error {
	var steps []func() error
	if o.stalled > 0 {
		result.Stalled = &stall{}
		steps = append(steps, func() error { return fleet.stall(result.Stalled) })
	}
	steps = append(steps, func() error { return fleet.herd(&result.Herd) })
	if o.rounds > 0 {
		result.Rounds = &rounds{}
		steps = append(steps, func() error { return fleet.rounds(result.Rounds) })
	}
	if o.rate > 0 {
		result.Churn = &churn{}
		steps = append(steps, func() error { return fleet.churn(result.Churn) })
	}
	if o.stalled > 0 {
		steps = append(steps, func() error { result.Stalled.AfterMB = fleet.server.memory().current; return nil })
	}
	if o.resume {
		result.Resumed = &resume{}
		steps = append(steps, func() error { return fleet.resume(result.Resumed) })
	}
	return steps
}

// quantile of values that need not be sorted; -1 if there are none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return -1
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / 1e6 }

func clusterName(service int) string {
	return fmt.Sprintf("outbound|8080||cluster-%05d.default.svc.cluster.local", service)
}
