package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is the process that is measured, seen through its control port, which is the contract:
//
//	GET  /state                         {"pid", "services", "endpoints", "ready_s"}
//	POST /change?service=i&sequence=q   {"at_ns"}: one endpoint of service i gets the address that scan finds as q
type server struct {
	control  string
	PID      int `json:"pid"`
	Services int `json:"services"`
}

var web = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute}

func contact(control string) (*server, error) {
	s := &server{control: control}
	answer, err := web.Get("http://" + control + "/state")
	if err != nil {
		return nil, err
	}
	return s, decode(answer, s)
}

// change makes a change and tells when the server began to, in ns.
func (s *server) change(service, sequence int) (int64, error) {
	url := fmt.Sprintf("http://%s/change?service=%d&sequence=%d", s.control, service, sequence)
	answer, err := web.Post(url, "text/plain", nil)
	if err != nil {
		return 0, err
	}
	var made struct {
		AtNS int64 `json:"at_ns"`
	}
	return made.AtNS, decode(answer, &made)
}

func decode(answer *http.Response, into any) error {
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("control port: %s: %s", answer.Status, bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, into)
}

// processes are the server's own and its children.
func (s *server) processes() []int {
	found := []int{s.PID}
	for i := 0; i < len(found); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", found[i]))
		for _, list := range lists {
			for _, child := range words(list) {
				if pid, err := strconv.Atoi(child); err == nil {
					found = append(found, pid)
				}
			}
		}
	}
	return found
}

// cpuSeconds is exact to the microsecond, where /proc/PID/stat counts ticks of 10 ms.
func (s *server) cpuSeconds() float64 {
	var sum float64
	for _, pid := range s.processes() {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, thread := range threads {
			if stat := words(thread); len(stat) > 0 {
				nanoseconds, _ := strconv.ParseFloat(stat[0], 64)
				sum += nanoseconds / 1e9
			}
		}
	}
	return sum
}

// memory is resident, in MB.
type memory struct{ current, peak float64 }

func (s *server) memory() memory {
	var sum memory
	for _, pid := range s.processes() {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			switch key {
			case "VmRSS":
				sum.current += kilobytes / 1024
			case "VmHWM":
				sum.peak += kilobytes / 1024
			}
		}
	}
	return sum
}

// settle waits until the server has nothing to do: nearly no CPU in two windows, one after the other.
func (s *server) settle(most time.Duration) {
	const window, idle = 60 * time.Millisecond, 0.006
	deadline, quiet, before := time.Now().Add(most), 0, s.cpuSeconds()
	for quiet < 2 && time.Now().Before(deadline) {
		time.Sleep(window)
		now := s.cpuSeconds()
		if quiet++; now-before > idle {
			quiet = 0
		}
		before = now
	}
}

// machineSeconds is what all processes of the machine have used together.
func machineSeconds() float64 {
	var sum float64
	for i, word := range words("/proc/stat") {
		ticks, err := strconv.ParseFloat(word, 64)
		if i > 0 && err != nil { // the line of the next CPU
			break
		}
		switch i {
		case 1, 2, 3, 6, 7: // user, nice, system, irq, softirq
			sum += ticks / 100
		}
	}
	return sum
}

func ownSeconds() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail for oneself
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// words of a file under /proc; none if the process is gone.
func words(file string) []string {
	content, _ := os.ReadFile(file)
	return strings.Fields(string(content))
}
