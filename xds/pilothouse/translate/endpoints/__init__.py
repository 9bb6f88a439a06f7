"""The endpoints of one port: which a client can call, in which order, and with which weights."""
