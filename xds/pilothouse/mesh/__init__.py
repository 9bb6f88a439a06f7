"""Who asks, what it may know and by which names: audience, identity, visibility, names, claims. Pure."""
