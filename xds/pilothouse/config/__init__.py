"""Turns a file, the environment and flags into frozen settings."""
