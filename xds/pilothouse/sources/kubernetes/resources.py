"""What is read of a cluster: which kinds, at which paths, and how much of each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.kubernetes.gateway.backends import GROUP, MULTICLUSTER
from pilothouse.kubernetes.parse import GATEWAY_KINDS, MULTICLUSTER_KINDS

#: The API groups of which the kinds are there or not, as somebody has installed them.
INSTALLED: Mapping[str, Mapping[str, Sequence[str]]] = {
    GROUP: GATEWAY_KINDS,
    MULTICLUSTER: MULTICLUSTER_KINDS,
}


class Scope(NamedTuple):
    """All objects of a kind, or those of one namespace, or those that a label selector selects: what one list
    holds.
    """

    kind: str
    namespace: str = ""
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects, and where its list is. `version` is an apiVersion such as `discovery.k8s.io/v1`.

    Of some kinds the `metadata` is all that is asked for. Without the `essential` ones no service is known.
    """

    kind: str
    plural: str
    version: str = "v1"
    namespaced: bool = True
    metadata: bool = False
    essential: bool = False

    def path(self, namespace: str = "") -> str:
        """Of the list of all objects, or of those in a namespace."""
        root = f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def __str__(self) -> str:
        """As kubectl and the API server's messages name it, such as `endpointslices.discovery.k8s.io`."""
        group, _, _ = self.version.rpartition("/")
        return f"{self.plural}.{group}" if group else self.plural


NODES = Resource("Node", "nodes", namespaced=False, metadata=True)
NAMESPACES = Resource("Namespace", "namespaces", namespaced=False, metadata=True)
PODS = Resource("Pod", "pods", metadata=True)

#: What every cluster has.
BUILT_IN: Sequence[Resource] = (
    Resource("Service", "services", essential=True),
    Resource("EndpointSlice", "endpointslices", "discovery.k8s.io/v1", essential=True),
    NAMESPACES,
    NODES,
    PODS,
)


def installed(group: str, served: Mapping[str, Sequence[str]]) -> Iterator[Resource]:
    """What is read of an API group of `INSTALLED`, where it is `served`: the kinds by version, such as `v1`.

    Of several versions of a kind the first counts that is known best.
    """
    for kind, versions in INSTALLED[group].items():
        version = next((each for each in versions if kind in served.get(each, ())), None)
        if version is not None:
            yield Resource(kind, f"{kind.lower()}s", f"{group}/{version}")
