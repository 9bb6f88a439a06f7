"""Who of several replicas acts: candidates with clocks of their own, and one record."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.apiserver.election import Election, Record, Terms, read, written

TERMS = Terms(duration=15.0, renewal=10.0, retry=2.0)


class Store:
    """The API server: takes a record if its version is the present one."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.version = 0

    def offer(self, election: Election, now: float) -> bool:
        """Let a candidate try once; whether it leads then."""
        wanted = election.wanted(self.record, now)
        if wanted is not None and wanted.version == (self.record.version if self.record else ""):
            self.version += 1
            self.record = replace(wanted, version=str(self.version))
            election.taken(self.record, now, now)
        return election.leads(now)


def candidate(name: str) -> Election:
    return Election(name, TERMS, stamp=iter(map(str, range(1000))).__next__)


def test_the_first_one_leads_and_the_other_one_waits():
    store, a, b = Store(), candidate("a"), candidate("b")
    assert store.offer(a, 100.0)
    assert not store.offer(b, 5000.0)
    assert b.holder == "a"


def test_who_renews_goes_on_for_ever_whatever_the_clocks_of_others_say():
    store, a, b = Store(), candidate("a"), candidate("b")
    for second in range(0, 120, 2):
        assert store.offer(a, 100.0 + second)
        assert not store.offer(b, 9e6 + second)


def test_a_holder_that_does_not_renew_is_believed_for_its_duration_and_no_longer():
    store, a, b = Store(), candidate("a"), candidate("b")
    store.offer(a, 0.0)
    assert not store.offer(b, 1000.0)
    assert not store.offer(b, 1014.9)
    assert store.offer(b, 1015.1)
    assert store.record is not None
    assert (store.record.holder, store.record.transitions) == ("b", 1)
    assert not store.offer(a, 20.0)


def test_a_holder_that_cannot_renew_stops_before_another_one_begins():
    store, a = Store(), candidate("a")
    store.offer(a, 0.0)
    assert a.leads(9.9)
    assert not a.leads(10.1)
    assert a.elections == 1
    assert store.offer(a, 10.2)
    assert a.elections == 2


def test_the_answer_counts_from_when_it_was_asked_for():
    a = candidate("a")
    wanted = a.wanted(None, 0.0)
    assert wanted is not None
    a.taken(wanted, 0.0, 9.0)
    assert a.leads(9.5)
    assert not a.leads(10.5)


def test_who_gives_up_lets_others_in_at_once():
    store, a, b = Store(), candidate("a"), candidate("b")
    store.offer(a, 0.0)
    store.offer(b, 0.0)
    assert b.given_up(store.record) is None
    store.record = a.given_up(store.record)
    assert not a.leads(0.0)
    assert a.given_up(store.record) is None
    assert store.offer(b, 0.1)


def test_of_two_that_try_at_once_the_api_server_takes_one():
    store, a, b = Store(), candidate("a"), candidate("b")
    store.offer(candidate("gone"), 0.0)
    for one in (a, b):
        one.wanted(store.record, 0.0)
    first, second = (one.wanted(store.record, 20.0) for one in (a, b))
    assert first is not None
    assert second is not None
    assert first.version == second.version != ""


def test_who_finds_the_record_gone_makes_it_anew():
    store, a = Store(), candidate("a")
    store.offer(a, 0.0)
    store.record = None
    assert store.offer(a, 2.0)


def test_a_record_is_read_as_it_is_written_and_what_is_odd_counts_as_absent():
    record = Record("a", 15.0, "t1", "t2", 3, "7")
    assert read(written(record, "here", "name")) == record
    assert "resourceVersion" not in written(replace(record, version=""), "here", "name")["metadata"]
    assert read({"spec": {"leaseDurationSeconds": "x", "leaseTransitions": True}}) == Record()
