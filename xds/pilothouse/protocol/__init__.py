"""The xDS protocol without I/O: requests in, responses out, nothing awaited and nothing queued.

A stream holds what its client wants and has. `poll` computes the next response from the world as it
is at that moment, and at most one response of a type is unanswered; so a slow client skips stale
states, and costs a set of names and never bytes.
"""
