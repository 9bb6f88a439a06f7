"""What is written back to a cluster: the conditions of its routes, and Events, by one of several replicas."""
