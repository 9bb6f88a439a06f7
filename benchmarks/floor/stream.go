package main

import (
	"sync"

	"google.golang.org/grpc"
)

// stream is one client's. Its fields below the mutex are used by the client's requests, by changes and by its sender.
type stream struct {
	hub  *hub
	wake chan struct{} // at most one is enough

	mutex        sync.Mutex
	owesClusters bool
	owesLoads    bool
	subscribed   bool // to load assignments
	awaiting     bool // the answer to the last response with load assignments
	dirty        map[int]struct{}
	shared       frame // the response for what is dirty, if that is one change
}

// receive takes in a request: with a nonce it is an acknowledgement, without one a subscription.
func (s *stream) receive(data frame) {
	typeURL, nonce := s.hub.encoding.parse(data)
	s.mutex.Lock()
	switch {
	case typeURL == clusterType:
		s.owesClusters = !nonce
	case nonce:
		s.awaiting = false
	default:
		s.owesLoads = true
	}
	s.mutex.Unlock()
	s.rouse()
}

// notify notes a change; shared is the response with that alone.
func (s *stream) notify(service int, shared frame) {
	s.mutex.Lock()
	wanted := s.subscribed
	if wanted {
		s.dirty[service] = struct{}{}
		if s.shared = nil; len(s.dirty) == 1 {
			s.shared = shared
		}
	}
	s.mutex.Unlock()
	if wanted {
		s.rouse()
	}
}

func (s *stream) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send what there is to send, until the stream ends.
func (s *stream) send(connection grpc.ServerStream) {
	for {
		select {
		case <-s.wake:
		case <-connection.Context().Done():
			return
		}
		for next := s.next(); next != nil; next = s.next() {
			if connection.SendMsg(&next) != nil {
				return // the reader is told as well
			}
		}
	}
}

func (s *stream) next() frame {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case s.owesClusters:
		s.owesClusters = false
		return s.hub.clusters
	case s.awaiting:
		return nil
	case s.owesLoads:
		s.owesLoads, s.subscribed, s.awaiting = false, true, true
		s.clean()
		return s.hub.all()
	case len(s.dirty) == 0:
		return nil
	}
	s.awaiting = true
	frame := s.shared
	if frame == nil {
		frame = s.hub.some(s.dirty)
	}
	s.clean()
	return frame
}

func (s *stream) clean() {
	clear(s.dirty)
	s.shared = nil
}
