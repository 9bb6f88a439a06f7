"""Pilothouse beside istiod, both following the same real API server."""
