from __future__ import annotations

import json
from textwrap import dedent

import pytest

from pilothouse.kubernetes.documents import Contents, Ignored, Place, Remark, read
from pilothouse.kubernetes.objects.types import Key
from pilothouse.model.reasons import Omission, Reason

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop}
spec:
  ports:
  - name: http
    port: %s
"""


def service(name, port=80):
    return SERVICE % (name, port)


def names(contents):
    return [one.object.name for one in contents.declared]


def places(contents):
    return [one.place for one in contents.declared]


def test_a_file_has_many_documents_and_each_its_place():
    text = "# shop\n" + "---\n".join([service("a"), "", "# nothing\n", service("b"), service("c")])
    contents = read(text.encode())
    assert names(contents) == ["a", "b", "c"]
    assert places(contents) == [Place(2, 1), Place(13, 2), Place(21, 3)]
    assert contents.errors == ()


@pytest.mark.parametrize(
    "separator",
    ["---\n", "--- # next\n", "---\r\n", "...\n---\n", "---\t\n"],
)
def test_documents_are_separated_as_yaml_says(separator):
    contents = read((service("a") + separator + service("b")).encode())
    assert contents.errors == ()
    assert names(contents) == ["a", "b"]


def test_a_separator_inside_of_a_longer_word_or_indented_is_none():
    text = dedent("""\
        apiVersion: v1
        kind: ConfigMap
        data:
          file: |
            ---
            x: 1
        ---text: 1
        metadata: {name: a}
        """)
    assert read(text.encode()).ignored == (
        Ignored(
            Place(1, 1), Omission(Reason.UNSUPPORTED_KIND, "ConfigMap of v1", "plays no part in routing")
        ),
    )


def test_directives_and_a_byte_order_mark_are_understood():
    text = f"%YAML 1.1\n---\n{service('a')}...\n%YAML 1.1\n---\n{service('b')}"
    contents = read(b"\xef\xbb\xbf" + text.encode())
    assert names(contents) == ["a", "b"]
    assert places(contents) == [Place(3, 1), Place(13, 2)]


def test_a_document_may_begin_on_the_line_of_its_separator():
    one = '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "%s"}}'
    contents = read(f"--- {one % 'a'}\n--- {one % 'b'}\n".encode())
    assert names(contents) == ["a", "b"]
    assert places(contents) == [Place(1, 1), Place(2, 2)]


def test_json_is_as_good_as_yaml():
    document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}
    for text in (json.dumps(document), json.dumps(document, indent=2), json.dumps(document, indent="\t")):
        assert names(read(text.encode())) == ["a"]


@pytest.mark.parametrize("indent", [2, "\t"])
def test_a_fault_in_json_has_its_line(indent):
    document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"x": 5}}}
    (error,) = read(json.dumps(document, indent=indent).encode()).errors
    assert error.place == Place(7, 1, "metadata.labels.x")


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata: {name: a}
- apiVersion: apps/v1
  kind: Deployment
- apiVersion: v1
  kind: Node
  metadata:
    name: B
- 5
"""


def test_a_list_is_its_items():
    text = LIST.replace("name: B", "name: b").replace("- 5\n", "")
    contents = read(text.encode())
    assert names(contents) == ["a", "b"]
    assert places(contents) == [Place(4, 1, "items[0]"), Place(9, 1, "items[2]")]
    assert contents.ignored == (
        Ignored(
            Place(7, 1, "items[1]"),
            Omission(Reason.UNSUPPORTED_KIND, "Deployment of apps/v1", "plays no part in routing"),
        ),
    )


def test_every_fault_of_a_list_is_named_with_its_item():
    text = LIST.replace("- 5\n", "- apiVersion: v1\n  kind: Pod\n")
    assert [error.place for error in read(text.encode()).errors] == [
        Place(12, 1, "items[2].metadata.name"),
        Place(13, 1, "items[3].metadata.name"),
    ]


def test_an_item_that_is_no_mapping_is_named():
    contents = read(LIST.encode())
    assert contents.errors[-1] == Remark(Place(13, 1, "items[3]"), "is the number 5, not a mapping of fields")
    assert names(contents) == ["a"]


def test_in_a_list_of_one_kind_the_items_need_not_say_what_they_are():
    text = "{apiVersion: v1, kind: NodeList, items: [{metadata: {name: a}}]}"
    assert names(read(text.encode())) == ["a"]


