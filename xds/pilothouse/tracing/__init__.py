"""Traces of changes, for OpenTelemetry: what is known of a change that has ended, sent to a collector."""
