"""The source of a cluster beside a real API server and real controllers, which fail in all ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pilothouse.apiserver.kubeconfig import kubeconfig
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.services import Locality, ServiceName, State
from pilothouse.registry.merged import Registry
from pilothouse.sources.kubernetes.source import KubernetesSource

from ..sources.conftest import RecordingSink
from .api import Refused
from .cluster import ADMIN, NOBODY, Cluster, Wanted
from .conftest import Clusters
from .gateway_api import Crds
from .namespace import Namespace
from .served import PACE, following, put

_RULES = [
    {"apiGroups": [""], "resources": ["services", "namespaces", "nodes", "pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


async def test_what_real_controllers_make_of_pods_is_followed(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    namespace.service("cart")
    namespace.pod("cart-1", "cart", "n1", "10.7.0.1")
    async with following(cluster.kubeconfig, namespace) as served:
        await eventually(lambda: served.states("cart") == {"10.7.0.1": State.READY})
        (endpoint,) = served.endpoints("cart")
        assert endpoint.locality == Locality("eu", "a")
        assert endpoint.node == "n1"
        namespace.pod("cart-2", "cart", "n2", "10.7.0.2")
        await eventually(lambda: served.states("cart").keys() == {"10.7.0.1", "10.7.0.2"})
        namespace.report("cart-1", ready=False)
        await eventually(lambda: served.states("cart")["10.7.0.1"] is State.NOT_READY)
        namespace.end_pod("cart-2")
        await eventually(lambda: served.states("cart")["10.7.0.2"] is State.TERMINATING_SERVING)
        namespace.remove_pod("cart-2")
        await eventually(lambda: served.states("cart").keys() == {"10.7.0.1"})
        annotated = {"metadata": {"annotations": {"pilothouse.dev/weight": "0"}}}
        namespace.api.patch("Pod", "cart-1", annotated, namespace.name)
        await eventually(lambda: served.endpoints("cart")[0].weight == 0)
        assert served.sink.causes[-1].place.startswith(f"Pod {namespace}/cart-1@")
        namespace.api.delete("Service", "cart", namespace.name)
        await eventually(lambda: not served.knows("cart"))
        assert served.sink.causes[-1].place.startswith(f"Service {namespace}/cart@")


async def test_what_any_of_several_selectors_selects_is_served(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    def label(service: str, **labels: str | None) -> None:
        namespace.api.patch("Service", service, {"metadata": {"labels": labels}}, namespace.name)

    for name in ("cart", "desk", "other"):
        namespace.service(name)
    label("cart", team="shop")
    label("desk", team="office", floor="1")
    namespace.pod("desk-1", "desk", "n1", "10.7.0.1")
    selectors = ("team=shop", "team in (office, lab)", "floor")
    async with following(cluster.kubeconfig, namespace, selectors=selectors) as served:
        await eventually(lambda: served.states("desk") == {"10.7.0.1": State.READY})
        assert served.knows("cart")
        assert not served.knows("other")
        label("desk", team=None)
        label("other", team="lab")
        await eventually(lambda: served.knows("other"))
        assert served.states("desk") == {"10.7.0.1": State.READY}
        label("desk", floor=None)
        await eventually(lambda: not served.knows("desk"))
        assert served.knows("cart")


@pytest.mark.timeout(300)
async def test_a_server_that_is_killed_hangs_or_forgets_takes_nothing_away(
    clusters: Clusters, eventually
) -> None:
    cluster = clusters.start()
    namespace = clusters.namespace(cluster)
    namespace.service("cart", selector=None)
    put(namespace, "cart", "10.7.0.1")
    async with following(cluster.kubeconfig, namespace, ServedCluster()) as served:
        assert served.states("cart") == {"10.7.0.1": State.READY}
        cluster.api_server.kill()
        await eventually(lambda: "cannot be reached" in served.stale)
        assert served.states("cart") == {"10.7.0.1": State.READY}
        await asyncio.to_thread(cluster.start_api_server)
        put(namespace, "cart", "10.7.0.2")
        await eventually(lambda: served.states("cart") == {"10.7.0.2": State.READY}, within=60)
        await eventually(lambda: not served.stale, within=60)
        cluster.api_server.freeze()
        await eventually(lambda: "does not answer" in served.stale, within=60)
        assert served.states("cart") == {"10.7.0.2": State.READY}
        cluster.api_server.thaw()
        await eventually(lambda: not served.stale, within=60)
        for number in range(20):  # so that what is watched is older than what is compacted
            namespace.api.create(namespace.object("ConfigMap", f"c-{number}"))
        await asyncio.to_thread(cluster.forget_history)
        put(namespace, "cart", "10.7.0.3")
        await eventually(lambda: served.states("cart") == {"10.7.0.3": State.READY}, within=60)
        await eventually(lambda: not served.stale, within=60)
        assert all(report[0] != "remove" for report in served.sink.reports)


async def test_permissions_that_are_taken_back_leave_what_is_known(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    token = cluster.account(namespace.name, "plane", _RULES)
    file = cluster.write_kubeconfig(f"{namespace}-plane", {"token": token})
    namespace.service("cart", selector=None)
    put(namespace, "cart", "10.7.0.1")
    async with following(file, namespace, ServedCluster()) as served:
        assert served.states("cart") == {"10.7.0.1": State.READY}
        cluster.revoke(f"{namespace}-plane")
        served.source.reread()
        await eventually(lambda: "403" in served.stale and "endpointslices" in served.stale, within=60)
        assert served.states("cart") == {"10.7.0.1": State.READY}
        put(namespace, "cart", "10.7.0.2")
        cluster.grant(f"{namespace}-plane", namespace.name, "plane")
        await eventually(lambda: served.states("cart") == {"10.7.0.2": State.READY}, within=60)
        await eventually(lambda: not served.stale, within=60)


async def test_a_namespace_needs_a_role_in_it_and_no_more(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    rules = [
        {**rule, "resources": [each for each in rule["resources"] if each not in ("nodes", "namespaces")]}
        for rule in _RULES
    ]
    cluster.account(namespace.name, "plane")
    named = {
        "apiGroups": [""],
        "resources": ["namespaces"],
        "resourceNames": [namespace.name],
        "verbs": ["list", "watch"],
    }
    role = namespace.object("Role", "plane", "rbac.authorization.k8s.io/v1", rules=rules)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "plane"}
    subjects = [{"kind": "ServiceAccount", "name": "plane", "namespace": namespace.name}]
    binding = namespace.object(
        "RoleBinding", "plane", "rbac.authorization.k8s.io/v1", roleRef=reference, subjects=subjects
    )
    namespace.api.create(role)
    namespace.api.create(binding)
    namespace.api.patch("ClusterRole", f"{namespace}-plane", {"rules": [named]})
    file = cluster.write_kubeconfig(f"{namespace}-role", {"token": cluster.token(namespace.name, "plane")})
    namespace.service("cart", selector=None)
    put(namespace, "cart", "10.7.0.1")
    async with following(file, namespace) as served:
        assert served.states("cart") == {"10.7.0.1": State.READY}
        await eventually(lambda: [fault.place for fault in served.source.faults] == ["nodes"])
        assert served.sink.places == ()
        assert not served.stale


async def test_a_namespace_that_is_deleted_takes_its_services_with_it(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    namespace.service("cart")
    namespace.service("till")
    async with following(cluster.kubeconfig, namespace) as served:
        await eventually(lambda: served.knows("cart") and served.knows("till"))
        namespace.api.delete("Namespace", namespace.name)
        await eventually(lambda: not served.sink.services, within=60)
        assert {report[0] for report in served.sink.reports[1:]} <= {"put", "remove"}


@pytest.mark.timeout(300)
async def test_definitions_may_come_late_and_go_again(
    cluster: Cluster, namespace: Namespace, gateway_api: Crds, eventually
) -> None:
    namespace.service("cart", selector=None)
    async with following(cluster.kubeconfig, namespace) as served:
        gateway_api.install()
        await eventually(gateway_api.served, within=60)
        to_cart = {"group": "", "kind": "Service", "name": "cart", "port": 80}
        spec = {"parentRefs": [to_cart], "rules": [{"backendRefs": [{"name": "cart", "port": 80}]}]}
        route = namespace.object("HTTPRoute", "r", "gateway.networking.k8s.io/v1", spec=spec)
        await eventually(lambda: accepted(namespace, route), within=60)
        cart = ServiceName(namespace.name, "cart")
        await eventually(lambda: served.sink.services[cart].spec.routes, within=60)
        gateway_api.remove()
        await eventually(lambda: not served.sink.services[cart].spec.routes, within=60)
        await eventually(gateway_api.gone, within=60)
        await eventually(lambda: not served.stale, within=60)


@pytest.mark.timeout(300)
async def test_when_every_node_is_silent_at_once_its_pods_are_called_on(
    clusters: Clusters, eventually
) -> None:
    cluster = clusters.start(Wanted(node_grace_s=5))
    nodes, namespace = clusters.nodes(cluster), clusters.namespace(cluster)
    namespace.service("cart")
    for number in range(12):
        namespace.pod(f"cart-{number}", "cart", f"n{number % 3 + 1}", f"10.7.0.{number + 1}")
    registry, name = Registry(["kubernetes"]), ServiceName(namespace.name, "cart")
    source = KubernetesSource(kubeconfig(cluster.kubeconfig), pace=PACE)
    task = asyncio.create_task(source.run(registry.shard("kubernetes")))

    def ready() -> int:
        service = registry.services.get(name)
        return sum(each.state is State.READY for each in service.endpoints) if service else 0

    await eventually(lambda: ready() == 12, within=60)
    nodes.silence("n1", "n2", "n3")
    dark = frozenset[str]()
    await eventually(lambda: not any(namespace.conditions("cart").values()), within=90)
    await eventually(lambda: registry.held("kubernetes"))
    assert ready() == 12, dark
    nodes.revive("n1", "n2", "n3")
    for number in range(12):
        namespace.report(f"cart-{number}")
    await eventually(lambda: registry.held("kubernetes") is None, within=90)
    assert ready() == 12
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def plugin(folder: Path, token: str, version: str = "v1") -> dict[str, object]:
    """A user who is known by what a program says, in this version of the API of such programs."""
    api = f"client.authentication.k8s.io/{version}"
    status = {"kind": "ExecCredential", "apiVersion": api, "status": {"token": token}}
    program = folder / "login"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(status)}\nEND\n")
    program.chmod(0o700)
    return {"exec": {"apiVersion": api, "command": str(program), "interactiveMode": "Never"}}


LogIn = Callable[[Cluster, Path, str], dict[str, str]]
Users = dict[str, Callable[[Cluster, str, Path], dict[str, object]]]
USERS: Users = {
    "client certificate": lambda cluster, token, folder: dict(
        cluster.client_certificate("admin", "system:masters")
    ),
    "token": lambda cluster, token, folder: {"token": token},
    "file of a token": lambda cluster, token, folder: {"tokenFile": written(folder / "token", token)},
    "plugin": lambda cluster, token, folder: plugin(folder, token),
    "plugin of v1beta1": lambda cluster, token, folder: plugin(folder, token, "v1beta1"),
}


@pytest.mark.parametrize("user", USERS)
async def test_a_user_is_known_as_kubectl_has_it(
    cluster: Cluster, namespace: Namespace, tmp_path: Path, user: str
) -> None:
    token = cluster.account(namespace.name, "plane", _RULES)
    file = cluster.write_kubeconfig(f"{namespace}-user", USERS[user](cluster, token, tmp_path))
    async with following(file, namespace) as served:
        assert not served.stale


class Proxy:
    """It passes on what a client sends after CONNECT, and knows where the client wanted to go."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        head = await client.readuntil(b"\r\n\r\n")
        method, place, _ = head.decode().split(" ", 2)
        self.asked.append(f"{method} {place}")
        port = int(place.rpartition(":")[2])
        server, there = await asyncio.open_connection("127.0.0.1", port)
        answer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.gather(_passed_on(client, there), _passed_on(server, answer))


