"""What the real controllers write into EndpointSlices: facts that the product relies on."""

from __future__ import annotations

import pytest

from .cluster import Cluster, Wanted
from .conftest import Clusters
from .kwok import Kwok
from .namespace import ENDING, READY, Namespace

ONE, TWO, THREE = "10.1.0.1", "10.1.0.2", "10.1.0.3"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"


@pytest.fixture
def cart(namespace: Namespace) -> Namespace:
    """The Service `cart` with a ready pod on each node."""
    namespace.service("cart")
    for number, address in enumerate((ONE, TWO, THREE), 1):
        namespace.pod(f"p{number}", "cart", f"n{number}", address)
    return namespace


async def test_ready_pods_are_ready_endpoints_with_the_zones_of_their_nodes(cart, eventually) -> None:
    await eventually(lambda: cart.conditions("cart") == dict.fromkeys((ONE, TWO, THREE), READY))
    zones = {address: seen.zone for address, seen in cart.endpoints("cart").items()}
    assert zones == {ONE: "a", TWO: "b", THREE: "c"}


async def test_a_pod_that_fails_is_an_endpoint_without_any_condition(cart, eventually) -> None:
    await eventually(lambda: cart.conditions("cart").get(ONE) == READY)
    cart.report("p1", ready=False)
    await eventually(lambda: cart.conditions("cart")[ONE] == frozenset())
    cart.report("p1")
    await eventually(lambda: cart.conditions("cart")[ONE] == READY)


async def test_a_pod_that_ends_serves_on_until_it_fails_and_then_is_gone(cart, eventually) -> None:
    await eventually(lambda: cart.conditions("cart").get(TWO) == READY)
    cart.end_pod("p2")
    await eventually(lambda: cart.conditions("cart")[TWO] == ENDING)
    cart.report("p2", ready=False)
    await eventually(lambda: cart.conditions("cart")[TWO] == {"terminating"})
    cart.remove_pod("p2")
    await eventually(lambda: TWO not in cart.conditions("cart"))


@pytest.mark.parametrize("choice", ["PreferClose", "PreferSameZone", "PreferSameNode"])
async def test_hints_are_on_ready_endpoints_only_and_name_their_own_zone(cart, eventually, choice) -> None:
    cart.report("p1", ready=False)
    cart.change_service("cart", trafficDistribution=choice)
    await eventually(lambda: cart.endpoints("cart").get(TWO) and cart.endpoints("cart")[TWO].zones == ("b",))
    await eventually(lambda: cart.endpoints("cart")[ONE].zones is None)
    nodes = ("n2",) if choice == "PreferSameNode" else None
    assert cart.endpoints("cart")[TWO].nodes == nodes


async def test_unready_pods_that_are_published_are_ready_but_do_not_serve(cart, eventually) -> None:
    cart.change_service("cart", publishNotReadyAddresses=True)
    cart.report("p1", ready=False)
    await eventually(lambda: cart.conditions("cart").get(ONE) == {"ready"})


async def test_a_dual_stack_service_has_a_slice_for_each_family(namespace, eventually) -> None:
    namespace.service("dual", ipFamilyPolicy="RequireDualStack")
    namespace.pod("p1", "dual", "n1", ONE, "fd00::1")

    def addresses() -> dict[str, list[str]]:
        return {
            piece["addressType"]: [address for each in piece["endpoints"] for address in each["addresses"]]
            for piece in namespace.slices("dual")
            if piece.get("endpoints")
        }

    await eventually(lambda: addresses() == {"IPv4": [ONE], "IPv6": ["fd00::1"]})


async def test_endpoints_written_by_hand_are_mirrored_without_zones(namespace, eventually) -> None:
    namespace.service("legacy", ({"port": 80},), selector=None)
    subset = {
        "addresses": [{"ip": "10.9.0.1"}],
        "notReadyAddresses": [{"ip": "10.9.0.2"}],
        "ports": [{"port": 8080}],
    }
    namespace.api.create(namespace.object("Endpoints", "legacy", subsets=[subset]))
    await eventually(
        lambda: namespace.conditions("legacy") == {"10.9.0.1": {"ready"}, "10.9.0.2": frozenset()}
    )
    (piece,) = namespace.slices("legacy")
    assert piece["metadata"]["labels"][_MANAGED_BY] == "endpointslicemirroring-controller.k8s.io"
    assert {seen.zone for seen in namespace.endpoints("legacy").values()} == {None}


