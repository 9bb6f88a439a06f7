"""Services from Kubernetes manifests in files and folders, read again whenever they change."""
