"""Requests through a real Envoy while real controllers replace the pods that answer them: none is lost.

It takes of the pods what every load balancer needs of them: a deleted pod serves on until the last sidecar
knows, here by a preStop hook that sleeps. The deletion is the first that anyone hears, and it takes some
milliseconds from there to an Envoy. Without the hook these tests fail: a request that is under way when the
application ends is lost, since it may have been acted on. So is one whose second try meets a pod that has
ended, too. Of about 700 requests, 4 to 6 were lost.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ..redirect.namespaces import lacking
from .cluster import ADMIN, Cluster
from .conformance.sidecar import Caller
from .kubelet import Kubelet
from .namespace import Namespace
from .plane import Plane

_PODS = 20
#: Of a preStop hook: as long as it takes until the slowest sidecar knows, with a large margin.
_PRE_STOP_S = 2


class Web:
    """A Deployment that is called all the time, and what its callers saw."""

    def __init__(self, namespace: Namespace, log: Path) -> None:
        self._namespace, self._log = namespace, log

    def outcomes(self, since: int = 0) -> list[str]:
        """One for each request: the pod that answered, or why none did."""
        # The last line may not be whole.
        return self._log.read_text().split("\n")[since:-1] if self._log.exists() else []

    def lost(self) -> Counter[str]:
        return Counter(each for each in self.outcomes() if each.startswith("lost"))

    def pods(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self._namespace.api.list("Pod", self._namespace.name)}

    def change(self, **spec: object) -> None:
        self._namespace.api.patch("Deployment", "web", {"spec": spec}, self._namespace.name)

    def settled(self) -> bool:
        """Whether the controllers are done: all pods are new and available, and no other is left."""
        web = self._namespace.api.get("Deployment", "web", self._namespace.name)
        status, wanted = web["status"], web["spec"]["replicas"]
        if status.get("observedGeneration") != web["metadata"]["generation"]:
            return False
        counts = {status.get(each, 0) for each in ("replicas", "updatedReplicas", "availableReplicas")}
        return counts == {wanted} and len(self.pods()) == wanted


@pytest.fixture
async def web(
    pod_network: None, cluster: Cluster, namespace: Namespace, tmp_path: Path, eventually
) -> AsyncIterator[Web]:
    """All of it is running, and every pod has answered."""
    if why := lacking():
        pytest.skip(why)
    log, api = tmp_path / "flow", cluster.api_as(ADMIN)
    found = Web(namespace, log)
    kubelet = asyncio.create_task(Kubelet(api, Namespace(api, namespace.name)).run())
    with ExitStack() as cleanup:
        service = namespace.service("web")
        namespace.api.create(namespace.object("Deployment", "web", api="apps/v1", spec=_deployment()))
        await eventually(found.settled, within=60)
        plane = Plane(tmp_path, ("--kubeconfig", str(cluster.kubeconfig)))
        cleanup.callback(plane.process.stop)
        await asyncio.to_thread(plane.start)
        caller = Caller(9, namespace.name, tmp_path)
        cleanup.callback(caller.stop)
        await asyncio.to_thread(caller.start, plane.xds)
        caller.run(sys.executable, "-m", "tests.real.flow", service["spec"]["clusterIP"], "80", log=log)
        await eventually(lambda: set(found.outcomes()) >= found.pods())
        yield found
    kubelet.cancel()
    with suppress(asyncio.CancelledError):
        await kubelet


def _deployment() -> dict[str, object]:
    hook = {"preStop": {"sleep": {"seconds": _PRE_STOP_S}}}
    container = {"name": "app", "image": "none", "lifecycle": hook}
    return {
        "replicas": _PODS,
        "minReadySeconds": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"nodeName": "n1", "containers": [container]},
        },
    }


@pytest.mark.timeout(300)
async def test_no_request_is_lost_when_all_pods_are_replaced(web: Web, eventually) -> None:
    old = web.pods()
    web.change(template={"metadata": {"labels": {"version": "2"}}})
    await eventually(web.settled, within=120)
    assert not web.pods() & old
    since = len(web.outcomes())
    await eventually(lambda: set(web.outcomes(since)) >= web.pods())
    assert web.lost() == {}
    assert not set(web.outcomes(since)) & old


@pytest.mark.timeout(300)
async def test_no_request_is_lost_when_pods_become_few_and_many_again(web: Web, eventually) -> None:
    for wanted in (5, _PODS):
        web.change(replicas=wanted)
        await eventually(web.settled, within=120)
        since = len(web.outcomes())
        await eventually(lambda since=since: set(web.outcomes(since)) >= web.pods())
    assert web.lost() == {}
