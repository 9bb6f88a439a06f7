"""The operator's view over HTTP. It can ask questions about the running parts, and change nothing."""
