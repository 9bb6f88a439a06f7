"""What annotations say of weights, places, policy and TLS. One that makes no sense counts as absent."""
