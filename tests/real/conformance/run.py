"""A run of the suite: the cluster, the control plane, the callers, the pods, and the suite itself."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pilothouse import __version__

from ..api import Object
from ..cluster import CONTROLLERS, WORKLOADS, Cluster, Wanted
from ..gateway_api import Crds
from ..kwok import Kwok
from ..plane import Plane
from ..programs import CONFORMANCE, CRDS, KUBE, KWOK
from .pods import Pods
from .sidecar import CLIENT, Caller

_PROFILES = ("MESH-HTTP", "MESH-GRPC")
_NAMESPACES = ("gateway-conformance-mesh", "gateway-conformance-mesh-consumer")
#: All that the mesh tests of the suite ask for.
_FEATURES = (
    "Mesh",
    "HTTPRoute",
    "GRPCRoute",
    "MeshClusterIPMatching",
    "MeshConsumerRoute",
    "MeshHTTPRouteBackendRequestHeaderModification",
    "MeshHTTPRouteNamedRouteRule",
    "MeshHTTPRouteQueryParamMatching",
    "MeshHTTPRouteRedirectPath",
    "MeshHTTPRouteRedirectPort",
    "MeshHTTPRouteRewritePath",
    "MeshHTTPRouteSchemeRedirect",
    "HTTPRouteParentRefPort",
    "HTTPRouteResponseHeaderModification",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
)
#: As the reports of all implementations are called: channel, version, mode.
REPORT = f"standard-v{__version__}-default-report.yaml"
_RESULT = re.compile(r"^    --- (PASS|FAIL|SKIP): TestConformance/(\w+)", re.MULTILINE)


class Run:
    """One run of the suite. `source` are the flags that tell `pilothouse serve` where services come from."""

    def __init__(self, folder: Path, source: Sequence[str] | None = None) -> None:
        self._folder = folder
        wanted = Wanted(node_grace_s=60, controllers=CONTROLLERS + WORKLOADS)
        # Built before anything is started.
        self._program, self._kwok, self._crds = CONFORMANCE.build(), KWOK.build(), CRDS.build()
        self.cluster = Cluster(KUBE.build(), folder, wanted)
        self._source = source or ("--kubeconfig", str(self.cluster.kubeconfig), "--write-status")
        self._callers = [Caller(number, name, folder) for number, name in enumerate(_NAMESPACES)]
        self.log = folder / "suite.log"

    def suite(self, flags: Sequence[str]) -> int:
        """Start everything and run the suite; its exit status."""
        with ExitStack() as cleanup:
            cleanup.callback(self.cluster.stop)
            self.cluster.start()
            Crds(self.cluster.api, self._crds / "gateway-api/standard").install()
            plane = Plane(self._folder, self._source)
            cleanup.callback(plane.process.stop)
            plane.start()
            for caller in self._callers:
                cleanup.callback(caller.stop)
                caller.start(plane.xds)
            pods = Pods(self.cluster.api, {caller.namespace: caller.hosts for caller in self._callers})
            pods.start()
            cleanup.callback(pods.stop)
            kwok = self._kubelet()
            kwok.start()
            cleanup.callback(kwok.stop)
            return self._suite(flags)

    def _kubelet(self) -> Kwok:
        """kwok runs what the suite executes in a pod: a program on kwok's own PATH."""
        programs = self._folder / "bin"
        programs.mkdir()
        client = programs / "client"
        client.write_text(CLIENT)
        client.chmod(0o755)
        path = {"PATH": f"{programs}:{os.environ['PATH']}"}
        execs = [_execs(caller, path | caller.environment) for caller in self._callers]
        return Kwok(self._kwok, self.cluster, ("a",), execs, path)

    def _suite(self, flags: Sequence[str]) -> int:
        usual = [
            "-test.v",
            "-test.timeout=30m",
            f"--conformance-profiles={','.join(_PROFILES)}",
            f"--supported-features={','.join(_FEATURES)}",
            "--organization=pilothouse",
            "--project=pilothouse",
            f"--version=v{__version__}",
            # The suite wants both; the project has no address yet but its repository.
            "--url=README.md",
            "--contact=SECURITY.md",
        ]
        environment = os.environ | {"KUBECONFIG": str(self.cluster.kubeconfig)}
        with self.log.open("wb") as log:
            done = subprocess.run(
                [self._program, *usual, *flags],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return done.returncode

    def results(self) -> dict[str, str]:
        """PASS, FAIL or SKIP of each test."""
        return {name: result for result, name in _RESULT.findall(self.log.read_text())}


def _execs(caller: Caller, environment: Mapping[str, str]) -> Object:
    """What kwok does when something is executed in a pod of the caller's namespace."""
    local = {"envs": [{"name": name, "value": value} for name, value in environment.items()]}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterExec",
        "metadata": {"name": caller.namespace},
        "spec": {"selector": {"matchNamespaces": [caller.namespace]}, "execs": [{"local": local}]},
    }
