"""Clusters for tests: one that all share, with a namespace for each, and others for tests that break them."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import netns
from .cluster import CONTROLLERS, USUAL, WORKLOADS, Cluster, Wanted
from .gateway_api import Crds
from .kwok import Kwok
from .namespace import Namespace
from .nodes import Nodes
from .process import Process
from .programs import COREDNS, CRDS, DEPLOY, KUBE, KWOK, Part

_HERE = Path(__file__).parent
#: Fixtures that come with programs built with Go, or with the network namespace of `make kubernetes-test`.
_NEEDS = {"cluster", "clusters", "coredns", "installers", "pod_network"}
_ZONES = {"n1": "a", "n2": "b", "n3": "c"}
_numbers = itertools.count(1)
_running: list[Process] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs a cluster shares one, so one worker of pytest-xdist runs all of it."""
    asked = config.option.markexpr == "kubernetes"
    for item in items:
        # Fixtures of other folders may have the same names.
        needs = item.path.is_relative_to(_HERE) and _NEEDS.intersection(getattr(item, "fixturenames", ()))
        if not needs:
            continue
        item.add_marker("kubernetes")
        item.add_marker(pytest.mark.xdist_group("kubernetes"))
        if not asked:
            item.add_marker(pytest.mark.skip(reason="needs programs built with Go: run make kubernetes-test"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What failed comes with the last words of every process."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {process.name}", process.last_words()) for process in _running]
    return report


def _program(part: Part) -> Path:
    found = part.find()
    if found is None:
        pytest.skip(f"no {part.product}: run make kubernetes-build")
    return found


class Clusters:
    """Starts clusters; what it has started ends with `cleanup`."""

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self._folder, self._cleanup = folder, cleanup

    def start(self, wanted: Wanted = USUAL) -> Cluster:
        cluster = Cluster(_program(KUBE), self._folder / f"cluster-{next(_numbers)}", wanted)
        self._cleanup.callback(cluster.stop)
        self._report(*cluster.processes)
        cluster.start()
        return cluster

    def nodes(self, cluster: Cluster) -> Nodes:
        """Three living nodes, n1 to n3, in the zones a, b and c."""
        nodes = Nodes(cluster.api)
        self._cleanup.callback(nodes.close)
        for name, zone in _ZONES.items():
            nodes.add(name, zone)
        return nodes

    def kwok(self, cluster: Cluster) -> Kwok:
        """Kubelets for all pods that are bound to no node."""
        kwok = Kwok(_program(KWOK), cluster)
        self._cleanup.callback(kwok.stop)
        self._report(kwok.process)
        kwok.start()
        return kwok

    def namespace(self, cluster: Cluster) -> Namespace:
        """A namespace that nobody else has."""
        namespace = Namespace(cluster.api, f"test-{next(_numbers)}")
        namespace.open()
        return namespace

    def _report(self, *processes: Process) -> None:
        for process in processes:
            _running.append(process)
            self._cleanup.callback(_running.remove, process)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    with ExitStack() as cleanup:
        yield Clusters(tmp_path_factory.mktemp("shared"), cleanup)


@pytest.fixture(scope="session")
def cluster(shared: Clusters) -> Cluster:
    """The cluster that all tests share: they leave it as they found it. Its nodes n1, n2 and n3 live."""
    cluster = shared.start(Wanted(controllers=CONTROLLERS + WORKLOADS))
    shared.nodes(cluster)
    return cluster


@pytest.fixture(scope="session")
def kwok(shared: Clusters, cluster: Cluster) -> Kwok:
    """Kubelets for what has no node: pods of Deployments and StatefulSets come to life."""
    return shared.kwok(cluster)


@pytest.fixture
def namespace(shared: Clusters, cluster: Cluster) -> Namespace:
    """A namespace of the shared cluster that only this test has."""
    return shared.namespace(cluster)


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Clusters]:
    """For a test that needs a cluster of its own: `clusters.start()` takes 3 to 6 s."""
    with ExitStack() as cleanup:
        yield Clusters(tmp_path, cleanup)


@pytest.fixture(scope="session")
def gateway_api(cluster: Cluster) -> Crds:
    """The definitions of the Gateway API's standard channel, not installed."""
    return Crds(cluster.api, _program(CRDS) / "gateway-api/standard")


@pytest.fixture(scope="session")
def mcs_api(cluster: Cluster) -> Crds:
    """The definitions of the MCS API, not installed."""
    return Crds(cluster.api, _program(CRDS) / "mcs-api")


@pytest.fixture(scope="session")
def coredns() -> Path:
    """The program."""
    return _program(COREDNS)


@pytest.fixture(scope="session")
def installers() -> Path:
    """A folder with `helm` and `kustomize`."""
    return _program(DEPLOY)


@pytest.fixture(scope="session")
def pod_network() -> None:
    """For tests that serve at the addresses of pods."""
    if not netns.inside():
        pytest.skip("only in a network namespace of its own: python -m tests.real.netns make kubernetes-test")
