"""The Envoys of the demo, one for each caller, with bootstraps that the product makes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pilothouse.demo.mesh import HOSTS, NAMESPACES, REGION, START, Caller, Flow
from pilothouse.demo.processes import Processes, Unavailable, sidecar
from pilothouse.demo.traffic import Connection, outcome
from pilothouse.demo.waiting import until
from pilothouse.mesh.audience import Node
from pilothouse.model.services import Locality
from pilothouse.sidecar.bootstrap import Sidecar, bootstrap
from pilothouse.structures.hostport import HostPort

_START_S = 30.0
_PODS = frozenset(pod.name for pod in START.pods)


def start(envoy: Path, processes: Processes, caller: Caller, xds: int, egress: int) -> None:
    """Start the Envoy of a caller. Its bootstrap is written into the folder of the processes."""
    file = processes.folder / f"{caller.name}.json"
    file.write_text(bootstrap(_described(caller, xds, egress)))
    processes.start(caller.name, sidecar(envoy, file))


async def warm(processes: Processes, caller: Caller, egress: int) -> None:
    """Return when every service answers a caller. Raises Unavailable."""
    for host in HOSTS:
        if not await until(partial(_served, processes, Flow(caller, host), egress), _START_S):
            words = processes.last_words(caller.name)
            raise Unavailable(f"{caller.name} is not served by {host}; its Envoy: {words}")


async def _served(processes: Processes, flow: Flow, egress: int) -> bool:
    processes.require()
    connection = Connection("127.0.0.1", egress)
    try:
        return await outcome(connection, asked_as(flow)) in _PODS
    finally:
        connection.close()


def asked_as(flow: Flow) -> str:
    """The Host header: the bare name of a service in the caller's namespace, else with the namespace."""
    namespace = NAMESPACES[flow.host]
    return flow.host if flow.caller.namespace == namespace else f"{flow.host}.{namespace}"


def _described(caller: Caller, xds: int, egress: int) -> Sidecar:
    about = {"namespace": caller.namespace, "egress": f"127.0.0.1:{egress}"}
    return Sidecar(
        node=Node(caller.name, Locality(REGION, caller.zone), {"pilothouse": about}),
        cluster=caller.namespace,
        control_plane=HostPort("127.0.0.1", xds),
        sotw=caller.sotw,
        admin_port=0,
    )