def test_an_empty_list_is_meant():
    contents = read(b"{apiVersion: v1, kind: List, items: []}")
    assert (contents.declared, contents.errors) == ((), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{apiVersion: v1, kind: List}", "is required, and may be []"),
        ("{apiVersion: v1, kind: List, items: null}", "is required, and may be []"),
        ("{apiVersion: v1, kind: List, items: [{kind: List}]}", "is a list inside of a list"),
    ],
)
def test_a_list_without_items_or_within_a_list_is_refused(text, message):
    (error,) = read(text.encode()).errors
    assert error.message == message


@pytest.mark.parametrize(
    "text", ["", " \n\t\n", "# only a comment\n", "---\n---\n", "---\n# x\n---\nnull\n", "\ufeff"]
)
def test_an_empty_file_is_an_error_and_not_no_services(text):
    contents = read(text.encode())
    assert contents.errors == (Remark(Place(0, 0), "is empty; delete the file to remove its services"),)


def test_faults_have_line_document_field_and_message():
    text = f"{service('a')}---\n{service('b', 70000)}---\n{service('c', 0)}"
    contents = read(text.encode())
    assert contents.errors == (
        Remark(Place(15, 2, "spec.ports[0].port"), "70000 is not in 1..65535", Key("Service", "shop", "b")),
        Remark(Place(23, 3, "spec.ports[0].port"), "0 is not in 1..65535", Key("Service", "shop", "c")),
    )
    assert names(contents) == ["a"]


def test_a_missing_field_is_on_the_line_of_what_should_have_it():
    (error,) = read(b"apiVersion: v1\nkind: Node\nmetadata:\n  labels: {}\n").errors
    assert error.place == Place(3, 1, "metadata.name")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [\n", 1, "did not find expected node content"),
        ("a: 1\n b: 2\n", 2, "mapping values are not allowed in this context"),
        ('a: "\n', 1, "found unexpected end of stream"),
        ("a: *b\n", 1, "found undefined alias"),
        (
            "a: !!python/object:os.system x\n",
            1,
            "has the tag !!python/object:os.system, which manifests do not support",
        ),
        ("\na: " + "9" * 5000, 2, "has a number of 5000 digits"),
        ("a: \x01\n", 1, "control characters are not allowed"),
        ('{"a": 1,\n"b"\n', 2, "is not JSON: expecting ':' delimiter"),
        ("just text", 1, "is the string"),
    ],
)
def test_what_is_no_manifest_has_a_line_and_a_reason(text, line, message):
    contents = read(f"{service('good')}---\n{text}".encode())
    (error,) = contents.errors
    assert (error.place.line, error.place.document) == (line + 8, 2)
    assert message in error.message
    assert "\n" not in error.message
    assert names(contents) == ["good"]


def test_text_that_is_not_utf_8_has_the_line_where_it_ends():
    assert read(b"a: 1\nb: \xff\n").errors == (Remark(Place(2, 0), "is not UTF-8 text"),)


def test_warnings_have_their_place_and_refuse_nothing():
    text = (
        service("a")
        + "---\n"
        + service("b").replace(
            "{name: b, namespace: shop}",
            "\n  name: b\n  annotations:\n    pilothouse.dev/weight: heavy",
        )
    )
    contents = read(text.encode())
    assert names(contents) == ["a", "b"]
    (warning,) = contents.warnings
    assert warning.place == Place(14, 2, "metadata.annotations[pilothouse.dev/weight]")
    assert '"heavy" is not a whole number' in warning.message


def test_of_a_changed_text_only_the_changed_documents_are_read_again():
    before = read("---\n".join([service("a"), service("b"), service("c")]).encode())
    after = read(
        "---\n".join([service("a"), service("new"), service("b", 81), service("c")]).encode(), before
    )
    former = {one.object.name: one.object for one in before.declared}
    kept = {one.object.name for one in after.declared if one.object is former.get(one.object.name)}
    assert names(after) == ["a", "new", "b", "c"]
    assert kept == {"a", "c"}
    assert [place.document for place in places(after)] == [1, 2, 3, 4]


def test_reading_with_and_without_a_former_reading_is_the_same():
    text = f"{service('a')}---\n{service('b', 0)}---\nkind: [\n---\n{service('c')}".encode()
    before = read(f"# moved\n\n{service('c')}---\n{service('b', 0)}".encode())
    assert read(text, before) == read(text)
    assert read(text) != Contents()
