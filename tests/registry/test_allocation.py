"""Which address a service gets: never another one, and never one that somebody else has (rows 11.1-11.9)."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pilothouse.model.services import ServiceName
from pilothouse.registry.allocation import REST_S, Entry, Ledger, Wish, usable

RANGE = ip_network("240.240.0.0/16")
SMALL = ip_network("240.240.0.0/29")  # of which seven are given
SIX = ip_network("2001:2::/48")
NOW = 1_000_000.0


def name(text: str) -> ServiceName:
    return ServiceName("shop", text)


DB, CART, PAY = map(name, ("db", "cart", "pay"))


def give(ledger: Ledger, *names: ServiceName, now: float = NOW, stated: Collection[str] = ()) -> list[Entry]:
    return ledger.settle(Wish(names, (), stated), now)


def take_back(ledger: Ledger, *names: ServiceName, now: float = NOW) -> list[Entry]:
    return ledger.settle(Wish((), names), now)


def has(ledger: Ledger, *names: ServiceName) -> list[str]:
    return [", ".join(ledger.addresses(each)) for each in names]


def restarted(ledger: Ledger, *networks) -> Ledger:
    """Another process that reads what this one has kept."""
    found = Ledger(networks or (RANGE,))
    for entry in ledger.entries:
        found.enter(entry)
    return found


def test_vip_allocate_a_service_gets_the_next_address_of_each_range() -> None:
    ledger = Ledger([RANGE, SIX])
    give(ledger, DB, CART)
    assert ledger.addresses(DB) == ("240.240.0.1", "2001:2::1")
    assert ledger.addresses(CART) == ("240.240.0.2", "2001:2::2")


def test_addresses_that_look_like_a_network_or_a_broadcast_are_skipped() -> None:
    found = [*usable(RANGE)]
    assert found[:2] == ["240.240.0.1", "240.240.0.2"]
    assert found[253:255] == ["240.240.0.254", "240.240.1.1"]
    assert len(found) == 256 * 254


def test_another_service_never_moves_one() -> None:
    ledger = Ledger([RANGE])
    give(ledger, DB)
    give(ledger, *(name(f"other-{n}") for n in range(1000)))
    assert give(ledger, DB) == [], "it has one"
    assert has(ledger, DB) == ["240.240.0.1"]


def test_vip_stable_restart_what_was_given_is_given_again_whoever_asks_first() -> None:
    ledger = Ledger([RANGE])
    give(ledger, DB, CART)
    again = restarted(ledger)
    assert give(again, PAY, CART, DB) == [Entry("240.240.0.3", PAY, NOW, given=True)]
    assert has(again, DB, CART) == ["240.240.0.1", "240.240.0.2"]


def test_vip_user_conflict_a_service_that_states_the_address_keeps_it_and_the_other_gets_the_next() -> None:
    ledger = Ledger([RANGE])
    give(ledger, DB, CART)
    new = give(ledger, DB, stated={"240.240.0.1"})
    assert new == [
        Entry("240.240.0.1", DB, NOW, given=False),
        Entry("240.240.0.3", DB, NOW, given=True),
    ]
    assert has(ledger, CART) == ["240.240.0.2"]
    assert has(restarted(ledger), DB, CART) == ["240.240.0.3", "240.240.0.2"]


def test_an_address_that_a_service_states_is_never_given() -> None:
    ledger = Ledger([SMALL])
    give(ledger, DB, CART, stated={"240.240.0.1", "240.240.0.3"})
    assert has(ledger, DB, CART) == ["240.240.0.2", "240.240.0.4"]


@pytest.mark.parametrize("first", [DB, CART])
def test_vip_auto_conflict_the_older_keeps_and_the_newer_gets_the_next(first: ServiceName) -> None:
    second = CART if first is DB else DB
    ledger = Ledger([RANGE])
    ledger.enter(Entry("240.240.0.1", first, NOW + (first is DB), given=True))
    ledger.enter(Entry("240.240.0.1", second, NOW + (second is DB), given=True))
    assert has(ledger, DB, CART) == ["", "240.240.0.1"], "whichever is read first"
    give(ledger, DB, CART)
    assert has(ledger, DB, CART) == ["240.240.0.2", "240.240.0.1"]


def test_of_two_addresses_of_one_service_the_older_counts_and_the_other_rests() -> None:
    for entries in (
        [Entry("240.240.0.1", DB, NOW, given=True), Entry("240.240.0.2", DB, NOW + 1, given=True)],
        [Entry("240.240.0.2", DB, NOW + 1, given=True), Entry("240.240.0.1", DB, NOW, given=True)],
    ):
        ledger = Ledger([RANGE])
        for entry in entries:
            ledger.enter(entry)
        assert {each.address: each.given for each in ledger.entries} == {
            "240.240.0.1": True,
            "240.240.0.2": False,
        }
        give(ledger, CART)
        assert has(ledger, DB, CART) == ["240.240.0.1", "240.240.0.3"]


def test_vip_quarantine_an_address_rests_for_an_hour_and_the_longest_rested_goes_first() -> None:
    ledger = Ledger([SMALL])
    names = [name(f"s{n}") for n in range(7)]
    give(ledger, *names)
    take_back(ledger, names[3])
    take_back(ledger, names[1], now=NOW + 10)
    give(ledger, DB, now=NOW + REST_S - 1)
    assert has(ledger, DB) == [""]
    give(ledger, DB, CART, now=NOW + REST_S)
    assert has(ledger, DB, CART) == ["240.240.0.4", ""]
    give(ledger, CART, now=NOW + REST_S + 10)
    assert has(ledger, CART) == ["240.240.0.2"]


def test_what_was_never_given_goes_before_what_has_rested() -> None:
    ledger = Ledger([SMALL])
    give(ledger, DB, CART)
    take_back(ledger, DB)
    give(ledger, PAY, now=NOW + 10 * REST_S)
    assert has(ledger, PAY) == ["240.240.0.3"]


def test_the_quarantine_lasts_over_a_restart() -> None:
    ledger = Ledger([SMALL])
    give(ledger, *(name(f"s{n}") for n in range(7)))
    take_back(ledger, name("s0"))
    again = restarted(ledger, SMALL)
    give(again, DB, now=NOW + 60)
    assert has(again, DB) == [""]
    give(again, DB, now=NOW + REST_S)
    assert has(again, DB) == ["240.240.0.1"]


def test_a_clock_that_was_set_back_does_not_keep_an_address_for_ever() -> None:
    ledger = Ledger([SMALL])
    give(ledger, *(name(f"s{n}") for n in range(7)))
    take_back(ledger, name("s0"), now=NOW + 1e9)
    give(ledger, DB)
    assert has(ledger, DB) == ["240.240.0.1"]


def test_a_service_that_comes_back_gets_its_old_address_while_nobody_else_has_it() -> None:
    ledger = Ledger([SMALL])
    give(ledger, DB)
    take_back(ledger, DB)
    give(ledger, CART, now=NOW + 1)
    again = restarted(ledger, SMALL)
    give(again, DB, now=NOW + 2)
    assert has(again, DB, CART) == ["240.240.0.1", "240.240.0.2"]
    others = [name(f"s{n}") for n in range(5)]
    give(again, *others)
    take_back(again, DB, now=NOW + 3)
    give(again, PAY, now=NOW + 2 * REST_S)
    assert has(again, PAY) == ["240.240.0.1"]
    give(again, DB, now=NOW + 3 * REST_S)
    assert has(again, DB) == [""], "it is another one's now, and there are no more"


def test_vip_exhausted_a_service_goes_on_without_one_and_the_other_family_is_given() -> None:
    ledger = Ledger([SMALL, SIX])
    give(ledger, *(name(f"s{n}") for n in range(7)), DB)
    assert ledger.addresses(DB) == ("2001:2::8",)
    assert ledger.exhausted(DB) == [SMALL]
    assert ledger.exhausted(name("s0")) == []


def test_addresses_of_a_range_that_is_not_used_any_more_are_kept() -> None:
    ledger = Ledger([RANGE])
    give(ledger, DB)
    elsewhere = restarted(ledger, SIX)
    give(elsewhere, CART)
    assert has(elsewhere, DB, CART) == ["", "2001:2::1"]
    assert has(restarted(elsewhere, RANGE, SIX), DB) == ["240.240.0.1"]


def test_an_address_of_nobody_knows_whom_is_not_given_for_an_hour() -> None:
    ledger = Ledger([SMALL])
    ledger.block(["240.240.0.1", "10.0.0.1"], NOW)
    give(ledger, DB)
    assert has(ledger, DB) == ["240.240.0.2"]
    assert has(restarted(ledger, SMALL), DB) == ["240.240.0.2"]


class Life(RuleBasedStateMachine):
    """Services come, go, and state addresses; processes end. Time goes on, but never for an hour at once."""

    names = st.sampled_from([name(f"s{n}") for n in range(12)])
    addresses = st.sampled_from([*usable(SMALL)])

    def __init__(self) -> None:
        super().__init__()
        self.ledger, self.now = Ledger([SMALL]), NOW
        self.services: set[ServiceName] = set()
        self.stated: set[str] = set()
        self.given: dict[ServiceName, str] = {}
        self.released: dict[str, tuple[ServiceName, float]] = {}

    @rule(name=names)
    def put(self, name: ServiceName) -> None:
        self.services.add(name)
        self._settle()

    @rule(name=names)
    def remove(self, name: ServiceName) -> None:
        self.services.discard(name)
        for entry in self.ledger.settle(Wish((), [name]), self.now):
            self.released[entry.address] = name, self.now
            del self.given[name]

    @rule(address=addresses)
    def state(self, address: str) -> None:
        self.stated.add(address)
        for name, had in [*self.given.items()]:
            if had == address:
                del self.given[name]
                self.released[address] = name, self.now
        self._settle()

    @rule(address=addresses)
    def state_no_more(self, address: str) -> None:
        self.stated.discard(address)
        self._settle()

    @rule(seconds=st.floats(0, REST_S))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.ledger = restarted(self.ledger, SMALL)

    def _settle(self) -> None:
        self.ledger.settle(Wish(sorted(self.services), (), self.stated), self.now)
        for name in self.services:
            found = self.ledger.addresses(name)
            if found and name not in self.given:
                (address,) = found
                former = self.released.pop(address, None)
                assert former is None or former[0] == name or self.now - former[1] >= REST_S
                self.given[name] = address

    @invariant()
    def nothing_has_moved(self) -> None:
        assert {name: self.ledger.addresses(name) for name in self.given} == {
            name: (address,) for name, address in self.given.items()
        }

    @invariant()
    def no_address_is_two_services(self) -> None:
        held = [*self.given.values()]
        assert len(held) == len(set(held))
        assert not set(held) & self.stated


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLife = Life.TestCase
