"""A gRPC client names what it wants: without names it has no wish, least of all for everything (gRFC A27)."""

from __future__ import annotations

import grpc
import pytest

from ..wire.manifests import Namespace, Service
from ..wire.stream import Stream, node
from ..wire.topics import CDS


@pytest.mark.parametrize("variant", ["sotw", "delta"])
async def test_an_empty_first_request_of_a_grpc_client_is_no_wildcard(control_plane, variant: str) -> None:
    """Of clusters; go-control-plane calls it DeactivateLegacyWildcard."""
    namespace = Namespace(control_plane.manifests)
    namespace.save("a", Service())
    namespace.save("b", Service())
    control_plane.start()
    who = node()
    who.user_agent_name = "gRPC C-core linux"
    names = "resource_names" if variant == "sotw" else "resource_names_subscribe"
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        stream = Stream(channel, variant, None)
        await stream.send(type_url=CDS.url, node=who)
        await stream.quiet()
        await stream.send(type_url=CDS.url, **{names: [namespace.cluster("a")]})
        assert (await stream.hear()).messages.keys() == {namespace.cluster("a")}
        await stream.quiet()
        stream.cancel()
