"""A mesh of real Envoys on this machine, under traffic and under change: beside the product, to show it."""
