"""Names as an application says them: short ones, and what a resolver's search list makes of names.

The resolver of a Pod looks for a name with few dots in its search domains first: it asks for
`api.example.com.shop.svc.cluster.local`, then for two or more other names, and for `api.example.com` last.
Each is asked for twice, for A and AAAA. Who knows the search list can answer the first of these questions
with what the others would have led to, as an alias. (CoreDNS does that with its plugin `autopath`.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.messages import LONGEST_NAME
from pilothouse.dns.names import Names
from pilothouse.dns.records import Labels, Name, Rcode, Record, Type, labels
from pilothouse.dns.responder import Forward, Onward
from pilothouse.dns.zone import TTL
from pilothouse.mesh.names import ClusterZone
from pilothouse.model.services import Service, ServiceName

#: NAME, or NAME.NAMESPACE.
_SHORT = 2


@dataclass(frozen=True, slots=True)
class SearchList:
    """The search domains of an application in a namespace: those of its cluster, and then `others`.

    `suffixes` are other endings of short names.
    """

    cluster: ClusterZone
    namespace: str
    others: Sequence[Labels] = ()
    suffixes: Collection[str] = ()

    @property
    def domains(self) -> tuple[Labels, Labels, Labels]:
        domain = labels(self.cluster.domain)
        return (self.namespace, "svc", *domain), ("svc", *domain), domain

    def unfinished(self, name: Labels) -> Labels:
        """What a resolver was asked for, if this is its first question. Empty if it is not."""
        first = self.domains[0]
        return name[: -len(first)] if name[-len(first) :] == first else ()


class Searching:
    """Answers an application of one namespace.

    `saved` is how many questions its resolver did not have to ask. `forwards`: somebody else can be asked.
    """

    def __init__(self, names: Names, search: SearchList, forwards: bool) -> None:
        self.names, self.search, self._forwards = names, search, forwards
        self._domains = search.domains
        self.saved = 0

    def service(self, name: ServiceName) -> Service | None:
        return self.names.service(name)

    def answer(self, question: Question) -> Answer | None:
        """None if somebody else has to be asked."""
        found = self.names.answer(question)
        if found is None:
            return self._short(question) or self._unclear(question.name)
        if found.rcode not in (Rcode.NXDOMAIN, Rcode.SERVFAIL):
            return found
        if self._forwards and self._others_may_know(question.name):
            return None
        return self._continued(question) or found

    def _others_may_know(self, name: Labels) -> bool:
        """Whether a name of the cluster that is not known here may be known to the cluster's own name server.

        That is so for Pods, for namespaces that are not served, and for single endpoints behind a virtual IP.
        """
        domain = self._domains[2]
        below = name[: -len(domain)] if name[-len(domain) :] == domain else ()
        match below:
            case (*_, "pod"):
                return True
            case (*before, namespace, "svc"):
                service = self.names.service(ServiceName(namespace, before[-1])) if before else None
                endpoint = len(before) == 2 and service is not None and not service.spec.headless
                return endpoint or not self.search.cluster.has_all(namespace)
            case _:
                return False

    def _unclear(self, name: Labels) -> Answer | None:
        """The answer for what may be the short name of a service, as long as not all services are known.

        Strangers may have a name such as `payments.shop`, too, and would get what is meant for a service.
        """
        if self.names.known.complete or len(name) > _SHORT:
            return None
        return Answer(Rcode.SERVFAIL, authoritative=False)

    def _short(self, question: Question) -> Answer | None:
        """The answer for a name that is not finished by any search domain, if a service has it."""
        for name in (question.name, *self._without_suffix(question.name)):
            for found in self._found(name, question.type, self._domains):
                return _aliased(question, *found[1:])
        return None

    def _without_suffix(self, name: Labels) -> Iterator[Labels]:
        for suffix in self.search.suffixes:
            ending = labels(suffix.lstrip("."))
            if name[-len(ending) :] == ending and len(name) > len(ending):
                yield name[: -len(ending)]

    def _continued(self, question: Question) -> Answer | None:
        """What the resolver would find if it went on through its search list."""
        name = self.search.unfinished(question.name)
        if not name:
            return None
        for place, finished, found in self._found(name, question.type, (*self._domains[1:], ())):
            self.saved += place + 1
            return _aliased(question, finished, found)
        return Answer(elsewhere=name) if self._may_be_elsewhere(name) else None

    def _may_be_elsewhere(self, name: Labels) -> bool:
        """Whether somebody else is asked for a name that no domain of the cluster finishes.

        What is below a service of the namespace is meant to be its endpoint, whether or not there is one.
        """
        if not self._forwards or len(name) == 1 or self._unclear(name):
            return False
        below = self.names.service(ServiceName(self.search.namespace, name[-1])) is not None
        return not below and self.names.answer(Question(name, Type.A)) is None

    def _found(
        self, name: Labels, type: int, domains: Sequence[Labels]
    ) -> Iterator[tuple[int, Labels, Answer]]:
        """Which of these domains finish the name to that of a service, and the answer for it."""
        for place, domain in enumerate(domains):
            found = self.names.answer(Question((*name, *domain), type))
            # A name between others exists, too. But a resolver would go on searching.
            if found is not None and (found.records or found.of):
                yield place, (*name, *domain), found

    async def elsewhere(self, onward: Onward, forward: Forward) -> Answer:
        """The answer from elsewhere, for which a resolver may have more domains to search in."""
        question, name = onward.query.question, self.search.unfinished(onward.query.question.name)
        if onward.answer is None or onward.answer.records or onward.answer.elsewhere != name:
            return await forward(onward)
        found = Answer(Rcode.SERVFAIL, authoritative=False)
        for place, domain in enumerate((*self.search.others, ())):
            finished = (*name, *domain)
            if sum(len(label) + 1 for label in finished) >= LONGEST_NAME:
                continue
            found = await forward(
                Onward(onward.query, _aliased(question, finished, Answer(elsewhere=finished)))
            )
            if found.rcode is not Rcode.NXDOMAIN:
                self.saved += (place + len(self._domains)) * (found.rcode is Rcode.NOERROR)
                return found
        # Nobody has it. Then it is the name itself that does not exist.
        return self.names.answer(question) or found


def _aliased(question: Question, finished: Labels, found: Answer) -> Answer:
    """The answer for a finished name as that for the name that was asked for.

    It holds for this question only, because a name that is tried earlier may come into being.
    """
    alias = Record(question.name, TTL, Name(Type.CNAME, finished))
    return replace(found, records=(alias, *found.records), of=())
