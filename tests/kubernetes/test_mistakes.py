"""Of an object that is refused every mistake is named, and nothing that only follows from another."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.documents import read

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"


def fields(text: str) -> list[str]:
    return [remark.place.field for remark in read(text.encode()).errors]


@pytest.mark.parametrize(
    ("name", "spec", "found"),
    [
        (
            "a",
            "{ports: [{port: 0, name: x}, {port: 1, protocol: FOO, name: y}, {port: 80, name: z}]}",
            ["spec.ports[0].port", "spec.ports[1].protocol"],
        ),
        ("a", "{type: Foo, ports: [{port: 0}]}", ["spec.type", "spec.ports[0].port"]),
        ("a", "{sessionAffinity: Foo, ports: [{port: 0}]}", ["spec.sessionAffinity", "spec.ports[0].port"]),
        ("a", "{ports: [{port: 0}]}", ["spec.ports[0].port"]),
        ("a", "{type: ExternalNam, externalName: a.example}", ["spec.type"]),
        ("a", "{ports: 80}", ["spec.ports"]),
        ("a", "{}", ["spec.ports"]),
        ("A", "{ports: [{port: 80}]}", ["metadata.name"]),
        (
            "a",
            "{ipFamilies: [IPv5, IPv7], ports: [{port: 80}]}",
            ["spec.ipFamilies[0]"],
        ),
    ],
)
def test_each_mistake_is_named_by_its_place_in_the_document(name, spec, found) -> None:
    assert fields(SERVICE.format(name=name, spec=spec)) == found


@pytest.mark.parametrize(
    "lines",
    [
        "metadata:\n\tname: a\n",
        "metadata:\n  name: a\n\tnamespace: b\n",
        "spec:\n  ports:\n\t- port: 80\n",
        "spec:\n  ports:\n  - port: 80\n  \t- port: 81\n",
        "spec:\n  ports:\n  - port: 80\n \t  name: a\n",
    ],
)
def test_a_tab_that_indents_is_named_in_the_words_of_people(lines) -> None:
    (error,) = read(f"apiVersion: v1\nkind: Service\n{lines}".encode()).errors
    assert error.message == "is indented by a tab; YAML takes only spaces"
    assert "\t" in lines.split("\n")[error.place.line - 3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{{ .Values.name }}", "has a mapping as a key"),
        ('{{ include "name" . }}', "has a mapping as a key"),
        ("'{{ .Values.name }}'", '"{{ .Values.name }}" is not a DNS name (lower-case letters, digits, -, .)'),
        ("a\n{{- end }}", "could not find expected ':', while scanning a simple key"),
    ],
)
def test_who_forgot_to_render_a_template_is_asked_so(name, message) -> None:
    text = f"apiVersion: v1\nkind: Service\nspec: {{ports: [{{port: 80}}]}}\nmetadata:\n  name: {name}\n"
    (error,) = read(text.encode()).errors
    assert error.message == f"{message}; is this a template? render it first"


def test_what_is_unknown_is_named_beside_what_is_wrong() -> None:
    contents = read(SERVICE.format(name="a", spec="{port: 80}").encode())
    assert [remark.place.field for remark in contents.errors] == ["spec.ports"]
    assert [remark.place.field for remark in contents.warnings] == ["spec.port"]


def test_warnings_of_an_object_that_is_refused_are_named_once() -> None:
    spec = "{ports: [{port: 0, name: a}, {port: 0, name: b}]}"
    text = SERVICE.format(name="a, annotations: {pilothouse.dev/hints: many}", spec=spec)
    contents = read(text.encode())
    assert len(contents.errors) == 2
    assert len(contents.warnings) == 1


def test_an_object_of_mistakes_alone_is_not_read_without_end() -> None:
    ports = ", ".join(f"{{port: 0, name: p{number}}}" for number in range(1_000))
    assert len(fields(SERVICE.format(name="a", spec=f"{{ports: [{ports}]}}"))) == 20
