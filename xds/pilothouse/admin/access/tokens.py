"""The tokens of a file, one a line: `NAME:TOKEN`, or `NAME:TOKEN:read` if it must not give orders. Pure.

Only the hashes of tokens are kept, so no log, page or dump of the memory's objects can show one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.admin.access.callers import Caller

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
#: What `Authorization: Bearer` can carry (RFC 6750). A shorter token could be guessed.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")


class Unreadable(ValueError):
    """The tokens cannot be used. The text names the line and the mistake, and quotes no token."""


class _Known(NamedTuple):
    digest: bytes
    caller: Caller


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that are in force."""

    known: tuple[_Known, ...] = ()

    def caller(self, token: str) -> Caller | None:
        """Who has this token. Each wrong one takes the same time, however similar to a right one."""
        digest = _digest(token)
        found = None
        for each in self.known:
            if hmac.compare_digest(each.digest, digest):
                found = each.caller
        return found


def read(text: str) -> Tokens:
    """The tokens of a file's text. Raises Unreadable."""
    found: dict[bytes, Caller] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, token, rights = _parts(line.strip(), number)
        digest = _digest(token)
        if digest in found:
            raise Unreadable(f"line {number}: the token is there twice")
        found[digest] = Caller(name, may_write=rights != "read")
    if not found:
        raise Unreadable("holds no token")
    return Tokens(tuple(_Known(digest, caller) for digest, caller in found.items()))


def _parts(line: str, number: int) -> tuple[str, str, str]:
    """The name, the token and the rights of a line. No mistake quotes the line: any part may be a token."""
    name, _, rest = line.partition(":")
    token, colon, rights = rest.partition(":")
    if not (_NAME.fullmatch(name) and token):
        raise Unreadable(f"line {number}: must be NAME:TOKEN or NAME:TOKEN:read")
    if not _TOKEN.fullmatch(token):
        raise Unreadable(f"line {number}: the token must be 16 to 512 of A-Z a-z 0-9 . _ ~ + / -")
    if colon and rights != "read":
        raise Unreadable(f"line {number}: after the token there can only be `:read`")
    return name, token, rights


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
