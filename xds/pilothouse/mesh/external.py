"""ExternalName services for hosts outside of the mesh: which host names a sidecar may call."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.mesh.names import in_cluster
from pilothouse.model.addresses import is_public
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, ServiceSpec


def external(spec: ServiceSpec, allowed: bool = True) -> ServiceSpec | Omission:
    """The spec with its external name as its only host, or the reason why that host is refused.

    Sidecars can reach what others cannot: their own machine, the metadata service of a cloud, the network of
    the cluster. Whoever may write an ExternalName must not gain that (CVE-2021-25740 is such a case).
    """
    target = spec.external_name
    if in_cluster(target, spec.cluster_domain):  # an alias has to state the full host name of a Service
        return Omission(Reason.UNKNOWN_TARGET, target, "no Service has this name")
    if not allowed:
        return Omission(Reason.REFUSED_NAME, target, "--no-external-names")
    if not is_public(target):
        return Omission(Reason.REFUSED_NAME, target, "it leads into the sidecar's own machine or network")
    if not spec.ports:
        return Omission(Reason.NO_PORTS, str(spec.name))
    ports = tuple((port.name, port.number) for port in spec.ports)
    return replace(spec, hosts=(Endpoint(target, ports),))
