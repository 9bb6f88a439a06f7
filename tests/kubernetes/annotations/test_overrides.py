from __future__ import annotations

import pytest

from pilothouse.kubernetes.annotations import overrides
from pilothouse.model.services import Locality


@pytest.fixture
def warnings():
    return []


@pytest.mark.parametrize(
    ("text", "weight"),
    [("5", 5), (" 5 ", 5), ("0", 0), ("00", 0), ("007", 7), ("65535", 65535)],
)
def test_a_weight_is_a_whole_number(warnings, text, weight):
    assert overrides.weight({overrides.WEIGHT: text}, warnings.append, "1") == weight
    assert warnings == []


def test_no_annotation_is_no_weight(warnings):
    assert overrides.weight({}, warnings.append, "1") is None
    assert overrides.endpoint_weights({}, warnings.append) == ()
    assert overrides.locality({}, warnings.append) is None
    assert warnings == []


@pytest.mark.parametrize("text", ["abc", "-2", "1e12", "1.5", "", "+5", "1_000", "\u0665", "true", "0x10"])
def test_an_invalid_weight_is_as_none_with_a_warning(warnings, text):
    assert overrides.weight({overrides.WEIGHT: text}, warnings.append, "1") is None
    (warning,) = warnings
    assert str(warning) == (
        f'metadata.annotations[pilothouse.dev/weight]: "{text}" is not a whole number from 0 to 65535'
        " and is ignored; the weight is 1"
    )


@pytest.mark.parametrize("text", ["65536", "1000000000000", "9" * 5000])
def test_a_weight_that_is_too_large_is_clamped_with_a_warning(warnings, text):
    assert overrides.weight({overrides.WEIGHT: text}, warnings.append, "1") == 65535
    assert "counts as 65535" in str(warnings[0])
    assert len(str(warnings[0])) < 150


def test_weights_of_single_addresses_are_read_under_their_canonical_name(warnings):
    text = '{"10.0.0.2": 0, "10.0.0.1": "5", "FD00:0::1": 7}'
    weights = overrides.endpoint_weights({overrides.ENDPOINT_WEIGHTS: text}, warnings.append)
    assert weights == (("10.0.0.1", 5), ("10.0.0.2", 0), ("fd00::1", 7))
    assert warnings == []


def test_one_invalid_weight_does_not_spoil_the_others(warnings):
    text = '{"a": -2, "b": 5, "c": true, "d": [], "e": 1e400, "f": 70000, "g": null}'
    weights = overrides.endpoint_weights({overrides.ENDPOINT_WEIGHTS: text}, warnings.append)
    assert weights == (("b", 5), ("f", 65535))
    assert [warning.message.partition(":")[0] for warning in warnings] == ["a", "c", "d", "e", "f", "g"]
    assert {warning.field for warning in warnings} == {
        "metadata.annotations[pilothouse.dev/endpoint-weights]"
    }


@pytest.mark.parametrize("text", ["", "5", "[1]", "{", "[" * 100_000, '{"a": %s}' % ("9" * 5000)])
def test_weights_that_are_no_json_object_are_ignored_with_a_warning(warnings, text):
    assert overrides.endpoint_weights({overrides.ENDPOINT_WEIGHTS: text}, warnings.append) == ()
    assert "is not a JSON object" in str(warnings[0])


@pytest.mark.parametrize(
    ("text", "locality"),
    [
        ("r/z/s", Locality("r", "z", "s")),
        ("r/z", Locality("r", "z")),
        ("r", Locality("r")),
        (" r / z ", Locality("r", "z")),
        ("/z", Locality("", "z")),
    ],
)
def test_a_locality_has_up_to_three_parts(warnings, text, locality):
    assert overrides.locality({overrides.LOCALITY: text}, warnings.append) == locality
    assert warnings == []


@pytest.mark.parametrize("text", ["", "//", "r/z/s/t"])
def test_a_locality_that_makes_no_sense_is_ignored_with_a_warning(warnings, text):
    assert overrides.locality({overrides.LOCALITY: text}, warnings.append) is None
    assert warnings[0].field == "metadata.annotations[pilothouse.dev/locality]"


def test_warnings_come_with_the_object(parsed):
    found = parsed(
        "{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: "
        "{pilothouse.dev/weight: abc, pilothouse.dev/locality: a/b/c/d}}}"
    )
    assert found.object is not None
    assert [warning.path[-1] for warning in found.warnings] == [overrides.WEIGHT, overrides.LOCALITY]


@pytest.mark.parametrize(
    ("text", "namespaces"),
    [
        ("*", None),
        (".", {"shop"}),
        ("~", set()),
        ("data", {"data"}),
        ("., data,test", {"shop", "data", "test"}),
        (" data  test ", {"data", "test"}),
    ],
)
def test_a_service_is_exported_to_namespaces(warnings, text, namespaces):
    assert overrides.exported_to({"pilothouse.dev/export-to": text}, "shop", warnings.append) == namespaces
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "namespaces"),
    [
        ("Data", set()),
        ("~, data", {"data"}),
        ("", set()),
        (",", set()),
        ("a.b,c", {"c"}),
    ],
)
def test_what_is_no_namespace_hides_the_service_rather_than_showing_it(warnings, text, namespaces):
    assert overrides.exported_to({"pilothouse.dev/export-to": text}, "shop", warnings.append) == namespaces
    assert [warning.field for warning in warnings] == ["metadata.annotations[pilothouse.dev/export-to]"]


def test_a_service_that_does_not_say_is_exported_to_all(warnings):
    assert overrides.exported_to({}, "shop", warnings.append) is None


@pytest.mark.parametrize(("text", "addressable"), [("true", True), ("false", False)])
def test_a_service_may_refuse_to_be_given_a_virtual_ip(warnings, text, addressable):
    said = {"pilothouse.dev/allocate-virtual-ip": text}
    assert overrides.addressable(said, warnings.append) is addressable
    assert overrides.addressable({}, warnings.append)
    assert warnings == []
