"""What is kept for clients: within a bound, and no longer than they are there."""

from __future__ import annotations

from pilothouse.structures.cache import Cache, interned


class Owner:
    """Anything that a stream has."""


def cache(limit: int = 100) -> Cache[bytes]:
    return Cache(limit, len)


def test_a_value_is_made_once_for_an_owner() -> None:
    held, owner = cache(), Owner()
    first = held.get("a", lambda: bytes(10), owner)
    assert held.get("a", lambda: bytes(20), owner) is first
    assert held.get("b", lambda: bytes(20), owner) is not first
    assert (len(held), held.size) == (2, 30)


def test_a_value_goes_with_the_first_of_its_owners() -> None:
    held, stays, first, second = cache(), Owner(), Owner(), Owner()
    held.get("a", lambda: bytes(10), stays)
    held.get("a", lambda: bytes(20), first, stays)
    held.get("a", lambda: bytes(30), stays, second)
    del first
    assert held.size == 40
    del second
    assert (len(held), held.size) == (1, 10)
    assert held.has("a", stays)


def test_of_too_many_bytes_those_go_that_were_not_used_for_longest() -> None:
    held, owner = cache(), Owner()
    for name in ("a", "b", "c"):
        held.get(name, lambda: bytes(30), owner)
    held.get("a", lambda: bytes(30), owner)
    held.get("d", lambda: bytes(30), owner)
    assert [name for name in "abcd" if held.has(name, owner)] == ["a", "c", "d"]
    assert held.size == 90


def test_what_is_larger_than_the_bound_is_given_and_not_kept() -> None:
    held, owner = cache(), Owner()
    assert len(held.get("a", lambda: bytes(1000), owner)) == 1000
    assert (len(held), held.size) == (0, 0)


def test_what_is_stale_is_dropped_by_its_name_and_owner() -> None:
    held, one, two = cache(), Owner(), Owner()
    for owner in (one, two):
        for name in ("a", "b"):
            held.get(name, lambda: bytes(10), owner)
    held.drop(lambda name, owner: name == "a" and owner is one)
    assert not held.has("a", one)
    assert (len(held), held.size) == (3, 30)


def test_equal_values_are_one_object_for_as_long_as_somebody_has_it() -> None:
    first, second = frozenset({"a", "b"}), frozenset({"b", "a"})
    assert interned(second) is interned(first) is second
    del second
    assert interned(first) is first
