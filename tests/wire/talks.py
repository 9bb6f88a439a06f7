"""Conversations about one type on a stream: requests in the words of the tests, and what is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.rpc.status_pb2 import Status

from .stream import Said, Stream
from .topics import EGRESS, NONE, Topic

Naming = Callable[[str], str]


class Talk:
    """What both variants of the protocol have in common. `naming` turns a test's words into names."""

    def __init__(self, stream: Stream, topic: Topic, naming: Naming, **first: Any) -> None:
        self.stream = stream
        self.topic = topic
        self.naming = naming
        self.last = Said(topic, "")
        self._first = first  # fields of the next request only: the node, the type URL

    async def hear(self) -> Said:
        """The next response of this type, whatever it says."""
        self.last = await self.stream.hear(self.topic)
        return self.last

    async def heard(self, gone: Iterable[str] = (), **contents: int) -> Said:
        """The next response, which holds just this."""
        said = await self.hear()
        expected = self.named(contents)
        assert self.shown(said) == (expected, {self.naming(word) for word in gone}), said
        return said

    async def taken(self, gone: Iterable[str] = (), **contents: int) -> Said:
        """The next response, which holds just this, and is accepted."""
        said = await self.heard(gone, **contents)
        await self.ack()
        return said

    async def quiet(self) -> None:
        await self.stream.quiet(self.topic)

    async def ends_with(self, **contents: int) -> None:
        """Accept all that comes until the client has just this, and then nothing more comes."""
        has: dict[str, int] = {}
        while has != self.named(contents):
            self.absorb(has, await self.hear())
            await self.ack()
        await self.quiet()

    def absorb(self, has: dict[str, int], said: Said) -> None:
        """What a client has after a response."""
        contents, gone = self.shown(said)
        if said.topic.full_state and self.stream.variant == "sotw":
            has.clear()
        has.update(contents)
        for name in gone:
            has.pop(name, None)

    def named(self, contents: Mapping[str, int]) -> dict[str, int]:
        return {self.naming(word): self.topic.seen(n) for word, n in contents.items()}

    def shown(self, said: Said) -> tuple[dict[str, int], set[str]]:
        """Contents and what is gone, as an empty load assignment as well; `egress` is always there."""
        contents = {
            name: n for name, n in said.contents.items() if name != EGRESS or self.topic.label == "RDS"
        }
        emptied = {name for name, n in contents.items() if n == NONE and self.topic.label == "EDS"}
        return {n: contents[n] for n in contents.keys() - emptied}, emptied | set(said.removed)

    async def ack(self) -> None:
        raise NotImplementedError

    def _fields(self) -> dict[str, Any]:
        fields, self._first = {"type_url": self.topic.url} | self._first, {}
        return fields


class Sotw(Talk):
    """A request restates the names; with it go the last nonce and the version last accepted."""

    def __init__(self, stream: Stream, topic: Topic, naming: Naming, **first: Any) -> None:
        super().__init__(stream, topic, naming, **first)
        self.names: tuple[str, ...] = ()
        self.version = ""

    async def ask(self, *words: str, **fields: Any) -> None:
        """Subscribe to just these; `fields` are said instead of what a good client would say."""
        self.names = words
        await self.repeat(**fields)

    async def repeat(self, **fields: Any) -> None:
        """Say it again, with the names as they are."""
        usual = {"version_info": self.version, "response_nonce": self.last.nonce}
        names = [self.naming(word) for word in self.names]
        await self.stream.send(**self._fields() | usual | {"resource_names": names} | fields)

    async def ack(self, *words: str) -> None:
        """Accept the last response, and ask for these names if there are any."""
        self.version = self.last.version
        await self.ask(*(words or self.names))

    async def nack(self, *words: str) -> None:
        await self.ask(*(words or self.names), error_detail=Status(code=3, message="the test says no"))


class Delta(Talk):
    """A request adds names, or drops those that are written with a minus."""

    async def ask(self, *words: str, has: Mapping[str, str] | None = None, **fields: Any) -> None:
        """`has` is initial_resource_versions, by name."""
        added = [self.naming(word) for word in words if not word.startswith("-")]
        dropped = [self.naming(word[1:]) for word in words if word.startswith("-")]
        usual = {"resource_names_subscribe": added, "resource_names_unsubscribe": dropped}
        await self.stream.send(**self._fields() | usual | {"initial_resource_versions": has} | fields)

    async def ack(self, *words: str) -> None:
        await self.ask(*words, response_nonce=self.last.nonce)

    async def nack(self, *words: str) -> None:
        error = Status(code=3, message="the test says no")
        await self.ask(*words, response_nonce=self.last.nonce, error_detail=error)
