"""Data structures, and turns on the event loop: what would be as useful in a program without services."""
