"""Session persistence: the same endpoint again for who sends back what it was told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from .manifests import service
from .routes import Answer, Teller, request, route, to, under

pytestmark = pytest.mark.envoy


def kept(path: str, *backends: dict, **session: Any) -> dict:
    return under(path, *backends, sessionPersistence=session)


def cookies(answer: Answer) -> dict[str, str]:
    """What a browser would keep: cookies by name. Names and attributes are told in lower case."""
    lines = (line for line in answer.head.splitlines() if line.startswith("set-cookie: "))
    return dict(line.partition(": ")[2].split("=", 1) for line in lines)


@pytest.fixture
async def pods(mesh) -> dict[str, Teller]:
    """Three endpoints of `blue` and two of `green`."""
    found = {}
    for name, count in (("blue", 3), ("green", 2)):
        of = {
            f"{name}-{number}": await mesh.backend(f"{name}-{number}", kind=Teller) for number in range(count)
        }
        save(mesh, name, of.values())
        found |= of
    return found


def save(mesh, name: str, pods: Iterable[Teller]) -> None:
    slices = [pod.slice(name) for pod in pods]
    for number, one in enumerate(slices):
        one["metadata"]["name"] = f"{name}-{number}"
    mesh.manifests.save(name, service(name), *slices)


async def test_a_session_stays_at_its_endpoint_until_that_is_gone(mesh, pods, eventually) -> None:
    rules = [
        kept("/cookie", to("blue"), sessionName="Basket"),
        kept("/unnamed", to("blue")),
        kept("/header", to("blue"), type="Header", sessionName="X-Basket"),
        kept(
            "/limited",
            to("blue"),
            sessionName="limited",
            absoluteTimeout="1h",
            cookieConfig={"lifetimeType": "Permanent"},
        ),
        under("/plain", to("blue")),
    ]
    mesh.manifests.save("web", service("web"), route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port)

    first = await request(sidecar, "web", "/cookie", keep_case=True)
    assert "max-age" not in first.head
    line = next(line for line in first.head.splitlines() if line.lower().startswith("set-cookie"))
    token = line.partition(": ")[2].partition(";")[0]
    assert token.startswith("Basket=")
    again = [(await request(sidecar, "web", "/cookie", cookie=token)).backend for _ in range(8)]
    assert again == [first.backend] * 8
    assert "set-cookie: session-" in (await request(sidecar, "web", "/unnamed")).head
    assert "max-age=3600" in (await request(sidecar, "web", "/limited")).head

    told = await request(sidecar, "web", "/header", keep_case=True)
    value = told.head.partition("x-basket: ")[2].partition("\r\n")[0]
    again = [(await request(sidecar, "web", "/header", x_basket=value)).backend for _ in range(8)]
    assert again == [told.backend] * 8

    plain = [await request(sidecar, "web", "/plain", cookie=token) for _ in range(9)]
    assert len({answer.backend for answer in plain}) == 3
    assert all("set-cookie" not in answer.head for answer in plain)

    # An endpoint that is gone has no session left; the client is told of another.
    save(
        mesh, "blue", (pod for name, pod in pods.items() if name.startswith("blue") and name != first.backend)
    )

    async def elsewhere() -> bool:
        answer = await request(sidecar, "web", "/cookie", cookie=token)
        return (
            answer.status == 200 and answer.backend != first.backend and "set-cookie: basket=" in answer.head
        )

    await eventually(elsewhere)
    assert await sidecar.rejected() == {}


async def test_a_session_stays_at_its_backend_whatever_the_weights_are(mesh, pods, eventually) -> None:
    def share(blue: int, green: int) -> None:
        rule = kept("/", to("blue", blue), to("green", green), sessionName="basket")
        mesh.manifests.save("web", service("web"), route(rule))

    share(1, 1)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    first = await request(sidecar, "web", keep_case=True)
    jar = "; ".join(
        line.partition(": ")[2].partition(";")[0]
        for line in first.head.splitlines()
        if line.lower().startswith("set-cookie")
    )
    again = [(await request(sidecar, "web", cookie=jar)).backend for _ in range(12)]
    assert again == [first.backend] * 12

    blue = first.backend.startswith("blue")
    share(0 if blue else 1, 1 if blue else 0)

    async def new_ones_go_to_the_other() -> bool:
        return {(await request(sidecar, "web")).backend.startswith("blue") for _ in range(6)} == {not blue}

    await eventually(new_ones_go_to_the_other)
    assert (await request(sidecar, "web", cookie=jar)).backend == first.backend
