"""A list costs what it shows, however many services there are; what takes longer takes turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import pytest

from pilothouse.admin.api.events import Events
from pilothouse.admin.api.inquiry import Missing, Wanted
from pilothouse.admin.api.pages import PAGES
from pilothouse.admin.reading import changes, endpoints, explain, history, proxies, services, shares
from pilothouse.admin.reading.following import Following
from pilothouse.admin.reading.reader import Reader
from pilothouse.admin.reading.services import Parts
from pilothouse.admin.status import Status
from pilothouse.journal.journal import Journal
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec
from pilothouse.registry.merged import Registry
from pilothouse.server.discovery import Discovery
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.serving.directory import Directory

MANY = 1500
LIMIT = 5
#: How many names a page may look at: some more than it shows, and far fewer than there are.
FEW = MANY // 6


class Counted(dict[Any, Any]):
    """Can be asked for one, and not looked through."""

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("a page looked at every service")

    values = items = keys = __iter__  # type: ignore[assignment]


def service(name: str, *addresses: str) -> Service:
    spec = ServiceSpec(ServiceName("shop", name), (Port("http", 80),))
    return Service(spec, tuple(Endpoint(address, (("http", 8080),)) for address in addresses))


def parts_of(services: Iterable[Service]) -> Parts:
    registry, catalogue = Registry(["files"]), Catalogue()
    registry.shard("files").replace(services)
    catalogue.apply([*registry.services], registry.services)
    return Parts(registry, catalogue, Census(catalogue, registry.services))


def reader_of(said: Status, parts: Parts) -> Reader:
    discovery = Discovery(parts.catalogue)
    events = Events(Following(lambda: said, parts, discovery))
    return Reader(lambda: said, parts, discovery, events, Journal())


@pytest.fixture(scope="module")
def parts() -> Parts:
    """Those of many services. No test changes them, as making them takes long."""
    return parts_of(service(f"s{number:04}", "10.0.0.1") for number in range(MANY))


@pytest.fixture
def reader(parts: Parts, busy: Status) -> Reader:
    return reader_of(busy, parts)


@pytest.fixture
def looked(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> list[ServiceName]:
    """The names of services that were looked at on the way through all of them."""
    seen: list[ServiceName] = []
    walk = Directory.after

    def after(self: Directory, name: ServiceName) -> Iterator[ServiceName]:
        for each in walk(self, name):
            seen.append(each)
            yield each

    def every(_: Directory) -> NoReturn:
        raise AssertionError("a page looked at every service")

    monkeypatch.setattr(Directory, "after", after)
    monkeypatch.setattr(Directory, "all", every)
    for holder, name in (
        (parts.registry, "_services"),
        (parts.registry, "_declared"),
        (parts.catalogue.directory, "_services"),
    ):
        monkeypatch.setattr(holder, name, Counted(getattr(holder, name)))
    return seen


ARGUMENTS: dict[str, dict[str, str]] = {
    "/services": {"namespace": "", "search": ""},
    "/services/{namespace}/{name}": {"namespace": "shop", "name": "s1234"},
    "/endpoints": {"service": ""},
    "/changes": {"service": ""},
    "/changes/{number}": {"number": "1"},
    "/explain": {"name": "s1234.shop", "proxy": "", "namespace": "", "locality": "", "endpoint": ""},
}
OF_A_PROXY = "/proxies/"
#: What is asked with a body is not looked up. A client that is described costs what it would cost when it
#: connects, so it looks at every service if it may call all of them; and manifests are tried on a copy.
LOOKED_UP = [page.path for page in PAGES if not (page.path.startswith(OF_A_PROXY) or page.body)]


@pytest.mark.parametrize("path", LOOKED_UP)
async def test_no_page_looks_at_every_service(reader, looked, path) -> None:
    [page] = [page for page in PAGES if page.path == path]
    said: dict[str, Any] = {**ARGUMENTS.get(path, {})}
    said |= {each.name: LIMIT if each.name == "limit" else "" for each in page.parameters} | said
    if "since" in said:
        said["since"] = 3600.0
    assert await page.ask(reader, said)
    assert len(looked) <= FEW


async def test_the_last_page_costs_as_little_as_the_first(reader, looked) -> None:
    page = await reader.services("", "", LIMIT, f"shop/s{MANY - 3:04}")
    assert [row.name for row in page.items] == [f"s{MANY - 2:04}", f"s{MANY - 1:04}"]
    assert page.next is None
    assert len(looked) <= FEW


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Awaits an answer whose turns are over at once, and counts how often others got to run meanwhile."""
    for module in (changes, endpoints, explain, history, proxies, services):
        monkeypatch.setattr(module, "_TURN_S", 0.0)

    async def counted(asked: Any) -> tuple[int, Any]:
        answer = asyncio.ensure_future(asked)
        count = 0
        while not answer.done():
            await asyncio.sleep(0)
            count += 1
        return count, answer.exception() or answer.result()

    return counted


