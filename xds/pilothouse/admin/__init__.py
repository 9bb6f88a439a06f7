"""The operator's view over HTTP: it is handed a way to read a Status, and nothing to write with."""
