"""The bootstrap as plain values is, byte for byte, what Envoy's messages give for the same sidecar."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilothouse.mesh.audience import Node
from pilothouse.model.services import NOWHERE, Locality
from pilothouse.sidecar.bootstrap import Sidecar, Tls, bootstrap
from pilothouse.structures.hostport import HostPort

from . import typed_bootstrap

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
HOSTS = st.sampled_from(["127.0.0.1", "::1", "xds", "xds.mesh.test"])
SAID = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, min_size=1, max_size=3), max_size=3)
LOCALITIES = (
    st.just(NOWHERE)
    | st.builds(Locality, TEXTS)
    | st.builds(Locality, TEXTS, TEXTS)
    | st.builds(Locality, TEXTS, TEXTS, TEXTS)
)
SANS = st.sampled_from(["", "10.0.0.7", "fd00::7", "spiffe://mesh/cp", "cp.test"])
SIDECARS = st.builds(
    Sidecar,
    node=st.builds(Node, TEXTS, LOCALITIES, SAID.map(lambda said: {"pilothouse": said})),
    cluster=TEXTS,
    control_plane=st.builds(HostPort, HOSTS, st.integers(1, 65535)),
    sotw=st.booleans(),
    admin_port=st.integers(0, 65535),
    ready=st.none() | st.builds(HostPort, st.sampled_from(["0.0.0.0", "::"]), st.integers(1, 65535)),
    tls=st.none() | st.builds(Tls, TEXTS, san=SANS) | st.builds(Tls, TEXTS, TEXTS, TEXTS, SANS),
)
FREE_PORT = Sidecar(Node("web-0", NOWHERE, {}), "web", HostPort("xds", 1), admin_port=0)


@settings(deadline=None)  # the first message of a kind takes half a second
@example(FREE_PORT)
@given(SIDECARS)
def test_plain_values_and_messages_give_the_same_bytes(sidecar: Sidecar) -> None:
    assert bootstrap(sidecar) == typed_bootstrap.bootstrap(sidecar)
