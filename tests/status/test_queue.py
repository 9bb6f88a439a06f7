"""Whose turn it is to be written."""

from __future__ import annotations

from pilothouse.status.queue import Queue, Times

TIMES = Times(gather=0.1, calm=1.0, flapping=8.0, retry=(1.0, 60.0))


def test_what_comes_at_once_is_one_turn():
    queue = Queue[str](TIMES)
    queue.ask("aab", 0.0)
    queue.ask("a", 0.05)
    assert queue.take(0.05) is None
    assert queue.wait(0.05) == 0.05
    assert [queue.take(0.1) for _ in range(3)] == ["a", "b", None]
    assert queue.wait(0.1) is None


def test_one_that_was_written_waits_and_one_that_keeps_changing_waits_longer_and_longer():
    queue = Queue[str](TIMES)
    now, pauses = 0.0, []
    for _ in range(6):
        queue.wrote("a", now)
        queue.ask("a", now)
        wait = queue.wait(now)
        assert wait is not None
        pauses.append(wait)
        now += wait
        assert queue.take(now) == "a"
    assert [round(each, 3) for each in pauses] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    queue.wrote("a", now)
    queue.wrote("a", now + 100.0)
    queue.ask("a", now + 100.0)
    assert queue.wait(now + 100.0) == 1.0


def test_one_that_is_asked_for_while_it_is_written_waits_as_well():
    queue = Queue[str](TIMES)
    queue.ask("a", 0.0)
    assert queue.take(0.1) == "a"
    queue.ask("a", 0.15)
    queue.wrote("a", 0.2)
    assert queue.wait(0.2) == 1.0
    assert queue.take(1.1) is None
    assert [queue.take(1.2), queue.take(9.0)] == ["a", None]


def test_after_failures_it_waits_longer_and_never_as_long_as_others():
    queue = Queue[int](TIMES)
    waits = []
    for number in range(50):
        queue.failed(number, 0.0)
        queue.failed(number, 0.0)
        waits.append(queue._due[number])
    assert all(1.0 <= each <= 2.0 for each in waits)
    assert len(set(waits)) > 10
    queue.failed(99, 0.0, at_least=30.0)
    assert queue._due[99] == 30.0
    queue.ask([99], 1.0)
    assert queue._due[99] == 30.0


def test_what_is_gone_has_no_turn():
    queue = Queue[str](TIMES)
    queue.ask("ab", 0.0)
    queue.forget("a")
    assert len(queue) == 1
    assert [queue.take(1.0), queue.take(1.0)] == ["b", None]
    queue.ask("c", 1.0)
    queue.clear()
    assert queue.take(9.0) is None
    assert queue.wait(9.0) is None


def test_after_a_failure_of_the_server_it_is_nobodys_turn_for_a_while():
    queue = Queue[str](TIMES)
    queue.ask("abc", 0.0)
    assert [queue.take(0.1), queue.take(0.1)] == ["a", "b"]
    queue.failed_for_all("a", 1.0, at_least=3.0)
    queue.failed_for_all("b", 1.0, at_least=3.0)
    assert queue.take(3.9) is None
    assert queue.wait(2.0) == 2.0
    assert queue.take(4.0) == "c"
    queue.wrote("c", 4.0)
    assert sorted(map(str, (queue.take(4.0), queue.take(4.0)))) == ["a", "b"]


def test_however_often_the_server_fails_others_wait_for_some_seconds_only():
    queue = Queue[str](TIMES)
    now = 0.0
    for _ in range(10):
        queue.failed_for_all("a", now)
        queue.ask("b", now)
        wait = queue.wait(now)
        assert wait is not None
        assert wait <= TIMES.trouble
        now += 100.0
        queue.forget("b")
    queue.clear()
    queue.ask("b", now)
    assert queue.take(now + 0.1) == "b"
