"""Texts as kubectl takes them: streams of JSON, byte order marks, line ends, lists with a bad item."""

from __future__ import annotations

import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.kubernetes import documents
from pilothouse.kubernetes.documents import Place, read
from pilothouse.kubernetes.objects.types import Key
from pilothouse.kubernetes.text import pieces
from pilothouse.kubernetes.text.loading import TextError, load


def node(name, **metadata):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, **metadata}}


def names(contents):
    return [one.object.name for one in contents.declared]


def block(name):
    return f"apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n"


@pytest.mark.parametrize(
    "between", ["\n", "", " ", "\n\n\t\n", "\r\n", "\n---\n", "\n--- ", "\ufeff", "\n\ufeff"]
)
@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_values_may_follow_one_another(between, indent):
    text = between.join(json.dumps(node(name), indent=indent) for name in "abc")
    contents = read(text.encode())
    assert contents.errors == ()
    assert names(contents) == ["a", "b", "c"]
    assert contents.documents == 3


def test_a_fault_in_a_stream_of_json_has_its_line_and_costs_its_own_value():
    texts = [json.dumps(node(name), indent="\t") for name in ("a", "B", "c")]
    contents = read("\n".join(texts).encode())
    assert names(contents) == ["a", "c"]
    (error,) = contents.errors
    assert error.place == Place(12, 2, "metadata.name")
    assert error.key == Key("Node", "", "B")


@pytest.mark.parametrize("broken", ['{"a": ', '{"a" 1}', '{"a": 1,}', '{"a": "\t"}', "{a: 1, b"])
def test_a_line_that_is_not_json_costs_itself(broken):
    lines = [json.dumps(node("a")), broken, json.dumps(node("c"))]
    contents = read("\n".join(lines).encode())
    assert names(contents) == ["a", "c"]
    (error,) = contents.errors
    assert error.place.line == 2
    assert "is not JSON" in error.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "too large"),
        ("9" * 5000, "too large"),
        ('"\\ud800"', "half a surrogate pair"),
        ('{"x": 1, "x": 2}', "appears twice"),
        ("[" * 5000 + "]" * 5000, "nested"),
    ],
)
def test_json_that_no_api_server_takes_is_refused_by_name(value, message):
    text = f'{json.dumps(node("a"))}\n{{"apiVersion": "v1",\n"a": {value}}}\n{json.dumps(node("c"))}'
    contents = read(text.encode())
    assert names(contents) == ["a", "c"]
    (error,) = contents.errors
    assert message in error.message
    assert error.place.line in (2, 3)


def test_a_key_that_is_there_twice_is_named_with_line_and_path():
    (error,) = read(b'{"kind": "Node",\n"metadata": {"name": "a",\n"labels": [{"x": 1,\n"x": 2}]}}').errors
    assert error.place == Place(4, 1, "metadata.labels[0].x")
    assert error.message == "appears twice"
    (error,) = read(f"{block('a')}  labels:\n    x: b\n    x: c\n".encode()).errors
    assert error.place == Place(7, 1, "metadata.labels.x")
    assert error.key == Key("Node", "", "a")


def test_a_whole_character_of_two_halves_is_welcome():
    text = json.dumps(node("a", annotations={"x": "\U0001f600", "y": "\\ud800"}))
    assert "\\ud83d" in text
    assert names(read(text.encode())) == ["a"]


@pytest.mark.parametrize("text", ["{a: 1}", "{a: [b, {c: d}]}\n", "{\n  a: 1\n}\n", '{"a": 1} # it\n'])
def test_what_begins_like_json_and_is_none_is_yaml(text):
    (piece,) = pieces.pieces(text)
    assert piece.values() == load(text)


def test_a_list_of_objects_is_told_how_to_be_written():
    (error,) = read(json.dumps([node("a")]).encode()).errors
    assert error.message == "is a list, not an object; put its items into one of kind: List"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(end):
    text = "---\n".join([block("a"), block("B"), block("c")]).replace("\n", end)
    contents = read(text.encode())
    assert names(contents) == ["a", "c"]
    assert [error.place for error in contents.errors] == [Place(9, 2, "metadata.name")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "between", ["---\n%s", "%s---\n", "...\n%s", "...\n%s---\n", "...\n%s%%YAML 1.1\n---\n%s"]
)
def test_a_byte_order_mark_may_stand_before_each_document(mark, between):
    between = between.replace("%s", mark).replace("%%", "%")
    contents = read((mark + block("a") + between + block("b")).encode())
    assert contents.errors == ()
    assert names(contents) == ["a", "b"]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8-sig", "utf-16", "utf-32", ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32-be", codecs.BOM_UTF32_BE)],
)
def test_a_byte_order_mark_says_the_encoding(encoding):
    name, mark = encoding if isinstance(encoding, tuple) else (encoding, b"")
    assert names(read(mark + (block("a") + "# é\n").encode(name))) == ["a"]


