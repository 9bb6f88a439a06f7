"""What counts as sent again, and what as a statement of absence."""

from __future__ import annotations

from ..wire.stream import Said
from ..wire.topics import CDS, EDS
from .ledger import Ledger


def sotw(topic, **messages):
    return Said(topic, "nonce", "version", messages)


def delta(topic, *removed, **messages):
    return Said(topic, "nonce", "", messages, removed=removed)


def test_what_a_client_has_already_is_sent_again() -> None:
    ledger = Ledger()
    for said in (delta(EDS, a=1, b=1), delta(EDS, a=1, b=2)):
        ledger.take(said)
    assert (ledger.again, ledger.gone) == (1, [])


def test_state_of_the_world_restates_what_it_has_to_and_no_more() -> None:
    ledger = Ledger()
    for said in (sotw(CDS, a=1), sotw(CDS, a=1, b=1)):
        ledger.take(said)
    assert ledger.again == 0
    ledger.take(sotw(CDS, a=1, b=1))
    assert ledger.again == 2


def test_absence_is_stated_by_a_name_or_by_a_full_state_without_it() -> None:
    ledger = Ledger()
    for said in (sotw(CDS, a=1, b=1), sotw(CDS, a=1), delta(CDS, "a")):
        ledger.take(said)
    assert ledger.gone == ["b", "a"]


def test_that_a_name_never_existed_takes_nothing_away() -> None:
    ledger = Ledger()
    ledger.take(delta(EDS, "nobody"))
    assert ledger.gone == []


def test_endpoints_that_a_response_does_not_restate_are_not_gone() -> None:
    ledger = Ledger()
    for said in (sotw(EDS, a=1, b=1), sotw(EDS, a=2)):
        ledger.take(said)
    assert (ledger.again, ledger.gone) == (0, [])


def test_a_cluster_that_changed_is_sent_its_endpoints_anew() -> None:
    ledger = Ledger()
    for said in (delta(CDS, a=1), delta(EDS, a=1), delta(CDS, a=2), delta(EDS, a=1)):
        ledger.take(said)
    assert ledger.again == 0
