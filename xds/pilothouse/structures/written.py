"""A value of a file of settings, for whoever is told that it is wrong."""

from __future__ import annotations


def is_content(text: str) -> bool:
    """Whether a text is what a PEM file holds, not the name of one. It may be a key, so nobody quotes it."""
    return "-----BEGIN" in text


def named(value: object) -> str:
    """A value as it was written in YAML, if it is short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "a list"
    return "a mapping" if isinstance(value, dict) else str(value)
