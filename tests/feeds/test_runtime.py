"""What a file of the runtime layer may say, and that each mistake names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.config.settings import ConfigError, load
from pilothouse.feeds.feed import Feed, Mistake
from pilothouse.feeds.runtime import read
from pilothouse.translate.runtime import LAYER, runtime


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "r.yaml"


def test_values_are_plain_or_nested_or_fractions(file: Path) -> None:
    file.write_text("a.b: 1\nc: {d: true, e: text}\nf: {numerator: 2, denominator: MILLION}\ng: 0.5\n")
    layer = {
        "a.b": 1,
        "c": {"d": True, "e": "text"},
        "f": {"numerator": 2, "denominator": "MILLION"},
        "g": 0.5,
    }
    assert read(file) == layer
    assert runtime(layer).name == LAYER
    file.write_text('{"a.b": 1, "c": {"d": true, "e": "text"}}')
    assert read(file) == {"a.b": 1, "c": {"d": True, "e": "text"}}
    file.write_text("{}")
    assert read(file) == {}, "a layer without values"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", ": is empty"),
        ("# nothing\n", ": is empty"),
        ("- a\n", ":1: is not a mapping"),
        ("a: 1\nb: [1]\n", ":2: b: is a list or a mapping, not a single value"),
        ("a: 1\nb:\n", ":2: b: is not a string, a number, true, false or a mapping"),
        ("a: 2024-01-01\n", ":1: a: is not a string, a number, true, false or a mapping"),
        ("a: 2024-99-99\n", ":1: a: cannot be read"),
        ("a: .inf\n", ":1: a: is a number that Envoy cannot hold exactly"),
        ("a: 9007199254740993\n", ":1: a: is a number that Envoy cannot hold exactly"),
        ("a: 1\na: 2\n", ":2: a: appears twice"),
        ("a:\n  b: 1\n  b: 2\n", ":3: a.b: appears twice"),
        ("1: a\n", ":1: has a key that is not a string"),
        ("a: {numerator: -1}\n", ":1: a.numerator: is not a whole number of 0 or more"),
        ("a: {denominator: HUNDRED}\n", ":1: a: has a denominator and no numerator"),
        (
            "a: {numerator: 1, denominator: TEN}\n",
            ":1: a.denominator: is not one of HUNDRED, TEN_THOUSAND, MILLION",
        ),
        ("a: {numerator: 1, b: 1}\n", ":1: a.b: is not allowed beside numerator and denominator"),
        ("a: 'b\n", ":2: not YAML: found unexpected end of stream"),
        ("a: &x {b: &y {c: *x}}\n", ":1: a" + ".b.c" * 10 + ": is too large"),
        ("[" * 5000, ": not YAML: RecursionError"),
    ],
)
def test_each_mistake_names_its_place(file: Path, text: str, mistake: str) -> None:
    file.write_text(text)
    with pytest.raises(Mistake) as raised:
        read(file)
    assert str(raised.value).startswith(f"{file}{mistake}")


def test_a_file_that_is_not_there_or_too_large_is_a_mistake(file: Path) -> None:
    with pytest.raises(Mistake, match="No such file or directory"):
        read(file)
    file.write_bytes(b" " * (1 << 20) + b"a: 1")
    with pytest.raises(Mistake, match="is not a file of at most"):
        read(file)


def test_a_wrong_file_is_one_clear_error_at_the_start(file: Path, tmp_path: Path) -> None:
    file.write_text("a: 1\nb: []\n")
    with pytest.raises(ConfigError) as raised:
        load({"manifests": [str(tmp_path)], "runtime": str(file)}, {})
    assert str(raised.value) == f"--runtime: {file}:2: b: is a list or a mapping, not a single value"
    (tmp_path / "p.yaml").write_text("manifests: .\nruntime: r.yaml\n")
    file.write_text("a: 1\n")
    assert load({"config": str(tmp_path / "p.yaml")}, {}).runtime == file


def test_what_is_broken_later_leaves_the_last_good_in_force(file: Path) -> None:
    file.write_text("a: 1\n")
    feed = Feed("runtime", lambda: read(file))
    file.write_text("a: [\n")
    feed.refresh()
    assert feed.value == {"a": 1}
    assert feed.state.mistake is not None
    assert feed.state.mistake.line
    file.write_text("a: 2\n")
    feed.refresh()
    assert (feed.value, feed.state.mistake) == ({"a": 2}, None)


@pytest.mark.parametrize(
    "value", ["1" + "0" * 400, "!!bool maybe", '!!int ""', "!!timestamp x", '"\\ud800"', '"a\\0b"']
)
def test_a_value_that_a_constructor_chokes_on_is_a_mistake(file: Path, value: str) -> None:
    file.write_text(f"a: {value}\n")
    with pytest.raises(Mistake, match=f"^{file}"):
        read(file)


def test_a_file_without_an_end_is_a_mistake() -> None:
    with pytest.raises(Mistake, match=r"^/dev/zero: is not a file of at most"):
        read(Path("/dev/zero"))
