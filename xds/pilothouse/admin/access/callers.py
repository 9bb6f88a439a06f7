"""Who asks the admin port, and what they may do. Values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever has sent a request: the name that a token or a certificate proves; empty if nothing does.

    `could_prove`: a token or a certificate would prove a name.
    """

    name: str = ""
    may_write: bool = False
    could_prove: bool = False


NOBODY = Caller()
