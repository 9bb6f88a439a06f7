package main

import "sync/atomic"

// changes is the ledger of which change every client has. Clients note arrivals at the same time, each its own.
type changes struct {
	clients  int
	bySerial []atomic.Pointer[change] // by sequence number, which counts from 1
	latest   []int                    // by service: the last change of it, 0 if there was none
	made     int
}

type change struct {
	service   int
	previous  int     // the change of the same service before this one, 0 if there was none
	arrivedNS []int64 // by client, Unix time in ns; 0 if it has not yet
	remaining atomic.Int32
	done      chan struct{} // closed when the last client has it
}

func newChanges(services, clients, most int) *changes {
	return &changes{
		clients:  clients,
		bySerial: make([]atomic.Pointer[change], most+1),
		latest:   make([]int, services),
	}
}

// begin opens the record of a change that is about to be made, and gives its sequence number.
func (c *changes) begin(service int) int {
	c.made++
	record := &change{
		service:   service,
		previous:  c.latest[service],
		arrivedNS: make([]int64, c.clients),
		done:      make(chan struct{}),
	}
	record.remaining.Store(int32(c.clients))
	c.bySerial[c.made].Store(record)
	c.latest[service] = c.made
	return c.made
}

func (c *changes) get(sequence int) *change { return c.bySerial[sequence].Load() }

// arrived notes that a client has a change, and with it all changes of the same service since the one that it has
// had until now: a server may merge them. Seen is by service, the client's own.
func (c *changes) arrived(sequence, client int, seen []int32, now int64) {
	if sequence >= len(c.bySerial) {
		return
	}
	record := c.get(sequence)
	if record == nil || int(seen[record.service]) >= sequence {
		return
	}
	had := int(seen[record.service])
	seen[record.service] = int32(sequence)
	for sequence > had {
		record = c.get(sequence)
		record.arrivedNS[client] = now
		if record.remaining.Add(-1) == 0 {
			close(record.done)
		}
		sequence = record.previous
	}
}

// delays is how long a change took to each client, in ms since the given time.
func (c *changes) delays(sequence int, sinceNS int64) []float64 {
	record := c.get(sequence)
	delays := make([]float64, 0, c.clients)
	for _, at := range record.arrivedNS {
		if at != 0 {
			delays = append(delays, milliseconds(at-sinceNS))
		}
	}
	return delays
}
