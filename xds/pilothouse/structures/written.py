"""How error messages quote a value that a user has written."""

from __future__ import annotations

#: The most characters of what somebody has sent that an error quotes.
_MOST = 100


def is_content(text: str) -> bool:
    """Whether a text is PEM data instead of a file name. It may contain a private key, so never quote it."""
    return "-----BEGIN" in text


def named(value: object) -> str:
    """A value as YAML writes it, or only its type if it is a list or a mapping."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "a list"
    return "a mapping" if isinstance(value, dict) else str(value)


def brief(text: str, most: int = _MOST) -> str:
    """The first `most` characters of what somebody has sent, with an ellipsis if there are more."""
    return text if len(text) <= most else f"{text[:most]}..."


def quoted(text: str) -> str:
    """The same in quotation marks, on one line."""
    return repr(brief(text))