def test_text_that_is_not_what_its_mark_says_is_named():
    (error,) = read(codecs.BOM_UTF16_LE + b"a").errors
    assert error.message == "is not UTF-16 text"


LIST = """\
apiVersion: v1
items:
# the first
- apiVersion: v1
  kind: Node
  metadata:
    name: a
%s- apiVersion: v1
  kind: Node
  metadata:
    name: c
    labels:
      long: |
        - apiVersion: v1

        - x
kind: List
"""


@pytest.mark.parametrize(
    "item",
    [
        "- 5\n",
        "-\n",
        "- []\n",
        "- kind: [\n",
        "- kind: 'Node\n",
        "- {kind: List, apiVersion: v1, items: []}\n",
        "- {apiVersion: v1}\n",
        "- {apiVersion: v1, kind: Node, metadata: {name: !!bool x}}\n",
        "- {apiVersion: v1, apiVersion: v1, kind: Node, metadata: {name: a}}\n",
        "- apiVersion: v1\n  kind: Node\n  metadata:\n    name: B\n",
        "- a: 1\n b: 2\n",
        "- *x\n",
    ],
)
@pytest.mark.parametrize("indent", ["", "  "])
def test_a_bad_item_of_a_list_costs_itself(item, indent):
    head, tail = LIST.split("items:\n")[0], "kind: List\n"
    items = (LIST % item).removeprefix(f"{head}items:\n").removesuffix(tail)
    indented = "".join(f"{indent}{line}\n" for line in items.splitlines())
    contents = read(f"{head}items:\n{indented}{tail}".encode())
    assert names(contents) == ["a", "c"]
    assert [error.place.document for error in contents.errors] == [1]
    assert contents.errors[0].place.field.startswith("items[1]")
    assert 8 <= contents.errors[0].place.line <= 12


def test_a_bad_item_of_a_list_in_json_costs_itself():
    items = [node("a"), 5, {"kind": "List"}, node("B"), {"apiVersion": "v1"}, node("c")]
    contents = read(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode())
    assert names(contents) == ["a", "c"]
    assert [error.place.field for error in contents.errors] == [
        "items[1]",
        "items[2].kind",
        "items[3].metadata.name",
        "items[4].kind",
    ]
    assert [error.key for error in contents.errors] == [None, None, Key("Node", "", "B"), None]


def test_an_item_may_mean_what_another_one_anchors():
    text = f"apiVersion: v1\nkind: List\nitems:\n- &a {json.dumps(node('a'))}\n- *a\n"
    assert names(read(text.encode())) == ["a", "a"]


def test_of_a_list_only_the_changed_items_are_read_again():
    text = LIST % "".join(f"- {json.dumps(node(f'n{number}'))}\n" for number in range(5))
    before = read(text.encode())
    after = read(
        (LIST % "".join(f"- {json.dumps(node(f'n{number}'))}\n" for number in (9, 0, 1, 2, 3))).encode(),
        before,
    )
    former = {one.object.name: one.object for one in before.declared}
    kept = [one.object.name for one in after.declared if one.object is former.get(one.object.name)]
    assert names(after) == ["a", "n9", "n0", "n1", "n2", "n3", "c"]
    assert kept == ["a", "n0", "n1", "n2", "n3", "c"]
    assert [one.place.field for one in after.declared] == [f"items[{number}]" for number in range(7)]
    assert [one.place.line for one in after.declared] == [4, 8, 9, 10, 11, 12, 13]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: api\n  namespace: shop\nspec: [\n",
            ("Service", "shop", "api"),
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n  name: api\nspec:\n  ports: {\n",
            ("Service", "default", "api"),
        ),
        ("kind: Node\nmetadata:\n  name: api\n  labels:\n    name: x\nx: [\n", ("Node", "", "api")),
        ("x: [\nkind: Service\nmetadata:\n  name: api", None),
        ("kind: Service\nmetadata:\n  labels:\n    name: x\nx: [\n", None),
        ("metadata:\n  name: x\nx: [\n", None),
    ],
)
def test_a_document_that_cannot_be_read_tells_which_object_it_is(text, key):
    (error,) = read(text.encode()).errors
    assert error.key == (Key(*key) if key else None)