async def test_what_a_client_would_get_looks_only_at_what_it_depends_on(reader, looked) -> None:
    said = {"namespace": "shop", "dependencies": ["shop/s1234", "shop/s0001"]}
    node = {"id": "web-0", "metadata": {"pilothouse": said}}
    found = await reader.would_get(node, Wanted("EDS", "", False, LIMIT, ""))
    assert len(found.items) == 2
    assert len(looked) <= FEW


async def test_near_names_are_looked_for_in_turns(reader, turns) -> None:
    for asked in (
        reader.service("shop", "s12345"),
        reader.endpoints("shop/s12345", "", "", "", LIMIT, ""),
        reader.explain("s12345.shop", "", "", "", ""),
        reader.explain("s12345", "", "front", "", ""),
    ):
        count, answer = await turns(asked)
        close = answer.near
        assert len(close) == 3
        assert "shop/s1234" in close or isinstance(answer, Missing)
        assert count >= MANY / 100


async def test_near_names_are_not_copied_all_at_once(reader, looked, turns) -> None:
    most = 0
    asked = asyncio.ensure_future(reader.service("shop", "zzzzzzzzzzzz"))
    while not asked.done():
        before = len(looked)
        await asyncio.sleep(0)
        most = max(most, len(looked) - before)
    assert isinstance(asked.exception(), Missing)
    assert len(looked) >= MANY
    assert most <= FEW


LARGE = 10_000
ADDRESSES = [f"10.1.{number // 250}.{number % 250}" for number in range(LARGE)]


@pytest.fixture(scope="module")
def large() -> Parts:
    """Those of one service, `shop/large`."""
    return parts_of([service("large", *ADDRESSES)])


@pytest.fixture
def of_large(large: Parts, busy: Status) -> Reader:
    return reader_of(busy, large)


async def test_a_service_with_many_endpoints_is_paged_and_in_turns(of_large, turns, monkeypatch) -> None:
    shown: list[str] = []
    row = endpoints._row

    def counted(name: ServiceName, endpoint: Any, said: Any, shares: Any) -> Any:
        shown.append(endpoint.address)
        return row(name, endpoint, said, shares)

    monkeypatch.setattr(endpoints, "_row", counted)
    after, found = "", list[str]()
    for _ in range(3):
        shown.clear()
        count, page = await turns(of_large.endpoints("shop/large", "", "", "", 400, after))
        assert len(shown) == 401, "it looks at those that it shows, and whether there are more"
        assert count > 400
        found += [each.address for each in page.items]
        after = page.next
    assert found == ADDRESSES[:1200]


async def test_the_shares_of_a_service_with_many_endpoints_are_read_in_turns(of_large, turns) -> None:
    plain, _ = await turns(of_large.endpoints("shop/large", "", "", "", LIMIT, ""))
    count, page = await turns(of_large.endpoints("shop/large", "", "front", "", LIMIT, ""))
    assert [each.shares[0].share for each in page.items] == [0.01] * LIMIT
    assert count - plain > LARGE / 100


async def test_a_page_for_a_client_looks_at_the_shares_of_what_it_shows_only(reader, monkeypatch) -> None:
    looked, look = list[str](), shares.assigned

    def counted(world: Any, cluster: str) -> Any:
        looked.append(cluster)
        return look(world, cluster)

    monkeypatch.setattr(endpoints, "assigned", counted)
    page = await reader.endpoints("", "", "front", "", LIMIT, "")
    assert len({each.service for each in page.items}) == LIMIT
    assert len(looked) == LIMIT + 1, "those that it shows, and whether there are more"


async def test_a_page_of_many_small_services_is_in_turns(reader, turns) -> None:
    for asked in (reader.services("", "", 500, ""), reader.endpoints("", "", "", "", 500, "")):
        count, page = await turns(asked)
        assert len(page.items) == 500
        assert count > 500


async def test_a_page_of_changes_is_in_turns(busy, turns) -> None:
    parts = parts_of([service("s0000")])
    shard = parts.registry.shard("files")
    for number in range(50):
        shard.put(service("s0000", f"10.9.0.{number}"))
    count, page = await turns(reader_of(busy, parts).changes("", 60, 50, ""))
    assert len(page.items) == 50
    assert count > 50


async def test_a_walk_to_many_endpoints_shows_the_first_and_any_that_is_asked_for(of_large, turns) -> None:
    count, walk = await turns(of_large.explain("large.shop", "", "", "", ""))
    [cluster] = walk.clusters
    assert (len(cluster.endpoints), cluster.total) == (100, LARGE)
    assert count > 100
    _, walk = await turns(of_large.explain("large.shop", "", "", "", "10.1.39.7"))
    [cluster] = walk.clusters
    assert [each.address for each in cluster.endpoints] == ["10.1.39.7"]
    assert cluster.endpoints[0].share == pytest.approx(100 / LARGE)
