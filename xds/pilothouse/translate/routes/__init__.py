"""Routes: host names, the rules that choose clusters, and what they change in requests."""
