"""The mutating webhook: the process that the API server asks about each new pod, and its certificates."""
