from __future__ import annotations

import pytest

from pilothouse.kubernetes.documents import Declared, Place
from pilothouse.kubernetes.manifests import Manifests
from pilothouse.kubernetes.objects.types import Key, Pod

KEY = Key("Pod", "shop", "p")


def declared(weight, created="", line=1, name="p"):
    return Declared(Pod("shop", name, weight, created=created), Place(line, 1))


@pytest.fixture
def manifests():
    return Manifests()


def weights(change):
    return [one.weight for one in change.put], list(change.gone)


def test_what_a_file_declares_is_in_force_until_it_is_removed(manifests):
    assert weights(manifests.put("a", [declared(1), declared(2, name="q")])) == ([1, 2], [])
    assert manifests.keys("a") == {KEY, Key("Pod", "shop", "q")}
    assert weights(manifests.put("a", [declared(3)])) == ([3], [Key("Pod", "shop", "q")])
    assert weights(manifests.remove("a")) == ([], [KEY])
    assert manifests.keys("a") == frozenset()


def test_what_did_not_change_is_not_put_again(manifests):
    manifests.put("a", [declared(1), declared(2, name="q")])
    assert weights(manifests.put("a", [declared(2, name="q", line=1), declared(1, line=9)])) == ([], [])


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize(
    ("of_a", "of_b", "winner"),
    [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "b"),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "a"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "a"),
        ("", "2026-01-01T00:00:00Z", "b"),
        ("", "", "a"),
    ],
)
def test_the_older_wins_then_the_first_whichever_was_read_first(manifests, first, of_a, of_b, winner):
    files = {"a": declared(1, of_a), "b": declared(2, of_b)}
    changes = [manifests.put(name, [files[name]]) for name in sorted(files, reverse=first == "b")]
    in_force = [one for change in changes for one in change.put][-1]
    assert in_force == files[winner].object


def test_both_places_of_a_conflict_are_named(manifests):
    manifests.put("a.yaml", [declared(1, line=12)])
    assert list(manifests.conflicts) == []
    manifests.put("b.yaml", [declared(2, line=7)])
    ((file, remark),) = manifests.conflicts
    assert (file, remark.place.line) == ("b.yaml", 7)
    assert remark.message == "Pod shop/p is declared in a.yaml:12 too; that one comes first and is in force"
    manifests.put("b.yaml", [declared(2, "2026-01-01T00:00:00Z", line=7)])
    ((file, remark),) = manifests.conflicts
    assert (file, remark.place.line) == ("a.yaml", 12)
    assert remark.message == "Pod shop/p is declared in b.yaml:7 too; that one is older and is in force"


def test_when_the_winner_goes_the_other_takes_over(manifests):
    manifests.put("a", [declared(1)])
    assert weights(manifests.put("b", [declared(2)])) == ([], [])
    assert weights(manifests.remove("a")) == ([2], [])
    assert list(manifests.conflicts) == []
    assert weights(manifests.remove("b")) == ([], [KEY])


def test_one_file_can_be_in_conflict_with_itself(manifests):
    assert weights(manifests.put("a", [declared(1, line=1), declared(2, line=9)])) == ([1], [])
    ((file, remark),) = manifests.conflicts
    assert (file, remark.place.line) == ("a", 9)
    assert "declared in a:1 too" in remark.message
