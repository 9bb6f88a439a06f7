"""What is served beside services: runtime values and secrets, from files."""
