"""Questions of DNS that are drawn: the good ones of a seed, and what is found in bad answers."""

from __future__ import annotations

import pytest

from .packets import findings, known, smallest, wrong

pytestmark = pytest.mark.quick


def test_no_question_that_is_drawn_is_answered_wrongly() -> None:
    assert [*findings(7, 3000, known())] == []


def test_a_wrong_answer_is_found_and_its_question_made_small() -> None:
    good = known()

    def bad(wire: bytes, datagram: bool) -> bytes:
        return b"\0\0" + good(wire, datagram)[2:] if b"cart" in wire else good(wire, datagram)

    wire, complaint = next(findings(7, 3000, bad))
    assert complaint == "AssertionError: another id"
    assert b"cart" in wire
    assert len(wire) < 30


def test_who_fails_is_found() -> None:
    def fails(wire: bytes, datagram: bool) -> bytes:
        raise IndexError("of range")

    assert wrong(b"abc", fails) == "IndexError: of range"
    assert smallest(b"abc", fails) == b""
