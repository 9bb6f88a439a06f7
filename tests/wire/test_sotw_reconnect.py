"""State of the world: what a new stream is sent whose client has something already."""

from __future__ import annotations

from functools import partial
from typing import Any

from .scene import Scene, everywhere
from .topics import CDS, EDS, LDS

sotw = partial(everywhere, variants=["sotw"])


@sotw()
async def test_S_RECONN_CHANGED_what_changed_meanwhile_is_sent(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    last = await talk.taken(a=1, b=1)
    talk.stream.cancel()
    await here.save(a=2)
    talk = here.dial()
    await talk.ask("a", "b", version_info=last.version)
    said = await talk.hear()
    assert talk.named({"a": 2}).items() <= said.contents.items()


@sotw(CDS, LDS)
async def test_S_RECONN_CHANGED_a_removal_meanwhile_is_sent(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    last = await talk.taken(a=1, b=1)
    talk.stream.cancel()
    await here.delete("a")
    talk = here.dial()
    await talk.ask(version_info=last.version)
    await talk.taken(b=1)


@sotw(CDS, LDS)
async def test_S_RECONN_a_client_that_has_everything_is_up_to_date_and_stays_so(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    last = await talk.taken(a=1)
    talk.stream.cancel()
    talk = here.dial()
    await talk.ask(version_info=last.version)
    await here.save(b=1)
    await talk.ends_with(a=1, b=1)


@sotw()
async def test_S_RECONN_NEW_another_name_with_the_current_version_is_sent(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a")
    last = await talk.taken(a=1)
    talk.stream.cancel()
    talk = here.dial()
    await talk.ask("b", version_info=last.version)
    await talk.taken(b=1)


@sotw()
async def test_S_RECONN_NONCE_the_nonce_of_an_earlier_stream_does_not_matter(here: Scene) -> None:
    await here.save(a=1)
    for nonce in ("1", "2", "from-another-instance"):
        talk = here.dial()
        await talk.ask("a", response_nonce=nonce)
        await talk.taken(a=1)
        talk.stream.cancel()


@sotw()
async def test_S_RECONN_VERSION_a_version_that_was_never_issued_is_answered_in_full(here: Scene) -> None:
    await here.save(a=1, b=2)
    for version in ("1", "v7", "0" * 16, "from-another-instance"):
        talk = here.dial()
        await talk.ask("a", "b", version_info=version)
        await talk.taken(a=1, b=2)
        talk.stream.cancel()


@sotw(CDS, LDS)
async def test_S_RECONN_VERSION_a_wildcard_with_it_is_answered_in_full(here: Scene) -> None:
    await here.save(a=1, b=2)
    for version in ("1", "0" * 16, "from-another-instance"):
        talk = here.dial()
        await talk.ask(version_info=version)
        await talk.taken(a=1, b=2)
        talk.stream.cancel()


@sotw(EDS)
async def test_S_RECONN_EDS_endpoints_are_sent_on_a_new_stream_whatever_the_version(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a", "b")
    last = await talk.taken(a=1, b=2)
    talk.stream.cancel()
    talk = here.dial()
    await talk.ask("a", "b", version_info=last.version)
    await talk.taken(a=1, b=2)


@sotw(CDS)
async def test_S_RECONN_EDS_a_client_of_all_types_whose_clusters_are_not_current_is_sent_them(
    here: Scene,
) -> None:
    await here.save(a=1, b=2)
    clusters = here.dial(CDS)
    await clusters.ask()
    await clusters.taken(a=1, b=2)
    endpoints = here.dial(EDS, on=clusters)
    await endpoints.ask("a", "b")
    last = await endpoints.taken(a=1, b=1)
    clusters.stream.cancel()
    endpoints.stream.cancel()
    clusters = here.dial(CDS)
    await clusters.ask(version_info="of another server")
    await clusters.taken(a=1, b=2)
    endpoints = here.dial(EDS, on=clusters)
    await endpoints.ask("a", "b", version_info=last.version)
    await endpoints.taken(a=1, b=1)


@sotw(EDS, transports=["ads"])
async def test_S_READD_what_was_given_up_on_an_earlier_stream_is_sent_when_it_is_named_again(
    here: Scene,
) -> None:
    """A version is of what a client was sent, so it is replaced when the client gives up a part of that."""
    await here.save(a=1, b=2)
    clusters, endpoints = await _resumed(here)
    for left in (["a"], []):
        await endpoints.ask(*left)
        await endpoints.taken()
        clusters.stream.cancel()
        clusters, endpoints = await _resumed(here, clusters.version, endpoints.version)


async def _resumed(here: Scene, clusters_version: str = "", endpoints_version: str = "") -> tuple[Any, Any]:
    """A stream of a client that has the clusters of a and b and is sent their endpoints."""
    clusters = here.dial(CDS)
    await clusters.ask(version_info=clusters_version)
    if not clusters_version:
        await clusters.taken(a=1, b=1)
    clusters.version = clusters_version or clusters.version
    endpoints = here.dial(EDS, on=clusters)
    await endpoints.ask("a", "b", version_info=endpoints_version)
    await endpoints.taken(a=1, b=2)
    return clusters, endpoints


@sotw(CDS, LDS)
async def test_S_READD_a_star_that_was_given_up_on_an_earlier_stream_is_answered(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("*")
    last = await talk.taken(a=1)
    await talk.ask()
    await talk.quiet()
    talk.stream.cancel()
    talk = here.dial()
    await talk.ask("*", version_info=last.version)
    await talk.taken(a=1)
