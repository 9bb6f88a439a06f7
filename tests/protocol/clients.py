"""Clients of both variants that follow the protocol: what they ask for, what they hold, what they answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilothouse.encoding.types import ResourceType

from .reading import CODECS, Said
from .toy_world import CDS, EDS, NO_ENDPOINTS, TYPES, ToyWorld

ALL = "*"


class Answer(NamedTuple):
    """An answer that is still to be given: to which response, and whether it is an ACK."""

    type: ResourceType
    nonce: str
    accepted: bool


@dataclass
class Held:
    """One type, as a client has it."""

    names: set[str] = field(default_factory=set)
    legacy: bool = False  # asks for everything by naming nothing
    begun: bool = False  # on this stream
    nonce: str = ""
    version: str = ""  # SotW: last accepted
    texts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str | None] = field(default_factory=dict)  # None: that it is gone
    dropped: set[str] = field(default_factory=set)  # since a response was accepted
    carried: set[str] = field(default_factory=set)  # from an earlier stream, and not sent on this one

    def wants(self, name: str) -> bool:
        return ALL in self.names or name in self.names

    def hold(self, name: str, text: str | None, version: str = "") -> None:
        """Take over a resource, or drop it by None."""
        self.refused.pop(name, None)
        self.carried.discard(name)
        self.texts.pop(name, None)
        self.versions.pop(name, None)
        if text is not None and self.wants(name):
            self.texts[name], self.versions[name] = text, version


class Client:
    """What both variants have in common."""

    variant: str

    def __init__(self) -> None:
        self.held = {type: Held() for type in TYPES}
        self.Request: Any = CODECS[self.variant].Request

    def first(self, type: ResourceType, names: Iterable[str] = ()) -> Any:
        """Begin with a type on this stream. No names are all clusters or listeners."""
        held = self.held[type]
        held.names |= set(names)
        if not held.names and type.full_state:
            held.names, held.legacy = {ALL}, True
        held.begun = True
        return self._first(type, set() if held.legacy else held.names)

    def ask(self, type: ResourceType, added: set[str], dropped: set[str]) -> Any:
        """Change what is subscribed to, and drop what is not any more."""
        held = self.held[type]
        held.names = (held.names | added) - dropped
        held.legacy = held.legacy and held.names == {ALL}
        held.dropped |= dropped
        for name in [name for name in held.texts if not held.wants(name)]:
            held.hold(name, None)
        return self._ask(type, added, dropped)

    def take(self, said: Said, accept: bool) -> Answer:
        """Use a response, or refuse it."""
        held = self.held[said.type]
        held.nonce = said.nonce
        news = self._news(said)
        for name, text in news.items():
            if accept:
                held.hold(name, text, said.versions.get(name, ""))
            else:
                held.refused[name] = text
        if accept:
            held.version = said.version
            held.dropped.clear()
        return Answer(said.type, said.nonce, accept)

    def _first(self, type: ResourceType, names: set[str]) -> Any:
        """The first request for a type on a stream."""
        raise NotImplementedError

    def _ask(self, type: ResourceType, added: set[str], dropped: set[str]) -> Any:
        """A request that changes what is subscribed to."""
        raise NotImplementedError

    def _news(self, said: Said) -> dict[str, str | None]:
        """What a response says of each name; None if it is gone."""
        raise NotImplementedError

    def reconnect(self) -> None:
        """Lose the stream, and keep what was accepted."""
        for held in self.held.values():
            held.begun, held.nonce, held.carried = False, "", set(held.texts)

    def lacks(self, world: ToyWorld) -> dict[str, tuple[str | None, str | None]]:
        """Where this client differs from a world although it had its chance: what it has, what there is."""
        differences = {}
        for type, held in self.held.items():
            texts = world.texts[type] if held.begun else {}
            for name in {*texts, *held.texts} if held.begun else ():
                has, should = held.texts.get(name), texts.get(name) if held.wants(name) else None
                refused = name in held.refused and held.refused[name] == should
                if has != should and not refused and not (should is None and self._left(type, name)):
                    differences[f"{type.label} {name}"] = (has, should)
        return differences

    def _left(self, type: ResourceType, name: str) -> bool:
        """Whether the variant has no word to tell this client that a resource is gone."""
        return False


class SotwClient(Client):
    variant = "sotw"

    def ask(self, type: ResourceType, added: set[str], dropped: set[str]) -> Any:
        held = self.held[type]
        if held.legacy and not (held.names | added) - dropped:
            dropped = dropped - {ALL}  # an empty list still means everything
        return super().ask(type, added, dropped)

    def answer(self, answer: Answer) -> Any:
        request = self._request(answer.type, answer.nonce)
        if not answer.accepted:
            request.error_detail.message = "refused"
        return request

    def _first(self, type: ResourceType, names: set[str]) -> Any:
        request = self._request(type, "")
        held = self.held[type]
        # What it took up again after the last response is nothing that it could reported to have.
        if held.dropped & held.names:
            request.version_info = ""
        return request

    def _ask(self, type: ResourceType, added: set[str], dropped: set[str]) -> Any:
        return self._request(type, self.held[type].nonce)

    def _request(self, type: ResourceType, nonce: str) -> Any:
        held = self.held[type]
        return self.Request(
            type_url=type.url,
            resource_names=() if held.legacy else sorted(held.names),
            response_nonce=nonce,
            version_info=held.version,
        )

    def _news(self, said: Said) -> dict[str, str | None]:
        """Of clusters and listeners, what is left out is gone."""
        texts = {name: None if text == NO_ENDPOINTS else text for name, text in said.texts.items()}
        if said.type.full_state:
            return {**dict.fromkeys(self.held[said.type].texts), **texts}
        return texts

    def _left(self, type: ResourceType, name: str) -> bool:
        carried = name in self.held[type].carried
        clusters = self.held[CDS]
        # A cluster that it has only because it refused to lose it is none that the server knows of.
        known = clusters.begun and name in clusters.texts and name not in clusters.refused
        silent = not type.full_state and type.empty is None
        return silent or (type is EDS and carried and not known)


class DeltaClient(Client):
    variant = "delta"

    def answer(self, answer: Answer) -> Any:
        request = self.Request(type_url=answer.type.url, response_nonce=answer.nonce)
        if not answer.accepted:
            request.error_detail.message = "refused"
        return request

    def _first(self, type: ResourceType, names: set[str]) -> Any:
        request = self.Request(type_url=type.url, resource_names_subscribe=sorted(names))
        request.initial_resource_versions.update(self.held[type].versions)
        return request

    def _ask(self, type: ResourceType, added: set[str], dropped: set[str]) -> Any:
        return self.Request(
            type_url=type.url,
            resource_names_subscribe=sorted(added),
            resource_names_unsubscribe=sorted(dropped),
        )

    def _news(self, said: Said) -> dict[str, str | None]:
        return {**dict.fromkeys(said.removed), **said.texts}


CLIENTS: dict[str, type[SotwClient] | type[DeltaClient]] = {"sotw": SotwClient, "delta": DeltaClient}
