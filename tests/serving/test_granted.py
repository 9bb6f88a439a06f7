"""A secret is there for those who may have it, and for nobody else, however alike they are."""

from __future__ import annotations

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import ANYBODY
from pilothouse.mesh.identity import NOBODY, Grant, Principal
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.feeding import Granted
from pilothouse.serving.shelves import of_services
from pilothouse.serving.world import World
from pilothouse.translate.secrets import certificate, validation

SECRET = ResourceType.SECRET
SHOP, WEB = "spiffe://mesh.test/ns/shop/sa/web", "spiffe://mesh.test/ns/web/sa/web"
IN_SHOP, IN_WEB = Grant(frozenset({"shop"})), Grant(frozenset({"web"}))


@pytest.mark.parametrize(
    ("grant", "client", "holds"),
    [
        (Grant(), Principal("shop", frozenset({SHOP})), False),
        (IN_SHOP, Principal("shop"), True),
        (IN_SHOP, Principal("web"), False),
        (IN_SHOP, NOBODY, False),
        (Grant(frozenset({"*"})), Principal("web"), True),
        (Grant(frozenset({"*"})), NOBODY, False),
        (Grant(frozenset({""})), NOBODY, False),
        (Grant(ids=frozenset({SHOP})), Principal("", frozenset({SHOP})), True),
        (Grant(ids=frozenset({SHOP})), Principal("shop", frozenset({WEB})), False),
        (Grant(ids=frozenset({"*"})), Principal("shop", frozenset({WEB})), False),
        (Grant(anyone=True), NOBODY, True),
    ],
)
def test_a_grant_holds_for_what_is_proven(grant: Grant, client: Principal, holds: bool) -> None:
    assert grant.holds(client) is holds


def test_clients_that_say_the_same_see_what_each_may_have() -> None:
    shelf, catalogue = Granted(SECRET), Catalogue()
    shelf.grant([(certificate("web", b"c", b"k"), IN_SHOP), (validation("ca", b"c"), Grant(anyone=True))])
    shelves = {**of_services(catalogue), SECRET: shelf}
    names = frozenset({"web", "ca"})
    for client, seen in ((Principal("shop"), {"web", "ca"}), (NOBODY, {"ca"}), (Principal("web"), {"ca"})):
        world = World(catalogue, ANYBODY, shelves, client)
        assert world.chosen(SECRET, names).resources.keys() == seen
        assert world.selection(SECRET).resources.keys() == seen
        assert {name for name in names if world.get(SECRET, name)} == seen


def test_a_change_of_who_may_have_it_is_one_although_the_secret_is_the_same() -> None:
    shelf, web, ca = Granted(SECRET), certificate("web", b"c", b"k"), validation("ca", b"c")
    assert shelf.grant([(web, IN_SHOP), (ca, IN_SHOP)]) is not None
    assert shelf.grant([(web, IN_SHOP), (ca, IN_SHOP)]) is None
    news = shelf.grant([(web, IN_SHOP), (ca, IN_WEB)])
    assert news is not None
    assert news.names == {SECRET: {"ca"}}
    news = shelf.grant([(certificate("web", b"c", b"other"), IN_SHOP)])
    assert news is not None
    assert news.names == {SECRET: {"web", "ca"}}


def test_a_secret_does_not_show_what_it_holds() -> None:
    assert "secret key" not in repr(certificate("web", b"chain", b"secret key"))
