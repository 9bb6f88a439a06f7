from __future__ import annotations

import datetime

import pytest

from pilothouse.kubernetes.fields import FieldError, Fields, written

ABSENT_OR_NULL = [{}, {"field": None}]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec", "ports", 0, "port"), "spec.ports[0].port"),
        (("items", 3), "items[3]"),
        (("metadata", "annotations", "pilothouse.dev/weight"), "metadata.annotations[pilothouse.dev/weight]"),
    ],
)
def test_a_path_is_written_as_people_write_it(path, text):
    assert written(path) == text


@pytest.mark.parametrize("values", ABSENT_OR_NULL)
def test_an_absent_field_and_a_null_are_the_same(values):
    fields = Fields(values)
    assert fields.text("field") == ""
    assert fields.text("field", "default") == "default"
    assert fields.integer("field") is None
    assert fields.flag("field") is None
    assert list(fields.each("field")) == []
    assert fields.texts("field") == ()
    assert fields.at("field").text("inner") == ""
    assert fields.labels("field") == {}
    with pytest.raises(FieldError, match="field: is required"):
        fields.required("field")


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        ("text", 5, "field: is the number 5, not a string: put it in quotes"),
        ("text", True, "field: is true, not a string: put it in quotes"),
        ("text", ["a"], "field: is a list, not a string"),
        ("text", datetime.date(2026, 1, 2), "field: is a date, not a string: put it in quotes"),
        ("text", "\ud800", "field: is not valid Unicode"),
        ("integer", "5", 'field: is the string "5", not a whole number'),
        ("integer", True, "field: is true, not a whole number"),
        ("integer", 1.5, "field: is the number 1.5, not a whole number"),
        ("flag", "true", 'field: is the string "true", not true or false'),
        ("flag", 1, "field: is the number 1, not true or false"),
        ("texts", "a", 'field: is the string "a", not a list'),
        ("texts", ["a", 5], "field[1]: is the number 5, not a string: put it in quotes"),
        ("texts", ["a", None], "field[1]: is null, not a string: put it in quotes"),
        ("at", [], "field: is a list, not a mapping of fields"),
        ("labels", {"a": 5}, "field.a: is the number 5, not a string: put it in quotes"),
        ("labels", {5: "a"}, "field: has the number 5 as a key, not a string: put it in quotes"),
        ("annotations", {"a": []}, "field.a: is a list, not a string"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(read, value, message):
    with pytest.raises(FieldError) as caught:
        getattr(Fields({"field": value}), read)("field")
    assert str(caught.value) == message


def test_a_number_of_thousands_of_digits_can_be_named():
    with pytest.raises(FieldError, match=r"is the number 9{40}, not a string"):
        Fields({"field": 16**5000}).text("field")


def test_a_field_is_named_by_its_full_path():
    fields = Fields({"spec": {"ports": [{"port": 1}, {"port": "x"}]}})
    with pytest.raises(FieldError) as caught:
        [port.integer("port") for port in fields.at("spec").each("ports")]
    assert caught.value.path == ("spec", "ports", 1, "port")


def test_an_item_that_is_no_mapping_is_named():
    with pytest.raises(FieldError, match=r'ports\[1\]: is the string "http", not a mapping'):
        list(Fields({"ports": [{}, "http"]}).each("ports"))


def test_a_bare_scalar_is_as_good_as_its_text_in_an_annotation():
    values = {"a": {"w": 5, "b": True, "f": 1.5, "t": "x", "n": None}}
    assert Fields(values).annotations("a") == {"w": "5", "b": "true", "f": "1.5", "t": "x", "n": ""}
