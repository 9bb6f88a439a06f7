"""Services from Kubernetes manifests in files and folders, which are read again when they change."""
