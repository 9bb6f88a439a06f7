"""What is traced of a change: exact times, who answered, who rejected it; however many answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from pilothouse.model.services import ServiceName
from pilothouse.registry.revisions import Publication, Revision
from pilothouse.structures.delivery import Deliveries, Delivery, confirmed, left, refused, told, unneeded
from pilothouse.tracing.spans import Span, spans, trace_id

CART = ServiceName("shop", "cart")


class Act(NamedTuple):
    """What a recipient does in the name of a node."""

    recipient: int
    node: str
    does: Callable[[Deliveries], None]


def unix(at: float) -> int:
    """Monotonic 0 is the second 1,000 of Unix time."""
    return 1_000_000_000_000 + round(at * 1e9)


def traced(recipients: int, *acts: Act, since: float = 1.0, begun: float = 2.0, names: int = 1) -> Span:
    """The trace of a change that so many recipients were told, at 3.0, and of which all was over at 60.0."""
    services = tuple(ServiceName("shop", f"cart{number or ''}") for number in range(names))
    one = Revision(7, 1001.0, since, "files", "cart.yaml:3", services, names, delay=0.5)
    delivery = Delivery(lambda _: None)
    published = Publication(7, 7, 1002.0, begun, delivery, {CART: "2 endpoints -> 0 endpoints"})
    delivery.begun_at = 3.0
    nodes = {act.recipient: act.node for act in acts}
    held = [told((), delivery, nodes.get(number, f"node-{number}")) for number in range(recipients)]
    delivery.told_all()
    for act in acts:
        act.does(held[act.recipient])
    delivery.give_up()
    delivery.over_at = 60.0
    return spans(one, published, unix)


def ack(number: int, at: float, node: str) -> Act:
    return Act(number, node, lambda held: confirmed(held, at, node))


def nack(number: int, at: float, node: str, why: str) -> Act:
    return Act(number, node, lambda held: refused(held, at, node, why))


def leaves(number: int) -> Act:
    return Act(number, "gone", lambda held: left(held, "gone"))


def lacks_nothing(number: int) -> Act:
    return Act(number, "idle", lambda held: unneeded(held, "idle"))


def part(trace: Span, name: str) -> Span:
    return next(each for each in trace.children if each.name == name)


def answers(trace: Span) -> list[tuple[object, object, int, str]]:
    return [
        (each.attributes["pilothouse.proxy"], each.attributes["pilothouse.answer"], each.ended, each.error)
        for each in part(trace, "deliver").children
    ]


def outcome(trace: Span) -> object:
    return trace.attributes["pilothouse.change.outcome"]


def test_the_parts_of_a_change_have_the_times_at_which_they_happened() -> None:
    trace = traced(2, ack(0, 4.0, "web-1"), ack(1, 5.5, "web-2"))
    times = [(each.name, each.begun, each.ended) for each in (trace, *trace.children)]
    assert times == [
        ("change", unix(1.0), unix(5.5)),
        ("report", unix(1.0), unix(1.5)),
        ("wait", unix(1.5), unix(2.0)),
        ("translate", unix(2.0), unix(3.0)),
        ("deliver", unix(3.0), unix(5.5)),
    ]
    assert answers(trace) == [("web-1", "ACK", unix(4.0), ""), ("web-2", "ACK", unix(5.5), "")]
    assert {each.begun for each in part(trace, "deliver").children} == {unix(3.0)}


def test_a_change_says_what_it_is_who_made_it_and_how_it_ended() -> None:
    trace = traced(2, ack(0, 4.0, "web-1"), ack(1, 5.5, "web-2"))
    assert trace.attributes == {
        "pilothouse.change.number": 7,
        "pilothouse.change.source": "files",
        "pilothouse.change.place": "cart.yaml:3",
        "pilothouse.change.touched": 1,
        "pilothouse.change.services": ("shop/cart",),
        "pilothouse.change.what": ("shop/cart: 2 endpoints -> 0 endpoints",),
        "pilothouse.change.outcome": "acknowledged",
        "pilothouse.change.proxies": 2,
        "pilothouse.change.acknowledged": 2,
        "pilothouse.change.rejected": 0,
        "pilothouse.change.left": 0,
        "pilothouse.change.unneeded": 0,
        "pilothouse.change.outstanding": 0,
        "pilothouse.change.slowest": "web-2",
    }
    assert trace.error == ""


def test_a_rejection_is_an_error_with_the_words_of_the_proxy() -> None:
    trace = traced(2, nack(0, 4.0, "web-1", "no such thing"), ack(1, 5.0, "web-2"))
    assert answers(trace) == [("web-1", "NACK", unix(4.0), "no such thing"), ("web-2", "ACK", unix(5.0), "")]
    assert trace.error == "1 of 2 proxies reject it; web-1: no such thing"
    assert outcome(trace) == "rejected"


def test_one_proxy_can_reject_one_type_and_accept_another() -> None:
    trace = traced(2, nack(0, 4.0, "web-1", "no"), ack(1, 5.0, "web-1"))
    assert [each[1] for each in answers(trace)] == ["NACK", "ACK"]


def test_an_answer_that_is_missing_makes_the_change_an_error_and_its_end_the_time_when_it_was_given_up() -> (
    None
):
    trace = traced(3, ack(0, 4.0, "web-1"))
    assert (trace.ended, trace.error) == (unix(60.0), "2 of 3 proxies have not answered")
    assert outcome(trace) == "incomplete"


def test_a_change_that_nobody_wants_ends_when_all_are_told() -> None:
    trace = traced(1, lacks_nothing(0))
    assert (outcome(trace), trace.ended, trace.error, answers(trace)) == ("unneeded", unix(60.0), "", [])


def test_a_change_that_a_proxy_left_without_an_answer_is_incomplete() -> None:
    trace = traced(2, ack(0, 4.0, "web-1"), leaves(1))
    assert (outcome(trace), trace.error) == ("incomplete", "1 of 2 proxies have not answered")


def test_of_a_large_fleet_the_slowest_answers_are_shown() -> None:
    acks = [ack(number, 4.0 + number, f"web-{number}") for number in range(1000)]
    found = [each[0] for each in answers(traced(1000, *acks))]
    assert found == [f"web-{number}" for number in range(984, 1000)]


@pytest.mark.parametrize("recipients", [0, 1, 15, 16, 17, 49, 50, 51, 66, 67, 500])
def test_however_many_answer_a_trace_is_small_and_has_the_slowest(recipients: int) -> None:
    acks = [ack(number, 4.0 + number, f"web-{number}") for number in range(recipients)]
    trace = traced(recipients, *acks)
    shown = [each[0] for each in answers(trace)]
    assert shown == [f"web-{number}" for number in range(max(0, recipients - 16), recipients)]
    assert trace.size <= 30


def test_the_first_rejections_are_shown_beside_the_slowest_answers_and_no_more_than_ten() -> None:
    nacks = [nack(number, 4.0 + number, f"web-{number}", "x" * 100_000) for number in range(300)]
    trace = traced(300, *nacks)
    found = answers(trace)
    assert [each[0] for each in found[:10]] == [f"web-{number}" for number in range(10)]
    assert len(found) == 26
    assert max(len(each[3]) for each in found) <= 1000
    assert len(trace.error) <= 1000


def test_of_a_change_of_many_services_the_first_are_named() -> None:
    trace = traced(0, names=500)
    assert trace.attributes["pilothouse.change.touched"] == 500
    named = trace.attributes["pilothouse.change.services"]
    assert isinstance(named, tuple)
    assert len(named) == 20


def test_no_part_ends_before_it_begins_even_if_a_source_heard_of_a_change_late() -> None:
    trace = traced(1, ack(0, 2.5, "web-1"), since=9.0, begun=8.0)
    for each in (trace, *trace.children, *part(trace, "deliver").children):
        assert trace.begun <= each.begun <= each.ended <= trace.ended


def test_the_id_of_a_trace_is_that_of_one_change_of_one_process() -> None:
    ids = {trace_id(instance, number) for instance in ("one", "other") for number in range(1, 1000)}
    assert len(ids) == 2 * 999
    assert all(0 < each < 1 << 128 for each in ids)
    assert trace_id("one", 7) == trace_id("one", 7)
