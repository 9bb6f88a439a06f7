"""What is set up beside an application: its Envoy, and how its calls get there. Pure."""
