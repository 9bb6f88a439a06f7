"""Services from the API server of a Kubernetes cluster: listed once, then watched."""
