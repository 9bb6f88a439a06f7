"""The translated services, encoded once for all clients that see the same, and the effects of a change."""
