"""What a client was sent: what was news, what it had already, and what it was told is gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..wire.stream import Said
from ..wire.topics import CDS, EDS, Topic


class Ledger:
    """One client, across its connections. Pure.

    `again` counts resources that were sent though the client has just these; a response that restates
    everything, as State of the World does, counts only if it says nothing new. `gone` are the names
    whose absence was stated to a client that has them.
    """

    def __init__(self) -> None:
        self.again = 0
        self.gone: list[str] = []
        self._has: dict[Topic, dict[str, Any]] = {}

    def take(self, said: Said) -> None:
        has = self._has.setdefault(said.topic, {})
        gone = self._absent(said)
        news = {name for name, message in said.messages.items() if has.get(name) != message}
        restates = said.topic.full_state and said.version
        if not (restates and (news or gone)):
            self.again += len(said.messages) - len(news)
        self.gone += sorted(gone)
        has.update(said.messages)
        self._forget(said.topic, gone, news)

    def _absent(self, said: Said) -> set[str]:
        has = self._has[said.topic].keys()
        if said.version and said.topic.full_state:
            return has - said.messages.keys()
        return has & set(said.removed)

    def _forget(self, topic: Topic, gone: Iterable[str], news: Iterable[str]) -> None:
        for name in gone:
            del self._has[topic][name]
        if topic is CDS:  # a cluster that is new or another one asks for its endpoints
            for name in (*gone, *news):
                self._has.get(EDS, {}).pop(name, None)
