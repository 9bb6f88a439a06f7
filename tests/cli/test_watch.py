"""Events as lines, and which of them are about a service."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
import pytest

from pilothouse.admin.api import views
from pilothouse.cli import asking, watch
from pilothouse.cli.asking import Event
from pilothouse.cli.output import Format
from pilothouse.structures.hostport import HostPort

NOW = "2026-01-31T02:14:00.000Z"
CART = "shop/cart"
BLAMED = views.BlamedView(CART, quarantined=False)
TYPES = (views.SubscriptionState("CDS", "STALE"),)

#: One of each kind of event, whether it concerns the service, and what its line says.
EVENTS: list[tuple[str, Any, bool, str]] = [
    ("change", views.ChangeView(7, NOW, "files", 1, (views.ChangedView(CART, None, "added"),)), True, "7 "),
    ("nack", views.NackRow("web-7", "peer", "CDS", "no", NOW, "1", None, (BLAMED,)), True, "web-7 CDS: no"),
    ("hold", views.HoldView("files", 1, 2, NOW, NOW, (CART,)), True, "the loss of 1 service and 2 endpoints"),
    ("hold", views.HoldEnded("files", ended=True), False, "files: the hold has ended"),
    (
        "proxy",
        views.ProxyRow("web-7", "peer", "shop", "sotw", "ADS", "STALE", NOW, TYPES),
        False,
        "CDS STALE",
    ),
    ("source", views.SourceView("files", "reported", True, False, 1, (), (), ()), False, "files reported"),
    ("reset", None, True, "some events were missed"),
]


def event(kind: str, said: Any) -> Event:
    return Event("1", kind, msgspec.to_builtins(said))


@pytest.mark.parametrize(("kind", "said", "concerned", "words"), EVENTS)
def test_each_kind_of_event_has_a_line_and_concerns_its_services_only(kind, said, concerned, words) -> None:
    found = event(kind, said)
    assert words in watch._shown(found, Format.TABLE)
    assert watch._is_about(found, CART) == concerned
    assert watch._is_about(found, "shop/orders") == (kind == "reset")


def test_a_service_without_a_namespace_is_refused_in_one_line(pilothouse) -> None:
    outcome = pilothouse("watch", "cart", "--admin", "127.0.0.1:1")
    assert outcome.status == 2
    assert "'cart' is not NAMESPACE/NAME" in outcome.err
    assert outcome.err.count("\n") == 1


def test_whoever_may_not_read_events_is_told_how_to_get_in(monkeypatch) -> None:
    class Refusal(BytesIO):
        status = 401

    monkeypatch.setattr(asking, "_response", lambda *_: Refusal(b'{"error": "a token is needed"}'))
    with pytest.raises(asking.Unanswered, match="a token is needed; `serve --admin-tokens FILE` says"):
        next(asking.events(HostPort("127.0.0.1", 1), ""))
    monkeypatch.setattr(asking, "_response", lambda *_: Refusal(b"<html>"))
    with pytest.raises(asking.Unanswered, match="its answer is no stream of events"):
        next(asking.events(HostPort("127.0.0.1", 1), ""))
