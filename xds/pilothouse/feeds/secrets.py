"""The secrets of `--secrets`: certificates with their keys, and CAs, each for those who may have it.

web:                            # the name that a sidecar asks for
  cert: web.crt                 # PEM files, beside this one
  key: web.key
  namespaces: [shop]            # of clients; "*" are all of which the namespace is proven
  ids: [spiffe://mesh.test/ns/shop/sa/web]    # URIs in a client's certificate
roots:
  ca: ca.crt
  anyone: true                  # whoever connects, without proof
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.feeds.mappings import At, document
from pilothouse.feeds.pem import Files, Unusable, authorities
from pilothouse.feeds.pem import read as read_pair

_KEYS = frozenset({"cert", "key", "ca", "namespaces", "ids", "anyone"})


@dataclass(frozen=True, slots=True)
class Secret:
    """PEM contents: a chain and its key, or CAs. `namespaces` and `ids` say which clients may have them."""

    name: str
    chain: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    authorities: bytes = field(default=b"", repr=False)
    namespaces: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    anyone: bool = False


def read(path: Path) -> list[Secret]:
    """Read the file and the PEM files that it names. Raises Mistake."""
    return [_secret(name, at, path.parent) for name, at in document(path).entries()]


def _secret(name: str, at: At, folder: Path) -> Secret:
    parts = dict(at.entries())
    for key in parts.keys() - _KEYS:
        raise parts[key].mistake(f"is not known; known keys are {', '.join(sorted(_KEYS))}")
    namespaces, ids = (frozenset(_texts(parts, key)) for key in ("namespaces", "ids"))
    anyone = parts["anyone"].scalar() if "anyone" in parts else False
    if not isinstance(anyone, bool):
        raise parts["anyone"].mistake("is neither true nor false")
    if not (namespaces or ids or anyone):
        raise at.mistake("does not say who may have it: namespaces, ids or anyone")
    files = {key: folder / parts[key].file_name() for key in ("cert", "key", "ca") if key in parts}
    if files.keys() not in ({"cert", "key"}, {"ca"}):
        raise at.mistake("needs cert and key, or ca alone")
    try:
        if "ca" in files:
            return Secret(name, b"", b"", authorities(files["ca"]), namespaces, ids, anyone)
        pair = read_pair(Files(files["cert"], files["key"]))
    except Unusable as unusable:
        raise at.mistake(str(unusable)) from None
    return Secret(name, pair.cert, pair.key, b"", namespaces, ids, anyone)


def _texts(parts: Mapping[str, At], key: str) -> Iterator[str]:
    return (item.text() for item in parts[key].items()) if key in parts else iter(())
