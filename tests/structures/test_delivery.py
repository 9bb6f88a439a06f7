"""Something that is told to many: when the last of them has confirmed it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilothouse.structures.delivery import Deliveries, Delivery, confirmed, left, refused, told, unneeded


class Told:
    """A delivery, and how often it has ended."""

    def __init__(self) -> None:
        self.ended = 0
        self.delivery = Delivery(self._end)

    def _end(self, _: Delivery) -> None:
        self.ended += 1


def test_it_ends_with_the_last_confirmation_and_once() -> None:
    one = Told()
    first, second = told((), one.delivery), told((), one.delivery)
    one.delivery.told_all()
    confirmed(first, 1.0)
    assert not one.ended
    confirmed(second, 2.0)
    assert (one.ended, one.delivery.confirmed_at) == (1, 2.0)


def test_it_does_not_end_before_all_were_told() -> None:
    one = Told()
    confirmed(told((), one.delivery), 1.0)
    assert not one.ended
    held = told((), one.delivery)
    one.delivery.told_all()
    confirmed(held, 2.0)
    assert one.ended


def test_who_leaves_is_not_waited_for_and_has_confirmed_nothing() -> None:
    one = Told()
    first, second = told((), one.delivery), told((), one.delivery)
    one.delivery.told_all()
    confirmed(first, 1.0)
    left(second)
    assert (one.ended, one.delivery.confirmed_at) == (1, 1.0)


def test_what_nobody_was_told_ends_unconfirmed() -> None:
    one = Told()
    one.delivery.told_all()
    assert (one.ended, one.delivery.confirmed_at) == (1, None)


def test_one_answer_confirms_all_that_was_merged_in_it() -> None:
    one, other = Told(), Told()
    held = told(told((), one.delivery), other.delivery)
    one.delivery.told_all()
    other.delivery.told_all()
    refused(held, 3.0)
    assert (one.ended, other.ended) == (1, 1)
    assert (one.delivery.refused, other.delivery.confirmed_at) == (1, 3.0)


def test_it_is_known_who_confirmed_last_and_the_first_who_rejected() -> None:
    one = Told().delivery
    held = [told((), one, f"web-{number}") for number in range(30)]
    one.told_all()
    for number, each in enumerate(held[:20]):
        refused(each, 1.0, f"web-{number}")
    confirmed(held[20], 2.0, "web-20")
    left(held[21], "web-21")
    unneeded(held[22], "web-22")
    assert [*one.refusers] == [f"web-{number}" for number in range(10)]
    assert (one.confirmed_by, [*one.leavers]) == ("web-20", ["web-21"])
    assert (one.proxies, one.refused, one.acknowledged) == (30, 20, 1)
    assert (one.left, one.unneeded, one.outstanding) == (1, 1, 7)
    assert [*one.awaited] == [f"web-{number}" for number in range(23, 30)]


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ([confirmed, confirmed], "acknowledged"),
        ([confirmed, refused], "refused"),
        ([refused, confirmed], "refused"),
        ([confirmed, left], "left"),
        ([left, refused], "refused"),
        ([unneeded, confirmed], "acknowledged"),
        ([unneeded, left], "left"),
        ([unneeded, unneeded], "unneeded"),
    ],
)
def test_a_client_with_several_types_is_counted_once_by_its_worst_answer(
    answers: list[Callable[..., None]], end: str
) -> None:
    one = Told().delivery
    held = [told((), one, "web-1"), told((), one, "web-1")]
    one.told_all()
    for each, answer in zip(held, answers, strict=True):
        assert one.outstanding + one.refused == 1
        answer(each, *([1.0] if answer in (confirmed, refused) else []), by="web-1")
    ends = {
        name: getattr(one, name) for name in ("acknowledged", "refused", "left", "unneeded", "outstanding")
    }
    assert ends == {**dict.fromkeys(ends, 0), end: 1}
    assert one.proxies == 1


def test_who_is_no_longer_waited_for_and_never_answers_has_left() -> None:
    held: Deliveries = ()
    found = [Told().delivery for _ in range(65)]
    for one in found:
        held = told(held, one, "web-1")
        one.told_all()
        one.give_up()
    assert (found[0].left, found[0].outstanding) == (1, 0)
    assert (found[-1].left, found[-1].outstanding) == (0, 1)


def test_of_many_answers_the_last_ones_are_known_because_they_took_longest() -> None:
    one = Told().delivery
    held = [told((), one, f"web-{number}") for number in range(60)]
    one.told_all()
    for number, each in enumerate(held):
        confirmed(each, float(number), f"web-{number}")
    assert [(each.by, each.at) for each in one.answers] == [
        (f"web-{number}", float(number)) for number in range(10, 60)
    ]


def test_what_was_given_up_never_ends() -> None:
    one = Told()
    held = told((), one.delivery)
    one.delivery.told_all()
    one.delivery.give_up()
    confirmed(held, 1.0)
    assert not one.ended


def test_who_never_confirms_holds_little_of_what_was_given_up() -> None:
    held: Deliveries = ()
    for _ in range(1000):
        one = Told()
        held = told(held, one.delivery)
        one.delivery.give_up()
    assert len(held) <= 65
