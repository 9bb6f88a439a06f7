"""A fleet of real Envoys on this machine, and what changes and restarts of the control plane do to it."""
