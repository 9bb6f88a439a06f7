"""Answers an application out of what is learned, and asks elsewhere for the rest."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.agent.learned import Learned
from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.names import Names
from pilothouse.dns.records import Labels, Rcode, labels
from pilothouse.dns.responder import Forward, Onward
from pilothouse.dns.searching import Searching, SearchList
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.addresses import CLUSTER_SET
from pilothouse.model.services import Service, ServiceName

_CLUSTER_SET = labels(CLUSTER_SET)


class Resolver:
    """For an application in a namespace, whose names are searched in these domains."""

    def __init__(
        self, learned: Learned, namespace: str, search: Sequence[Labels], forward: Forward | None
    ) -> None:
        self._learned, self._namespace, self._search, self._forward = learned, namespace, search, forward
        self._saved = 0
        self._searching = self._begin()

    @property
    def saved(self) -> int:
        """How many questions the application's resolver did not have to ask."""
        return self._saved + self._searching.saved

    def service(self, name: ServiceName) -> Service | None:
        return self._learned.service(name)

    def answer(self, question: Question) -> Answer | None:
        if self._searching.search.cluster != self._learned.zone:
            self._saved, self._searching = self.saved, self._begin()
        in_cluster_set = question.name[-len(_CLUSTER_SET) :] == _CLUSTER_SET
        if self._forward and in_cluster_set and not self._learned.imports:
            return None  # the cluster set is not known here, but perhaps to the name server of the cluster
        return self._searching.answer(question)

    async def elsewhere(self, onward: Onward) -> Answer:
        """The answer of somebody else."""
        assert self._forward is not None, "nothing is asked elsewhere without anybody to ask"
        found = await self._searching.elsewhere(onward, self._forward)
        if found.rcode is Rcode.NXDOMAIN and not self._learned.complete:
            # It may be the name of a service that is not known yet, and clients remember what does not exist.
            return Answer(Rcode.SERVFAIL, authoritative=False)
        return found

    def _begin(self) -> Searching:
        cluster = Zone.of_cluster(self._learned.zone.domain, self._learned)
        zones = [cluster, Zone.of_cluster_set(self._learned)]
        others = [each for each in self._search if not cluster.has(each)]
        search = SearchList(self._learned.zone, self._namespace, others, self._learned.suffixes)
        return Searching(Names(zones, self._learned, Scope()), search, self._forward is not None)
