"""The operator's view over HTTP: it is handed questions to ask, and nothing to write with."""
