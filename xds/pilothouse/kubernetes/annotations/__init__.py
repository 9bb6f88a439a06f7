"""Annotations for weights, localities, policy and TLS. An invalid value counts as absent, with a warning."""
