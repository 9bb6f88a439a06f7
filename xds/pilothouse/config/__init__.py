"""What an operator says: file, environment and flags become frozen settings."""
