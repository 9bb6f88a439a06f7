"""What holds of both variants. What holds of each and every response is checked where it is read."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from .manifests import Service
from .scene import Scene, everywhere
from .stream import node
from .topics import CDS, EDS, LDS, RDS

ads = everywhere(CDS, transports=["ads"])


@everywhere()
async def test_G_NODE_EACH_a_node_in_every_request_works(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", node=here.node)
    await talk.heard(a=1)
    await talk.ask(response_nonce=talk.last.nonce, node=here.node) if here.variant == "delta" else None
    await talk.ask("a", "b", node=here.node)
    said = await talk.hear()
    assert talk.named({"b": 1}).items() <= said.contents.items()


@ads
async def test_G_NODE_FIRST_later_requests_of_other_types_need_none(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial(CDS)
    for topic in (CDS, EDS, LDS, RDS):
        other = here.dial(topic, on=talk) if topic is not CDS else talk
        await other.ask("a")
        said = await other.hear()
        assert talk.stream is other.stream
        assert said.messages.keys() == {other.naming("a")}
        await other.ack()


@everywhere(EDS)
async def test_G_NODE_NONE_without_a_node_a_stream_is_served_and_others_live_on(here: Scene) -> None:
    await here.save(a=1)
    good, anonymous = here.dial(), here.dial(node=None)
    await good.ask("a")
    await good.taken(a=1)
    await anonymous.ask("a")
    await anonymous.taken(a=1)
    await here.save(a=2)
    await good.taken(a=2)
    await anonymous.taken(a=2)


@ads
async def test_G_NOTYPE_a_request_about_nothing_is_an_invalid_argument(here: Scene) -> None:
    await here.save(a=1)
    good, bad = here.dial(), here.dial()
    await good.ask("a")
    await good.taken(a=1)
    await bad.ask("a", type_url="")
    assert await bad.stream.status() is grpc.StatusCode.INVALID_ARGUMENT
    assert "type_url" in await bad.stream.call.details()
    await here.save(a=2)
    await good.taken(a=2)


@ads
async def test_G_UNKNOWN_G_UNKNOWN_STREAM_a_type_that_is_not_served_hurts_nobody(here: Scene) -> None:
    await here.save(a=1)
    talk, other = here.dial(), here.dial()
    await other.ask("a")
    await other.taken(a=1)
    for url in ("type.googleapis.com/nosuch.Type", "type.googleapis.com/envoy.api.v2.Cluster", "/", "\u4e16"):
        await talk.ask("a", type_url=url, node=here.node)
        await talk.ask("*", type_url=url, response_nonce="1")
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.taken(a=2)
    await other.taken(a=2)


@everywhere()
async def test_G_HALFCLOSE_a_client_that_has_no_more_to_say_ends_its_stream_well(here: Scene) -> None:
    await here.save(a=1)
    talk, hasty = here.dial(), here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.stream.half_close()
    assert await talk.stream.status() is grpc.StatusCode.OK
    await hasty.ask("a")
    await hasty.stream.half_close()
    assert await hasty.stream.status() is grpc.StatusCode.OK


@everywhere()
async def test_G_HALFCLOSE_a_client_that_says_nothing_at_all_does_no_harm(here: Scene) -> None:
    talk = here.dial()
    await talk.stream.half_close()
    assert await talk.stream.status() is grpc.StatusCode.OK


@everywhere()
async def test_G_STREAMS_two_streams_of_one_node_are_independent(here: Scene) -> None:
    await here.save(a=1)
    one, other = here.dial(), here.dial()
    for talk in (one, other):
        await talk.ask("a")
        await talk.taken(a=1)
    await here.save(a=2)
    await one.heard(a=2)
    await other.taken(a=2)
    one.stream.cancel()
    await here.save(a=1)
    await other.taken(a=1)


@ads
async def test_G_XTYPE_types_on_a_stream_do_not_disturb_each_other(here: Scene) -> None:
    await here.save(CDS, a=1)
    clusters = here.dial(CDS)
    endpoints = here.dial(EDS, on=clusters)
    await clusters.ask("a")
    await clusters.heard(a=1)
    await clusters.nack()
    await endpoints.ask("a")
    await endpoints.taken(a=1)
    # The nonce of one type means nothing to the other.
    await clusters.ask("a", response_nonce=endpoints.last.nonce) if here.variant == "sotw" else None
    await here.save(EDS, a=2)
    await endpoints.taken(a=2)
    await clusters.quiet()
    await here.save(CDS, a=2)
    await clusters.taken(a=2)


@everywhere()
async def test_G_NOOP_saving_the_same_again_pushes_nothing(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    here.put(a=1, b=1)
    await here.save(c=1)  # after which the others have been read
    await talk.quiet()


@ads
async def test_G_SCOPE_a_change_pushes_only_the_types_that_it_concerns(here: Scene) -> None:
    await here.save(CDS, a=1, b=1)
    talks = await _all_types(here)
    await here.save(EDS, a=7)
    await talks[EDS].taken(a=7)
    await asyncio.gather(*(talk.quiet() for talk in talks.values()))


@ads
async def test_G_SCOPE_another_protocol_pushes_clusters_and_their_endpoints(here: Scene) -> None:
    """Endpoints because a changed cluster waits for them (O-WARM); neither listeners nor routes."""
    await here.save(CDS, a=1, b=1)
    talks = await _all_types(here)
    await here.save(CDS, a=2)
    said = await talks[CDS].hear()
    assert talks[CDS].named({"a": 2}).items() <= said.contents.items()
    await talks[CDS].ack()
    await talks[EDS].taken(a=1)
    await asyncio.gather(*(talk.quiet() for talk in talks.values()))


async def _all_types(here: Scene) -> dict[Any, Any]:
    """A client of everything, on one stream, that has accepted what there is."""
    talks = {CDS: here.dial(CDS)}
    talks |= {topic: here.dial(topic, on=talks[CDS]) for topic in (EDS, LDS, RDS)}
    for topic, talk in talks.items():
        await talk.ask(*([] if topic.full_state else ["a", "b"]))
        await talk.hear()
        await talk.ack()
    return talks


@everywhere()
async def test_G_VERSION_STABLE_G_VERSION_CHG_a_version_belongs_to_the_state_and_not_to_a_stream(
    here: Scene,
) -> None:
    await here.save(a=1, b=1)
    seen = []
    for n in (1, 2, 1):
        await here.save(a=n)
        pair = []
        for _ in range(2):
            talk = here.dial()
            await talk.ask("a", "b")
            said = await talk.taken(a=n, b=1)
            pair.append(said.version or said.versions[talk.naming("a")])
            talk.stream.cancel()
        assert pair[0] == pair[1]
        seen.append(pair[0])
    assert seen[0] != seen[1]


@everywhere(transports=["separate"])
async def test_A_METHODS_A_IMPLICIT_each_type_has_a_service_that_knows_what_it_is_about(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a", type_url="")
    said = await talk.heard(a=1)
    assert said.topic is here.topic
    # An ACK, in words that mean that in both variants.
    await talk.ask(*(["a"] if here.variant == "sotw" else []), type_url="", response_nonce=said.nonce)
    await here.save(a=2)
    await talk.heard(a=2)


@everywhere(transports=["separate"])
async def test_A_a_request_about_another_type_is_an_invalid_argument(here: Scene) -> None:
    talk = here.dial()
    await talk.ask("a", type_url=RDS.url)
    assert await talk.stream.status() is grpc.StatusCode.INVALID_ARGUMENT


@everywhere(EDS)
async def test_N_8_a_service_that_loses_all_its_endpoints_is_an_empty_list(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    here.namespace.save("a", Service(addresses=()))
    said = await talk.hear()
    assert {name: len(message.endpoints) for name, message in said.messages.items()} == {talk.naming("a"): 0}
    assert not said.removed  # the cluster is still there
    await talk.ack()
    await here.save(a=1)
    await talk.taken(a=1)


@everywhere(EDS)
async def test_N_18_of_two_nodes_on_a_stream_the_first_one_counts(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    other = node(id="another", namespace="nowhere", dependencies=[])
    await talk.ask(*(["a"] if here.variant == "sotw" else []), response_nonce=talk.last.nonce, node=other)
    await here.save(a=2)
    await talk.taken(a=2)


@everywhere(CDS, transports=["ads"])
async def test_N_19_methods_of_version_2_do_not_exist_and_its_types_are_not_served(here: Scene) -> None:
    await here.save(a=1)
    method = f"{here.variant.replace('sotw', 'stream').capitalize()}AggregatedResources"
    old = here.channel.stream_stream(f"/envoy.service.discovery.v2.AggregatedDiscoveryService/{method}")()
    assert await old.code() is grpc.StatusCode.UNIMPLEMENTED
    talk = here.dial()
    await talk.stream.send(type_url="type.googleapis.com/envoy.api.v2.Cluster", node=here.node)
    await talk.stream.quiet()
    await talk.ask("a")
    await talk.taken(a=1)