async def test_a_selector_without_pods_has_one_slice_of_nothing(namespace, eventually) -> None:
    namespace.service("nobody")
    await eventually(lambda: len(namespace.slices("nobody")) == 1)
    (piece,) = namespace.slices("nobody")
    # null, not an empty list.
    assert (piece["endpoints"], piece["ports"]) == (None, None)


async def test_an_external_name_has_no_slice(namespace, eventually) -> None:
    namespace.service("outside", type="ExternalName", externalName="api.example.com", selector=None)
    namespace.service("later")
    # What was created after it has been looked at.
    await eventually(lambda: namespace.slices("later"))
    assert namespace.slices("outside") == []


async def test_more_than_a_hundred_endpoints_are_in_several_slices(namespace, eventually) -> None:
    namespace.service("many")
    for number in range(105):
        namespace.pod(f"p{number}", "many", "n1", f"10.2.0.{number + 1}")
    await eventually(lambda: len(namespace.endpoints("many")) == 105)
    sizes = sorted(len(piece["endpoints"]) for piece in namespace.slices("many"))
    assert sum(sizes) == 105
    assert sizes[-1] <= 100


async def test_addresses_on_the_loopback_are_refused_and_the_slice_stays_empty(namespace, eventually) -> None:
    namespace.service("local")
    namespace.pod("p1", "local", "n1", "127.10.0.4")
    # What else there is of the reason is in the controller's log.
    await eventually(
        lambda: any(
            "may not be in the loopback range" in event["message"]
            for event in namespace.api.list("Event", namespace.name)
        )
    )
    assert namespace.conditions("local") == {}


async def test_the_pods_of_a_silent_node_fail_and_come_back_with_it(clusters: Clusters, eventually) -> None:
    cluster = clusters.start(Wanted(node_grace_s=5))
    nodes = clusters.nodes(cluster)
    shop = clusters.namespace(cluster)
    shop.service("cart")
    shop.pod("p1", "cart", "n1", ONE)
    shop.pod("p2", "cart", "n2", TWO)
    await eventually(lambda: shop.conditions("cart") == {ONE: READY, TWO: READY})
    nodes.silence("n1")
    await eventually(lambda: shop.conditions("cart") == {ONE: frozenset(), TWO: READY})
    # Its kubelet says that the pod is ready again, too.
    nodes.revive("n1")
    shop.report("p1")
    await eventually(lambda: shop.conditions("cart") == {ONE: READY, TWO: READY})


async def test_a_rollout_shows_no_endpoint_that_is_neither_ready_nor_ending(
    namespace: Namespace, kwok: Kwok, eventually
) -> None:
    namespace.service("web")
    container = {"name": "app", "image": "none"}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
    }
    spec = {"replicas": 6, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    namespace.api.create(namespace.object("Deployment", "web", api="apps/v1", spec=spec))
    await eventually(lambda: list(namespace.conditions("web").values()) == [READY] * 6)
    change = {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}
    namespace.api.patch("Deployment", "web", change, namespace.name)
    seen: set[frozenset[str]] = set()

    def replaced() -> bool:
        """Addresses do not tell: kwok gives those of pods that are gone to others."""
        now = namespace.conditions("web")
        seen.update(now.values())
        web = namespace.api.get("Deployment", "web", namespace.name)
        if web["status"].get("observedGeneration") != web["metadata"]["generation"]:
            return False
        return web["status"].get("updatedReplicas") == 6 == web["status"]["replicas"] == len(now)

    await eventually(replaced, within=60)
    assert seen == {READY, ENDING}


async def test_what_is_in_a_namespace_goes_with_it(cluster: Cluster, cart: Namespace, eventually) -> None:
    await eventually(lambda: len(cart.endpoints("cart")) == 3)
    for number in (1, 2, 3):
        cart.remove_pod(f"p{number}")
    cluster.api.delete("Namespace", cart.name)
    await eventually(lambda: not cluster.api.list("EndpointSlice", cart.name))
    await eventually(lambda: not cluster.api.list("Service", cart.name))
