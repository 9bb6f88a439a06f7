"""Plays a transcript: what the world, the client and the server do, one a line.

    world CDS a=1 -b; EDS a=1    the world changes, all at once: a is 1 now, b is gone
    > CDS a b                    the client sends a request with these names, and the server may answer
    & CDS a b                    the same, before the server could answer the line above
    < CDS a=1 -b                 the next response: a is 1, b is removed (of SotW endpoints: is empty)
    wait 3                       seconds pass
    wakes 0.25                   the stream wants to be polled again in so many seconds
    silent 20                    the client has not answered for so many seconds; `none`: it owes nothing
    remind 20                    what it has owed for so long is sent again
    reconnect                    a new stream of the same client

Between these lines the server must be silent. `sotw:` or `delta:` before a line is for that variant only.

A request has the nonce of the last response of its type (Delta: only with `ack` or `nack`) and, in
SotW, the version that was last accepted. Names restate a SotW subscription, and `+a`, `-a`
change it; `ack` or `nack` alone leaves it as it is, `none` empties it. In Delta, `a` subscribes and
`-a` unsubscribes.
`nonce:`, `version:` and `has:a=1` (Delta: initial_resource_versions) say what is sent instead;
`nonce:old` is the nonce of the response before the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from pilothouse.encoding.types import ResourceType

from .reading import Reader, Said, begun, receive
from .toy_world import NO_ENDPOINTS, TYPES, ToyWorld, made, opened

OPTIONS = ("nonce:", "version:", "has:")
LABELS = {type.label: type for type in TYPES}


@dataclass
class Side:
    """What a client remembers of one type."""

    names: set[str] = field(default_factory=set)
    nonces: list[str] = field(default_factory=lambda: ["", ""])
    version: str = ""
    accepted: str = ""


class Player:
    """A client, a stream machine, a world and a clock."""

    def __init__(self, variant: str) -> None:
        self.variant = variant
        self.world = ToyWorld()
        self.now = 1000.0
        self.sides = {type: Side() for type in TYPES}
        self.reconnect()

    def play(self, transcript: str) -> None:
        for number, line in enumerate([*transcript.splitlines(), "end"], 1):
            who, _, rest = line.strip().rpartition(": ")
            if rest and who in ("", self.variant):
                try:
                    self.step(*rest.split())
                except AssertionError as wrong:
                    raise AssertionError(f"{wrong}\n{_marked(transcript, number)}") from None

    def step(self, verb: str, *words: str) -> None:
        """Do, or check, one line."""
        if verb == "<":
            self.expect(LABELS[words[0]], words[1:])
            return
        if verb != "&":
            self.silence()
        match verb:
            case "world":
                self.change(words)
            case ">" | "&":
                self.ask(LABELS[words[0]], words[1:])
            case "wait" | "wakes" | "silent" | "remind":
                getattr(self, verb)(float(words[0].replace("none", "inf")))
            case "reconnect":
                self.reconnect()
            case _ if verb != "end":
                raise ValueError(f"{verb} is no verb of a transcript")

    def wakes(self, seconds: float) -> None:
        assert self.stream.wake_at == pytest.approx(self.now + seconds, abs=1e-6)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        wake_at = self.stream.wake_at
        self._awake |= wake_at is not None and wake_at <= self.now

    def silent(self, seconds: float) -> None:
        since = self.stream.silent_since
        assert (inf if since is None else self.now - since) == pytest.approx(seconds)

    def remind(self, seconds: float) -> None:
        self._awake |= self.stream.remind(self.now - seconds)

    def reconnect(self) -> None:
        self.stream: Any = begun(self.variant)
        self.reader = Reader(self.variant, opened)
        self._awake = False
        for side in self.sides.values():
            side.nonces.append("")

    def silence(self) -> None:
        said = self.next()
        assert said is None, f"the server said more: {said}"

    def next(self) -> Said | None:
        """What the server says next. It polls a stream only after something happened to it."""
        response = self.stream.poll(self.world, self.now) if self._awake else None
        self._awake = response is not None
        if response is None:
            assert self.stream.wake_at is None or self.stream.wake_at > self.now, "polled without end"
            return None
        said = self.reader.read(response)
        side = self.sides[said.type]
        side.nonces.append(said.nonce)
        side.version = said.version
        return said

    def expect(self, type: ResourceType, words: tuple[str, ...]) -> None:
        said = self.next()
        assert said is not None, "the server said nothing"
        got = {name: text for name, text in said.texts.items() if text != NO_ENDPOINTS}
        gone = {*said.removed, *(said.texts.keys() - got.keys())}
        wanted = dict(word.split("=") for word in words if word[0] != "-")
        assert (said.type, got, gone) == (type, wanted, {word[1:] for word in words if word[0] == "-"})

    def change(self, words: tuple[str, ...]) -> None:
        wanted, type = [], ResourceType.CLUSTER
        for word in words:
            name, _, text = word.rstrip(";").removeprefix("-").partition("=")
            if name in LABELS:
                type = LABELS[name]
            else:
                wanted.append((type, name, text or None))
        self._awake |= self.stream.notify(self.world.change(wanted))

    def ask(self, type: ResourceType, words: tuple[str, ...]) -> None:
        side = self.sides[type]
        flags = {word for word in words if word in ("ack", "nack", "none")}
        options = dict(word.split(":") for word in words if word.startswith(OPTIONS))
        names = [word for word in words if word not in flags and not word.startswith(OPTIONS)]
        if "ack" in flags:
            side.accepted = side.version
        request = self.stream.codec.Request(type_url=type.url)
        if self.variant == "sotw":
            self._state(request, side, names, flags)
        else:
            self._difference(request, type, side, names, flags, options)
        if "nack" in flags:
            request.error_detail.message = "no"
        if "nonce" in options:
            nonces = {"old": side.nonces[-2], "last": side.nonces[-1]}
            request.response_nonce = nonces.get(options["nonce"], options["nonce"])
        if "version" in options:
            request.version_info = options["version"]
        receive(self.stream, type, request, self.now)
        self._awake = True

    def _state(self, request: Any, side: Side, names: list[str], flags: set[str]) -> None:
        restated = {name for name in names if name[0] not in "+-"}
        if not restated and ((flags & {"ack", "nack"} and "none" not in flags) or names):
            restated = side.names
        added = {name[1:] for name in names if name[0] == "+"}
        side.names = (restated | added) - {name[1:] for name in names if name[0] == "-"}
        request.resource_names.extend(sorted(side.names))
        request.response_nonce = side.nonces[-1]
        request.version_info = side.accepted

    def _difference(
        self, request: Any, type: ResourceType, side: Side, names: list[str], flags: set[str], options: Any
    ) -> None:
        request.resource_names_subscribe.extend(name.removeprefix("+") for name in names if name[0] != "-")
        request.resource_names_unsubscribe.extend(name[1:] for name in names if name[0] == "-")
        request.response_nonce = side.nonces[-1] if flags else ""
        for held in options.get("has", "").split(","):
            name, _, text = held.partition("=")
            if name:
                request.initial_resource_versions[name] = made(type, name, text).version


def _marked(transcript: str, number: int) -> str:
    lines = transcript.splitlines()
    return "\n".join(f"{'>>' if at == number else '  '} {line}" for at, line in enumerate(lines, 1))
