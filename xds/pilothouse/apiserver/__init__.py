"""How the API server of a cluster is reached, read and written: kubeconfig, credentials, client."""
