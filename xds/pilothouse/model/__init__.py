"""The nouns: services, endpoints, policy, routes, reasons. A value answers questions about itself only."""