TAGS = st.sampled_from(
    [
        "bool",
        "int",
        "float",
        "null",
        "str",
        "timestamp",
        "binary",
        "set",
        "omap",
        "pairs",
        "map",
        "seq",
        "merge",
        "value",
        "python/none",
        "python/tuple",
        "python/object/apply:os.system",
        "yaml",
        "x",
    ]
)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12) | st.sampled_from(
    [
        "",
        "x",
        "2026-13-45",
        "0b",
        "0x",
        "-",
        "+",
        ".",
        "1:2",
        "_",
        "9" * 5000,
        "1e999",
        "aGk=",
        "a",
        "[]",
        "{}",
        "<<",
        "=",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    TAGS,
    WORDS,
    st.sampled_from(
        ["!!%s '%s'", '!!%s "%s"', "!!%s %s", "!%s %s", "!!%s [%s]", "!!%s {%s: 1}", "&a !!%s [%s, *a]"]
    ),
)
def test_no_tag_and_no_value_stops_the_reader(tag, word, form):
    text = f"{block('a')}---\n{block('b')}x: {form % (tag, word)}\n---\n{block('c')}"
    contents = read(text.encode())
    assert {"a", "c"} <= {*names(contents)}
    assert len(contents.errors) == ("b" not in names(contents))
    assert all(error.place.line > 5 for error in contents.errors)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_whatever_stands_beside_it_a_good_document_is_read(data):
    good = block("good").encode()
    contents = read(good + b"\n---\n" + data.replace(b"---", b"").replace(b"...", b"") + b"\n---\n" + good)
    assert [*names(contents)].count("good") >= 2 or "UTF-8" in contents.errors[0].message


@pytest.mark.parametrize(
    "value", ["!!bool x", "!!int ''", "!!float ''", "!!timestamp x", "!!binary a", "!!set {x}", "!!omap [x]"]
)
def test_a_value_that_is_not_what_its_tag_says_is_named_with_its_line(value):
    contents = read(f"{block('a')}---\n{block('b')}  x: {value}\n".encode())
    (error,) = contents.errors
    assert names(contents) == ["a"]
    assert error.place == Place(10, 2, "metadata.x")
    assert error.key == Key("Node", "", "b")
    assert "tag !!" in error.message


def test_a_text_without_a_document_is_an_error_and_not_a_crash():
    for text in ("x: &a [*a]\n", "a: *b\n", "? [a]\n: b\n"):
        with pytest.raises(TextError):
            load(text)


def test_of_very_many_faults_the_first_are_named_and_the_others_counted():
    contents = read(("apiVersion: v1\nkind: List\nitems:\n" + "- 5\n" * 3000).encode())
    assert len(contents.errors) == 1001
    assert contents.errors[-1].place == Place(1004, 1, "items[1000]")
    assert "2000 more" in contents.errors[-1].message
    assert contents.errors[-1].key is None


@pytest.mark.parametrize("text", ["---\n", "--- # nothing\n", "# nothing\n---\n", "...\n", "---\n...\n"])
def test_what_is_blank_is_passed_over_however_much_there_is_of_it(text):
    contents = read((text * 20_000 + block("a")).encode())
    assert names(contents) == ["a"]
    assert contents.documents == 1
    assert len(contents.pieces) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "---\n".join(map(block, "abcd")),
        "\n".join(json.dumps(node(name)) for name in "abcd"),
        json.dumps({"apiVersion": "v1", "kind": "NodeList", "items": []})
        + "\n".join(json.dumps(node(name)) for name in "abc"),
        "kind: List\nitems:\n" + "".join(f"- {json.dumps(node(name))}\n" for name in "abcd"),
    ],
)
def test_of_a_text_with_too_many_documents_the_first_ones_count(monkeypatch, text):
    monkeypatch.setattr(pieces, "MOST", 3)
    contents = read(text.encode())
    assert names(contents) == [*"abc"][: len(contents.declared)]
    assert len(contents.pieces) == 4
    (error,) = contents.errors
    assert "exceeds the limit of 3 documents in a file" in error.message
    assert error.key is None  # so that nothing which was in force before is taken to be gone


def test_a_json_list_with_too_many_items_is_one_fault(monkeypatch):
    monkeypatch.setattr(documents, "MOST", 3)
    for count, faults in ((3, 0), (4, 1)):
        items = [node(name) for name in "abcd"[:count]]
        contents = read(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode())
        assert (len(contents.declared), len(contents.errors)) == (0 if faults else 3, faults)
        assert all(error.key is None for error in contents.errors)
