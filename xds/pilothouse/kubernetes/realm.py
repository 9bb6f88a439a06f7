"""The part of a cluster that is served, and what the host names of its services end in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Realm:
    """What an operator says of a cluster. Without `included` namespaces all are; `excluded` ones never are.

    `domain` and `suffixes` are what the host names of services end in: the fully qualified ones, and
    others beside these.
    """

    domain: str = "cluster.local"
    suffixes: tuple[str, ...] = ()
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def admits(self, namespace: str) -> bool:
        """Whether objects of a namespace count; what is in none, such as a node, does."""
        if not namespace:
            return True
        return namespace not in self.excluded and (not self.included or namespace in self.included)


#: All of a cluster, named as Kubernetes does by default.
WHOLE = Realm()
