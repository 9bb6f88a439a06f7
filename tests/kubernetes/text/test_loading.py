"""Texts that are made to hang or to end the process that reads them."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.documents import read
from pilothouse.kubernetes.text.loading import Lines, TextError, load


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "[" * 200_000 + "]" * 200_000,
        "{a: " * 200_000,
        "- " * 200_000 + "x",
        '{"a":' * 200_000,
        '{"a":' * 200_000 + "1" + "}" * 200_000,
        "\n".join(" " * level + "a:" for level in range(2000)),
    ],
    ids=["open lists", "lists", "mappings", "block lists", "open json", "json", "block mappings"],
)
def test_deep_nesting_is_refused(text):
    # From PyYAML 6.0.4 on, the parser has a limit of its own for flow collections.
    with pytest.raises(TextError, match=r"is nested deeper than 100 levels|exceeded maximum nesting depth"):
        load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-05-01", "2024-05-01"),
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
        ("2026-13-45", "2026-13-45"),
        ("2001:10:20:30:40:50:1:2", "2001:10:20:30:40:50:1:2"),
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("=", "="),
        ("0x1f", 31),
        ("-7", -7),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("0", 0),
        ("true", True),
        ("~", None),
        ("1.2.3", "1.2.3"),
    ],
)
def test_an_unquoted_word_is_what_kubectl_takes_it_for(text, value):
    assert load(f"a: {text}") == [{"a": value}]


def laughs(levels, width, each):
    lines = ["l0: &l0 [x, x]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*l{level - 1}"] * width)
        lines.append(f"l{level}: &l{level} {each(aliases)}")
    return "\n".join(lines)


def test_aliases_that_multiply_are_refused():
    text = laughs(20, 10, lambda aliases: f"[{aliases}]")
    with pytest.raises(TextError, match="its aliases expand to too much"):
        load(text)


def test_aliases_that_do_not_are_welcome():
    text = "a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, z: 3}\n"
    assert load(text) == [{"a": {"x": [1, 2]}, "b": {"x": [1, 2]}, "c": {"x": [1, 2], "z": 3}}]


@pytest.mark.parametrize("width", [2, 16, 17])
@pytest.mark.parametrize("listed", [True, False])
def test_merges_that_multiply_are_refused(width, listed):
    lines = ["l0: &l0 {x: 1}"]
    for level in range(1, 40):
        alias = f"*l{level - 1}"
        merges = f"<<: [{', '.join([alias] * width)}]" if listed else ", ".join([f"<<: {alias}"] * width)
        lines.append(f"l{level}: &l{level} {{{merges}}}")
    with pytest.raises(TextError, match="its aliases expand to too much"):
        load("\n".join(lines))


def test_what_a_mapping_says_itself_goes_before_what_it_merges():
    text = "a: &a {x: 1, z: 1}\nb: &b {x: 2, w: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *a, <<: *b}\n"
    assert load(text)[0]["c"] == {"x": 1, "w": 2, "z": 3}
    assert load(text)[0]["d"] == {"x": 2, "z": 1, "w": 2}


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: *a}", "? &a [*a]\n: 1", "&a {*a : 1}"])
def test_what_contains_itself_is_refused(text):
    with pytest.raises(TextError):
        load(text)


def test_a_list_of_itself_is_refused_too():
    assert read(b"&a {apiVersion: v1, kind: List, items: [*a]}").errors != ()


def test_a_large_text_is_not_read_twice_for_the_sake_of_lines():
    text = "# " + "x" * (4 << 20) + "\na: {b: 1}\n"
    assert Lines(text).of(0, ("a", "b")) == 1
    assert Lines("#\n\na:\n  b: 1\n").of(0, ("a", "b")) == 3
