"""Who is connected, how far each proxy is, how the last ones ended, and who is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from pilothouse.encoding.types import ResourceType

from ..authority import Authority, replace
from ..server.conftest import ADS, Stream
from .plane import CART, Plane, service, synced

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS


async def test_a_proxy_is_shown_with_who_it_is_and_what_it_has_acknowledged(
    plane, client, eventually
) -> None:
    stream = await synced(client, "web-7", locality={"region": "r", "zone": "b"})
    found = await eventually(lambda: (found := plane.get("proxies/web-7"))["state"] == "SYNCED" and found)
    [open] = found["streams"]
    assert (open["namespace"], open["locality"]) == ("shop", {"region": "r", "zone": "b"})
    [held] = open["types"]
    assert held["type"] == "EDS"
    assert held["version_sent"] == held["version_acknowledged"]
    assert held["nonce_sent"] == held["nonce_acknowledged"]
    assert (held["asked"], held["held"], held["wildcard"]) == (1, 1, False)
    assert held["change_sent"] == held["change_acknowledged"] == 1
    assert "in_flight_since" not in held
    assert "lag" not in held
    assert "last_nack" not in held
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.read()
    sending = plane.get("proxies/web-7")["streams"][0]["types"][0]
    assert sending["state"] == "SENDING"
    assert sending["version_sent"] != sending["version_acknowledged"] == held["version_acknowledged"]
    assert sending["in_flight_since"] == sending["sent"]
    assert (sending["change_sent"], sending["change_acknowledged"]) == (2, 1)
    [change] = plane.get("changes", limit="1")["items"]
    assert change["number"] == 2
    assert sending["lag"]["changes"] == 1
    assert sending["lag"]["since"] <= sending["in_flight_since"]
    line = plane.run("proxies", "web-7").splitlines()[-1].split()
    assert line[:7] == ["EDS", "SENDING", "1", "1", "2", "1", "1"]
    assert line[7] == "change,"
    [row] = plane.get("proxies")["items"]
    assert row["lag"] == sending["lag"]
    assert " 1 change, " in plane.run("proxies", "-o", "wide")
    assert sending["version_sent"] in plane.run("proxies", "web-7", "-o", "wide")
    [row] = plane.get("proxies/web-7/resources", type="EDS")["items"]
    assert (row["type"], row["name"]) == ("EDS", CART)


async def test_a_proxy_that_does_not_answer_is_stale_by_name(plane, client, eventually) -> None:
    await synced(client, "web-6")
    stopped = await client("web-7", "DeltaAggregatedResources")
    await stopped.ask(ENDPOINTS, CART)
    await stopped.read()  # and is stopped before it answers
    [behind] = await eventually(lambda: plane.get("status").get("behind"), 60)
    assert (behind["node"], behind["state"]) == ("web-7", "STALE")
    said = plane.run("status", status=1)
    assert "proxy web-7 is STALE" in said
    lines = plane.run("proxies").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["web-7", "shop", "STALE"],
        ["web-6", "shop", "SYNCED"],
    ]
    assert "STALE" in plane.run("proxies", "web-7")


async def test_a_proxy_that_has_vanished_is_gone_and_it_is_said_why(plane, client, eventually) -> None:
    stream = await synced(client, "web-7")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.read()  # which it never answers
    stream.call.cancel()
    gone = lambda: (found := plane.get("proxies/web-7"))["state"] == "GONE" and found  # noqa: E731
    found = await eventually(gone)
    assert found["streams"] == []
    [end] = found["gone"]
    assert end["why"] == "the client ended it or is gone"
    assert [each["type"] for each in end["unanswered"]] == ["EDS"]
    said = plane.run("proxies", "web-7")
    assert "web-7 is GONE" in said
    assert "the client ended it or is gone" in said
    [row] = plane.get("proxies")["items"]
    assert (row["node"], row["state"], row["reason"]) == ("web-7", "GONE", end["why"])
    await synced(client, "web-7")
    assert plane.get("proxies/web-7")["state"] in ("SENDING", "SYNCED")
    assert [row["state"] for row in plane.get("proxies")["items"]] != ["GONE"]


async def test_a_rejection_stays_until_something_is_accepted_and_is_remembered(
    plane, client, eventually
) -> None:
    stream = await synced(client, "web-7")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.accept(await stream.read(), error="no such thing")
    state = lambda: plane.get("proxies/web-7")["state"]  # noqa: E731
    await eventually(lambda: state() == "NACKED")
    assert "web-7 is NACKED: " in plane.run("status", status=1)
    plane.write("cart.json", service("cart", "10.1.7.9"))
    await stream.names()
    await eventually(lambda: state() == "SYNCED")
    last = plane.get("proxies/web-7")["streams"][0]["types"][0]["last_nack"]
    assert last["text"] == "no such thing"
    assert "EDS NACK at" in plane.run("proxies", "web-7")


async def test_pages_follow_each_other_without_a_gap(plane, client, eventually) -> None:
    nodes = [f"web-{number}" for number in range(7)]
    for node in nodes:
        await synced(client, node)
    found, after = [], {}
    while True:
        page = plane.get("proxies", limit="3", **after)
        found += [row["node"] for row in page["items"]]
        assert len(page["items"]) <= 3
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert found == nodes


def test_a_proxy_that_nobody_knows_is_not_found(plane) -> None:
    assert plane.get("proxies/web-8", 404) == {"error": "there is no proxy web-8"}
    assert plane.run("proxies", "web-8", status=2) == f"pilothouse: {plane.admin}: there is no proxy web-8\n"


async def test_a_name_that_is_mistyped_is_answered_with_near_ones(plane, client) -> None:
    await synced(client, "web-7")
    found = plane.get("proxies/web-8", 404)
    assert found == {"error": "there is no proxy web-8; near: web-7", "near": ["web-7"]}


async def test_a_proxy_with_the_certificate_of_another_namespace_is_shown_until_it_is_accepted(
    tmp_path: Path, eventually
) -> None:
    authority = Authority()
    certificate, key = authority.issue("127.0.0.1").write(tmp_path, "tls")
    ca = replace(tmp_path / "ca.crt", authority.pem)
    plane = Plane(tmp_path, "--tls-cert", certificate, "--tls-key", key, "--client-ca", ca)
    plane.write("cart.json", service("cart", "10.1.7.8"))
    plane.start()
    try:
        mine = authority.issue("spiffe://mesh.test/ns/shop/sa/web")
        credentials = grpc.ssl_channel_credentials(authority.pem, mine.key, mine.cert)
        async with grpc.aio.secure_channel(plane.xds, credentials) as channel:

            def dial(namespace: str) -> Stream:
                node = {"id": "liar-1", "metadata": {"pilothouse": {"namespace": namespace}}}
                return Stream(channel, ADS + "DeltaAggregatedResources", node)

            for _ in range(3):
                stream = dial("billing")
                await stream.ask(CLUSTER)
                assert (await stream.ended())[0] is grpc.StatusCode.PERMISSION_DENIED
            seen_as_refused(plane)
            accepted = dial("shop")
            await accepted.ask(ENDPOINTS, CART)
            assert await accepted.names() == [CART]
            await eventually(lambda: plane.get("proxies/liar-1")["state"] == "SYNCED")
            assert [row["state"] for row in plane.get("proxies")["items"]] == ["SYNCED"]
            assert "refused" not in plane.get("proxies/liar-1")
            assert "refused" not in plane.run("status")
    finally:
        plane.stop()


def seen_as_refused(plane: Plane) -> None:
    why = "the node says it is in the namespace billing, its certificate is of shop"
    [row] = plane.get("proxies")["items"]
    assert (row["node"], row["state"], row["reason"], row["refused"]) == ("liar-1", "REFUSED", why, 3)
    assert row["peer"].startswith("ipv4:127.0.0.1:")
    assert row["connected"] <= row["gone"]
    found = plane.get("proxies/liar-1")
    assert (found["state"], found["streams"]) == ("REFUSED", [])
    assert (found["refused"]["count"], found["refused"]["why"]) == (3, why)
    assert found["refused"]["first"] <= found["refused"]["last"]
    said = plane.run("proxies", "liar-1")
    assert "liar-1 is REFUSED" in said
    assert "3 times since" in said
    assert why in said
    assert ["liar-1", "-", "REFUSED"] in [line.split()[:3] for line in plane.run("proxies").splitlines()]
    [behind] = plane.get("status")["behind"]
    assert (behind["node"], behind["state"]) == ("liar-1", "REFUSED")
    assert "1 proxy is refused: liar-1: pilothouse proxies" in plane.run("status", status=1)
    assert "REFUSED" in plane.run("top")
    assert why in plane.run("resources", "liar-1", status=2)


async def test_whoever_sends_what_is_no_request_is_shown_without_a_name_and_the_same_as_before(
    plane, client
) -> None:
    for _ in range(2):
        stream = await client("web-7")
        await stream.send(b"\xff\xff\xff\xff")
        await stream.ended()
    [row] = plane.get("proxies")["items"]
    assert (row["node"], row["state"], row["refused"]) == ("", "REFUSED", 2)
    assert "1 proxy is refused: one at ipv4:127.0.0.1:" in plane.run("status", status=1)
    assert plane.get("status")["counts"]["proxies"] == {"REFUSED": 1}


async def test_a_proxy_whose_stream_ends_with_a_bad_request_is_refused_and_not_just_gone(
    plane, client
) -> None:
    stream = await synced(client, "web-7")
    await stream.ask("")
    await stream.ended()
    [row] = plane.get("proxies")["items"]
    assert (row["node"], row["state"]) == ("web-7", "REFUSED")
    assert row["reason"].startswith("type_url: ")
    with plane.events(kinds="proxy") as following:
        again: Any = await synced(client, "web-7")
        assert following()[1]["state"] in ("SENDING", "SYNCED")
        await again.ask("")
        kind, told = following()
        while told["state"] in ("SENDING", "SYNCED"):
            kind, told = following()
        assert (kind, told["state"], told["refused"]) == ("proxy", "REFUSED", 1)


async def test_the_worst_are_named_first_and_the_others_are_counted(plane, client, eventually) -> None:
    nodes = [f"web-{number:02}" for number in range(11)]
    await synced(client, "web-0")
    for node in nodes:
        stream = await client(node)
        await stream.ask(ENDPOINTS, CART)
        await stream.accept(await stream.read(), error="no such thing")
    refused = await client("web-99")
    await refused.ask("")
    await refused.ended()
    counts = lambda: plane.get("status")["counts"]["proxies"]  # noqa: E731
    await eventually(lambda: counts() == {"REFUSED": 1, "NACKED": 11, "SYNCED": 1})
    behind = plane.get("status")["behind"]
    assert [each["state"] for each in behind] == ["REFUSED", *["NACKED"] * 9]
    said = plane.run("status", status=1)
    assert "2 more proxies are NACKED: pilothouse proxies --state NACKED" in said.splitlines()
    assert "and 2 more NACKED" in plane.run("top")
    lines = [line.split() for line in plane.run("proxies").splitlines()[1:]]
    assert [(line[0], line[2]) for line in lines] == [
        ("web-99", "REFUSED"),
        *((node, "NACKED") for node in nodes),
        ("web-0", "SYNCED"),
    ]


async def test_proxies_are_narrowed_to_a_state_and_a_namespace_page_by_page(
    plane, client, eventually
) -> None:
    for number in range(3):
        await synced(client, f"web-{number}")
        await synced(client, f"pay-{number}", namespace="billing")
    rejecting = await client("web-7")
    await rejecting.ask(ENDPOINTS, CART)
    await rejecting.accept(await rejecting.read(), error="no such thing")
    gone = await synced(client, "web-8")
    gone.call.cancel()

    def nodes(**query: str) -> list[str]:
        return [row["node"] for row in plane.get("proxies", **query)["items"]]

    await eventually(lambda: nodes(state="GONE") == ["web-8"])
    await eventually(lambda: nodes(state="NACKED") == ["web-7"])
    assert nodes(namespace="billing") == ["pay-0", "pay-1", "pay-2"]
    assert nodes(namespace="billing", state="NACKED") == []
    first = plane.get("proxies", state="SYNCED", namespace="shop", limit="2")
    assert [row["node"] for row in first["items"]] == ["web-0", "web-1"]
    assert nodes(state="SYNCED", namespace="shop", limit="2", after=first["next"]) == ["web-2"]
    said = plane.run("proxies", "--state", "nacked").splitlines()
    assert [line.split()[0] for line in said[1:]] == ["web-7"]
    assert plane.run("proxies", "--namespace", "none") == "no proxy is like that\n"
    assert "--state: must be one of REFUSED, NACKED" in plane.run("proxies", "--state", "odd", status=2)
    assert plane.get("proxies", 400, state="odd")["error"].startswith("state: must be one of REFUSED")