async def _passed_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while text := await source.read(1 << 16):
        target.write(text)
        await target.drain()
    target.close()


async def test_a_server_may_be_behind_a_proxy_and_have_a_certificate_of_another_name(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    """Nobody here can look up the server's name, but the proxy knows where it is."""
    proxy = Proxy()
    port = cluster.url.rpartition(":")[2]
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listening:
        where = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        told = {"server": f"https://api.example.test:{port}", "proxy-url": where}
        told["tls-server-name"] = "kubernetes.default.svc"
        file = cluster.write_kubeconfig(f"{namespace}-behind", {"token": ADMIN}, **told)
        namespace.service("cart", selector=None)
        async with following(file, namespace) as served:
            put(namespace, "cart", "10.7.0.1")
            await eventually(lambda: served.states("cart") == {"10.7.0.1": State.READY})
    assert set(proxy.asked) == {f"CONNECT api.example.test:{port}"}


def log_in_by_token(cluster: Cluster, folder: Path, user: str) -> dict[str, str]:
    return {"tokenFile": written(folder / "token", {"admin": ADMIN, "nobody": NOBODY}[user])}


def log_in_by_certificate(cluster: Cluster, folder: Path, user: str) -> dict[str, str]:
    groups = ("system:masters",) if user == "admin" else ()
    cert, key = cluster.authority.issue(user=user, groups=groups).write(folder, "client")
    return {"client-certificate": cert, "client-key": key}


@pytest.mark.parametrize("log_in", [log_in_by_token, log_in_by_certificate])
async def test_files_of_credentials_are_read_again_when_they_are_replaced(
    cluster: Cluster, namespace: Namespace, tmp_path: Path, eventually, log_in: LogIn
) -> None:
    namespace.service("cart", selector=None)
    put(namespace, "cart", "10.7.0.1")
    user = log_in(cluster, tmp_path, "admin")
    async with following(cluster.write_kubeconfig(f"{namespace}-rotated", user), namespace) as served:
        assert served.states("cart") == {"10.7.0.1": State.READY}
        log_in(cluster, tmp_path, "nobody")
        served.source.reread()
        await eventually(lambda: "403" in served.stale, within=60)
        put(namespace, "cart", "10.7.0.2")
        assert served.states("cart") == {"10.7.0.1": State.READY}
        log_in(cluster, tmp_path, "admin")
        await eventually(lambda: served.states("cart") == {"10.7.0.2": State.READY}, within=60)
        await eventually(lambda: not served.stale, within=60)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tls-server-name": "wrong.test"}, "its certificate is not accepted: Hostname mismatch"),
        ({"certificate-authority": ""}, "its certificate is not accepted: "),
        ({"server": "https://127.0.0.1:1"}, "cannot be reached"),
    ],
)
async def test_a_server_that_is_not_the_one_is_told_in_a_line(
    cluster: Cluster, namespace: Namespace, change: dict[str, str], message: str
) -> None:
    file = cluster.write_kubeconfig(f"{namespace}-wrong", {"token": "x"}, **change)
    with pytest.raises(OSError, match=message) as raised:
        await asyncio.wait_for(KubernetesSource(kubeconfig(file)).run(RecordingSink()), 30)
    assert "\n" not in str(raised.value)


def accepted(namespace: Namespace, route: dict[str, object]) -> bool:
    """Whether the API server takes it: it is served a moment after its definition is."""
    try:
        namespace.api.apply(route)
    except Refused:
        return False
    return True


def written(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)
