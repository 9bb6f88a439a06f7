"""The xDS protocol without I/O: requests in, responses out. Nothing is awaited and nothing is queued.

A stream knows what its client wants and what it has. `poll` computes the next response from the world as it
is at that moment. At most one response of each type is unanswered. So a slow client skips stale states, and
costs a set of names instead of queued bytes.

There is one state machine (`stream`). State of the World (`sotw`) and Delta (`delta`) are its codecs: they
interpret requests and encode responses. `ordering` makes before it breaks, across the types of a stream.
The machine keeps one `subscription` for each type. It consists of parts, which change by their own methods
only:

`interest`      the names that the client wants
`agenda`        the names to compare or to answer in the next response
`holdings`      the resources that the client has
`exchange`      the last response, its nonce, and whether the client has answered it
`Report`        what a reconnecting client said that it has
"""
