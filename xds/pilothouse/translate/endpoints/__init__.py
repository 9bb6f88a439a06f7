"""Where one port of a service runs: who can be called, in which order, and with which weight."""
