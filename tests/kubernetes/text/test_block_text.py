"""What is read line by line is what YAML says, or is left to the reader of all YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilothouse.kubernetes.text import block_text, yaml_text
from pilothouse.kubernetes.text.errors import TextError

WORDS = st.sampled_from(
    [
        "a",
        "name",
        "10.0.0.1",
        "8080",
        "0x1f",
        "1e3",
        "1_000",
        "yes",
        "n",
        "~",
        "null",
        "fd00::1",
        "http://x.y/z?a=b",
        "a b",
        "a  b",
        "a:",
        "a: b",
        "a #b",
        "a#b",
        "-",
        "- a",
        "-5",
        "*a",
        "&a",
        "!!str 5",
        "|",
        "|-",
        ">",
        "'it'",
        "'it''s'",
        '"q"',
        '"q\\n"',
        '"a" b',
        "{}",
        "[]",
        "{a: 1}",
        "{a: 1, b: [x, 'y', \"z\"]}",
        "{a: , b}",
        "[a, {b: c}]",
        "[a b]",
        "[a, ]",
        "{a:1}",
        "[1",
        "#c",
        "é",
        "\t",
        "<<",
        "...",
        "---",
        "@a",
        "a\\b",
    ]
)
KEYS = st.sampled_from(["a", "b", "c.d/e", "y", "null", "1", '"q"', "x y", "<<"])
LINES = st.tuples(
    st.integers(0, 6), st.sampled_from(["", "", "- ", "- - ", "-  "]), st.none() | KEYS, st.none() | WORDS
)


def line(parts):
    indent, dash, key, word = parts
    name = "" if key is None else f"{key}:" if word is None else f"{key}: "
    return " " * indent + dash + name + (word or "")


@settings(max_examples=1500, deadline=None)
@given(st.lists(LINES.map(line) | st.sampled_from(["", "   ", "# c", "  # c"]), max_size=8))
@example(["a:", "b: 1", "  c: 2"])
@example(["a:", "- b: 1", "  c: |", "    x", "", "     y", "", "- d"])
@example(["- a:", "  - b", "- c"])
@example(["a: |", "  x", "b: 1"])
@example(["---", "a: 1", "---", "b: 1"])
@example(["a: b", "...", "c: d"])
def test_every_text_that_is_read_line_by_line_says_the_same_to_the_reader_of_all_yaml(lines):
    text = "".join(f"{each}\n" for each in lines)
    try:
        found = block_text.document(text)
    except block_text.NotPlain:
        return
    assert repr([found]) == repr([*yaml_text.documents(text)] or [None])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abé x:#'\"-{}[],.", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc/ :#", max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES), st.sampled_from([None, True, False]))
def test_what_is_written_as_yaml_is_read_back(value, style):
    text = yaml.safe_dump(value, default_flow_style=style, allow_unicode=True, width=10**6)
    try:
        assert block_text.document(text) == value
    except block_text.NotPlain:
        assert [*yaml_text.documents(text)] == [value]


def test_what_kubectl_writes_is_of_the_plain_form():
    text = Path(__file__).with_name("written.yaml").read_text()
    assert block_text.document(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["- " * 200 + "a\n", "a: " + "[" * 200 + "]" * 200 + "\n"])
def test_what_is_nested_deep_is_not_read_line_by_line(text):
    with pytest.raises(block_text.NotPlain):
        block_text.document(text)
    with pytest.raises(TextError, match="nested deeper"):
        next(yaml_text.documents(text))
