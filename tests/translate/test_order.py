"""The order in which any client gets any endpoints, beside the plainest way to say what it should be."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.services import NOWHERE, Endpoint, Placement, Prefer, State
from pilothouse.translate.endpoints.placement import distance

from .assignments import AP_A, EU_A, EU_B, US_A, address, endpoint, sent

_ENDPOINTS = st.builds(
    endpoint,
    st.just(0),
    st.sampled_from([EU_A, EU_B, US_A, NOWHERE]),
    st.sampled_from(["", "n1", "n2"]),
    st.sampled_from(
        [State.READY, State.READY, State.NOT_READY, State.TERMINATING_SERVING, State.TERMINATING]
    ),
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"]),
    for_zones=st.sampled_from([("a",), ("b",), ("a", "b"), ()]),
    for_nodes=st.sampled_from([("n1",), ("n2", "n3"), ()]),
)
_CLIENTS = st.builds(
    EndpointFacet,
    st.sampled_from([EU_A, EU_B, AP_A, NOWHERE]),
    st.sampled_from(["", "n1", "n2", "n3", "n4"]),
    st.sampled_from([(), ("ipv4",), ("ipv6", "ipv4")]),
    st.none(),
)
_PLACEMENTS = st.builds(
    Placement, st.sampled_from([False, False, True]), st.sampled_from(Prefer), hints=st.booleans()
)


def order(client: EndpointFacet, endpoints: list[Endpoint], placement: Placement) -> list[set[str]]:
    """The addresses at each priority."""
    if placement.local and client.node:
        endpoints = [e for e in endpoints if e.node == client.node]
    families = client.families or ("ipv4", "ipv6")
    endpoints = [e for e in endpoints if ("ipv6" if ":" in e.address else "ipv4") in families]
    ready = [e for e in endpoints if e.state is State.READY]
    serving = ready or [e for e in endpoints if e.state is State.TERMINATING_SERVING]
    hinted = _hinted(client, ready) if placement.hints and not placement.local else _none

    def rank(e: Endpoint) -> tuple[int, int]:
        if hinted(e):
            return 0, 0
        far = distance(client.locality, e.locality)
        here = placement.prefer is Prefer.SAME_NODE and e.node == client.node != ""
        return (1, 0) if here else (2, far if placement.prefer is Prefer.NEAREST else max(far, 1))

    shown = [*serving, *(e for e in endpoints if e.state is State.NOT_READY)]
    return [{e.address for e in shown if rank(e) == each} for each in sorted({rank(e) for e in shown})]


def _hinted(client: EndpointFacet, ready: list[Endpoint]) -> Callable[[Endpoint], bool]:
    for mine, hints in (
        (client.node, lambda e: e.for_nodes),
        (client.locality.zone, lambda e: e.for_zones),
    ):
        if mine and all(hints(e) for e in ready) and any(mine in hints(e) for e in ready):
            return lambda e, mine=mine, hints=hints: mine in hints(e)
    return _none


def _none(e: Endpoint) -> bool:
    return False


@given(_CLIENTS, st.lists(_ENDPOINTS, max_size=5, unique_by=lambda e: e.address), _PLACEMENTS)
def test_endpoints_have_the_priorities_that_they_should_have(
    client: EndpointFacet, endpoints: list[Endpoint], placement: Placement
) -> None:
    message = sent(client, *endpoints, placement=placement)
    found: list[set[str]] = [set() for _ in {place.priority for place in message.endpoints}]
    for place in message.endpoints:
        found[place.priority] |= {address(e) for e in place.lb_endpoints}
    assert found == order(client, endpoints, placement)
