"""Who asks, and what it may know: audience, identity, names, claims, dependencies. Pure."""
