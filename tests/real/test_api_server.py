"""How the real API server answers: watches, versions, permissions, accounts, definitions; and our tools."""

from __future__ import annotations

import gzip
import ssl
import zlib
from contextlib import closing
from itertools import islice

import httpx
import pytest

from .api import Api, Refused, path_of
from .cluster import ADMIN, NOBODY, Cluster
from .conftest import Clusters
from .gateway_api import Crds
from .namespace import Namespace

_READ = {
    "apiGroups": ["discovery.k8s.io"],
    "resources": ["endpointslices"],
    "verbs": ["get", "list", "watch"],
}


def _watched(api: Api, namespace: Namespace, **query: str) -> list[tuple[str, str]]:
    """Type and name of the events of a short watch of Services."""
    events = api.watch("Service", namespace.name, seconds=1, **query)
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def _status(api: Api, kind: str, namespace: str = "") -> int:
    """The HTTP status that a list is answered with."""
    try:
        api.list(kind, namespace)
    except Refused as refused:
        return refused.status
    return 200


def test_a_watch_goes_on_from_the_version_of_a_list(namespace: Namespace) -> None:
    version = namespace.api.version("Service", namespace.name)
    namespace.service("cart")
    namespace.change_service("cart", sessionAffinity="ClientIP")
    namespace.api.delete("Service", "cart", namespace.name)
    assert _watched(namespace.api, namespace, resourceVersion=version) == [
        ("ADDED", "cart"),
        ("MODIFIED", "cart"),
        ("DELETED", "cart"),
    ]


def test_a_watch_may_begin_with_all_that_there_is_and_a_bookmark(namespace: Namespace) -> None:
    namespace.service("cart")
    namespace.service("web")
    asked = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    with closing(namespace.api.watch("Service", namespace.name, seconds=60, **asked)) as events:
        *initial, bookmark = islice(events, 3)
    assert [each["object"]["metadata"]["name"] for each in initial] == ["cart", "web"]
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"


def test_a_watch_that_is_compressed_has_a_gzip_stream_for_each_event(namespace: Namespace) -> None:
    """Whoever reads one stream only loses all but the first event, and no error tells."""
    namespace.service("cart")
    namespace.service("web")
    asked = "watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    path = f"{path_of('Service', namespace.name)}?{asked}&allowWatchBookmarks=true"
    raw = namespace.api.raw(path, "gzip")
    assert len(zlib.decompressobj(wbits=31).decompress(raw).splitlines()) == 1
    assert len(gzip.decompress(raw).splitlines()) == 3


def test_who_has_no_permission_is_refused(cluster: Cluster, namespace: Namespace) -> None:
    nobody = cluster.api_as(NOBODY)
    with pytest.raises(Refused, match='User "nobody" cannot list resource "endpointslices"') as refused:
        nobody.list("EndpointSlice", namespace.name)
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")
    with pytest.raises(Refused, match="401 Unauthorized"):
        cluster.api_as("of nobody").list("EndpointSlice")


async def test_permissions_are_given_and_taken_back(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    api = cluster.api_as(cluster.account(namespace.name, "plane", [_READ]))
    await eventually(lambda: _status(api, "EndpointSlice") == 200)
    assert _status(api, "Pod") == 403
    cluster.revoke(f"{namespace}-plane")
    await eventually(lambda: _status(api, "EndpointSlice") == 403)
    cluster.grant(f"{namespace}-plane", namespace.name, "plane")
    await eventually(lambda: _status(api, "EndpointSlice") == 200)


async def test_the_token_of_a_deleted_account_ends(
    cluster: Cluster, namespace: Namespace, eventually
) -> None:
    api = cluster.api_as(cluster.account(namespace.name, "plane", [_READ]))
    await eventually(lambda: _status(api, "EndpointSlice") == 200)
    cluster.api.delete("ServiceAccount", "plane", namespace.name)
    await eventually(lambda: _status(api, "EndpointSlice") == 401)


def test_a_user_is_known_by_a_certificate(cluster: Cluster) -> None:
    user = cluster.client_certificate("ops", "system:masters")
    context = ssl.create_default_context(cafile=str(cluster.ca))
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    with httpx.Client(verify=context, trust_env=False) as client:
        assert client.get(f"{cluster.url}/api/v1/nodes").status_code == 200


async def test_definitions_come_late_and_go(gateway_api: Crds, namespace: Namespace, eventually) -> None:
    assert _status(namespace.api, "HTTPRoute") == 404
    gateway_api.install()
    await eventually(gateway_api.served)
    route = {"parentRefs": [{"group": "", "kind": "Service", "name": "cart"}]}
    made = namespace.api.create(
        namespace.object("HTTPRoute", "cart", api="gateway.networking.k8s.io/v1", spec=route)
    )
    assert made["metadata"]["generation"] == 1
    gateway_api.remove()
    await eventually(gateway_api.gone)
    await eventually(lambda: _status(namespace.api, "HTTPRoute") == 404)


def test_a_stale_write_of_a_lease_is_a_conflict(namespace: Namespace) -> None:
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 2}
    lease = namespace.object("Lease", "leader", api="coordination.k8s.io/v1", spec=spec)
    first = namespace.api.create(lease)
    namespace.api.replace(first | {"spec": spec | {"holderIdentity": "b"}})
    with pytest.raises(Refused, match="409 Conflict"):
        namespace.api.replace(first)


def test_a_version_that_is_compacted_is_an_event_of_410(clusters: Clusters) -> None:
    cluster = clusters.start()
    shop = clusters.namespace(cluster)
    version = shop.api.version("Service", shop.name)
    shop.service("cart")
    cluster.forget_history()
    # The status of the answer is 200.
    (event,) = shop.api.watch("Service", shop.name, seconds=5, resourceVersion=version)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_a_server_that_is_killed_comes_back_with_all_that_it_had(clusters: Clusters) -> None:
    cluster = clusters.start()
    shop = clusters.namespace(cluster)
    shop.service("cart")
    events = shop.api.watch("Service", shop.name, seconds=60)
    assert next(events)["type"] == "ADDED"
    cluster.api_server.kill()
    with pytest.raises((httpx.TransportError, StopIteration)):
        next(events)
    assert not cluster.api.ready()
    cluster.start_api_server()
    assert [each["metadata"]["name"] for each in shop.api.list("Service", shop.name)] == ["cart"]


def test_a_frozen_server_answers_nothing_and_then_goes_on(clusters: Clusters) -> None:
    cluster = clusters.start()
    cluster.api_server.freeze()
    context = ssl.create_default_context(cafile=str(cluster.ca))
    with httpx.Client(verify=context, trust_env=False, timeout=1) as client:
        # Its port is open: what is not answered is the handshake of TLS.
        with pytest.raises(httpx.TimeoutException):
            client.get(f"{cluster.url}/readyz")
        cluster.api_server.thaw()
        got = client.get(f"{cluster.url}/readyz", headers={"Authorization": f"Bearer {ADMIN}"}, timeout=30)
    assert got.status_code == 200
