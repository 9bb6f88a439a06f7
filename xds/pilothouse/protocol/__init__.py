"""The xDS protocol without I/O: requests in, responses out, nothing awaited and nothing queued.

A stream holds what its client wants and has. `poll` computes the next response from the world as it
is at that moment, and at most one response of a type is unanswered; so a slow client skips stale
states, and costs a set of names and never bytes.

There is one machine (`stream`). State of the World (`sotw`) and Delta (`delta`) are codecs of it: they say
what a request means and how a response is worded. Make before break is `ordering`. What the machine knows of
a type is a `subscription`, in parts that change by their own methods only: what is wanted (`interest`), what
is to be looked at (`agenda`), what was sent (`holdings`), the last response and its answer (`exchange`), and
what a client that comes back says it has (`Report`).
"""
