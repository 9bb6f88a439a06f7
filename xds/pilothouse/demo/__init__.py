"""A mesh of real Envoys on this machine, under traffic and changes. It shows the product from outside."""
