"""The order of what is sent on ADS, and whole clients: make before break, warming, no dangling references."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from .manifests import Service
from .plane import ControlPlane
from .scene import Scene, dialled, ends, everywhere, scene
from .sidecar import Sidecar, manager
from .stream import Stream, node
from .topics import CDS, EDS, LDS, RDS

ads = partial(everywhere, CDS, transports=["ads"])


@asynccontextmanager
async def _sidecars(here: Scene) -> AsyncIterator[list[Sidecar]]:
    """One that accepts clusters when they are warm, and one that does so before it asks for endpoints."""
    found = [here.sidecar(here.variant), here.sidecar(here.variant, eager=True)]
    try:
        await ends(here.namespace, *found)
        yield found
    finally:
        for each in found:
            await each.close()


def _when(sidecar: Sidecar, label: str, came: str = "", went: str = "") -> int:
    """The place in what was heard where a name first came or went."""
    for place, (topic, changed, gone) in enumerate(sidecar.heard):
        if topic == label and (came in changed or went in gone):
            return place
    raise AssertionError(f"{label} {came or went} is not in {sidecar.heard}")


@ads()
async def test_O_CDS_EDS_O_EDS_LDS_O_LDS_RDS_what_is_new_is_sent_before_what_refers_to_it(
    here: Scene,
) -> None:
    async with _sidecars(here) as sidecars:
        for each in sidecars:
            each.heard.clear()
        await here.save(RDS, a=1)
        await ends(here.namespace, *sidecars)
        cluster, listener = here.namespace.cluster("a"), here.namespace.listener("a")
        for each in sidecars:
            order = [(CDS, cluster), (EDS, cluster), (LDS, listener), (RDS, "egress")]
            places = [_when(each, topic.label, came=name) for topic, name in order]
            assert places == sorted(places), each.heard


@ads()
async def test_O_REMOVE_what_goes_away_is_let_go_of_first(here: Scene) -> None:
    await here.save(RDS, a=1, b=1)
    async with _sidecars(here) as sidecars:
        for each in sidecars:
            each.heard.clear()
        await here.delete("a")
        await ends(here.namespace, *sidecars)
        for each in sidecars:
            last = _when(each, "CDS", went=here.namespace.cluster("a"))
            assert _when(each, "LDS", went=here.namespace.listener("a")) < last, each.heard
            assert _when(each, "RDS", came="egress") < last, each.heard


@ads()
async def test_O_WARM_a_changed_cluster_is_sent_its_endpoints_again(here: Scene) -> None:
    await here.save(CDS, a=1, b=1)
    async with _sidecars(here) as sidecars:
        for n in (2, 1, 2):
            await here.save(CDS, a=n)
            await ends(here.namespace, *sidecars)  # where nothing is warming


@ads()
async def test_O_WARM_RECONN_endpoints_that_were_asked_for_first_are_sent_again_after_clusters(
    here: Scene,
) -> None:
    await here.save(CDS, a=1, b=1)
    endpoints = here.dial(EDS)
    await endpoints.ask("a", "b")
    await endpoints.taken(a=1, b=1)
    clusters = here.dial(CDS, on=endpoints)
    await clusters.ask()
    await clusters.taken(a=1, b=1)
    await endpoints.taken(a=1, b=1)


@ads()
async def test_O_WARM_RECONN_also_if_the_client_had_those_endpoints(here: Scene) -> None:
    await here.save(CDS, a=1)
    before = here.dial(EDS)
    await before.ask("a")
    last = await before.taken(a=1)
    before.stream.cancel()
    endpoints = here.dial(EDS)
    sotw = here.variant == "sotw"
    await endpoints.ask("a", **({"version_info": last.version} if sotw else {"has": last.versions}))
    if sotw:
        await endpoints.taken(a=1)
    clusters = here.dial(CDS, on=endpoints)
    await clusters.ask()
    await clusters.taken(a=1)
    await endpoints.taken(a=1)


@ads()
async def test_O_REF_routes_that_are_asked_for_wait_for_new_clusters(here: Scene) -> None:
    """A client is about to ask for its first routes, when a service comes into being."""
    await here.save(RDS, a=1)
    clusters = here.dial(CDS)
    endpoints, routes = here.dial(EDS, on=clusters), here.dial(RDS, on=clusters)
    await clusters.ask()
    await clusters.taken(a=1)
    await endpoints.ask("a")
    await endpoints.taken(a=1)
    listeners = here.dial(LDS, on=clusters)
    await listeners.ask()
    await listeners.hear()
    await listeners.ack()
    await here.save(RDS, b=1)
    await clusters.hear()
    await routes.ask("=egress")
    await endpoints.ask(*(["a", "b"] if here.variant == "sotw" else ["b"]))
    await routes.hear()
    heard = []
    while not heard or heard[-1].topic is not RDS:
        heard.append(await clusters.stream.hear())
    sent = {name for said in heard if said.topic is EDS for name in said.messages}
    assert here.namespace.cluster("b") in sent or heard[-1].contents["egress"] == 1, heard


@ads()
async def test_O_REF_a_client_that_comes_while_services_come_never_sees_a_dangling_reference(
    here: Scene,
) -> None:
    for n in range(15):
        sidecar = here.sidecar(here.variant, eager=bool(n % 2))
        await asyncio.sleep(random.random() / 50)
        await here.save(RDS, **{f"s{n}": 1})
        await ends(here.namespace, sidecar)
        await sidecar.close()


@ads()
async def test_O_ENVOY_after_a_storm_of_changes_every_client_has_what_is_true(here: Scene) -> None:
    dice = random.Random(7)
    async with _sidecars(here) as sidecars:
        for _ in range(25):
            for _ in range(dice.randint(1, 4)):
                word = f"s{dice.randint(1, 6)}"
                if word in here.namespace.services and dice.random() < 0.4:
                    here.namespace.delete(word)
                else:
                    here.put(dice.choice([CDS, EDS, LDS, RDS]), **{word: dice.randint(1, 9)})
            await asyncio.sleep(dice.random() / 10)
        await here.settled()
        await ends(here.namespace, *sidecars)


@ads()
async def test_C_ENDPOINTS_a_load_assignment_holds_just_the_endpoints_with_weight_and_health(
    here: Scene,
) -> None:
    async with _sidecars(here) as sidecars:
        for addresses, weight in ((["10.1.0.1"], 1), (["10.1.0.1", "10.1.0.2", "10.1.0.3"], 7), ([], 1)):
            here.namespace.save("a", Service(addresses=tuple(addresses), weight=weight))
            await ends(here.namespace, *sidecars)


@pytest.mark.parametrize("variant", ["sotw", "delta"])
async def test_C_API_V3_C_ADS_C_CLA_NAME_all_that_a_resource_refers_to_is_to_be_had_from_ads(
    control_plane: ControlPlane, variant: str
) -> None:
    """Of a client that says nothing of itself but its id."""
    async with scene(control_plane) as here, dialled(control_plane) as channel:
        await here.save(RDS, a=1, b=2)
        sidecar = Sidecar(node()).connect(Stream(channel, variant, None))
        await sidecar.until(lambda: bool(sidecar.has[RDS]) and not sidecar.warming)
        await sidecar.close()
    sources = [cluster.eds_cluster_config.eds_config for cluster in sidecar.has[CDS].values()]
    sources.append(manager(sidecar.has[LDS]["egress"]).rds.config_source)
    assert len(sources) > 2
    for source in sources:
        assert source.WhichOneof("config_source_specifier") == "ads"
        assert source.resource_api_version == 2  # V3
    for name, cluster in sidecar.has[CDS].items():
        assert sidecar.has[EDS][cluster.eds_cluster_config.service_name or name].cluster_name
