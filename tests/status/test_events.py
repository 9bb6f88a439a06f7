"""Events: when something begins to be wrong, and when it is mended."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.metadata import is_subdomain
from pilothouse.kubernetes.objects.types import Key
from pilothouse.status.conditions import Condition
from pilothouse.status.events import Bucket, event

from .town import GROUP, NOW

KEY = Key("HTTPRoute", "shop", "r")


def told(condition: Condition, before: Condition | None = None) -> tuple[str, str] | None:
    found = event(KEY, GROUP, condition, before, NOW)
    return (found["type"], found["reason"]) if found else None


def accepted(status: str, reason: str = "Accepted") -> Condition:
    return Condition("Accepted", status, reason)


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [
        (accepted("True"), None, None),
        (accepted("False", "NoMatchingParent"), None, ("Warning", "NoMatchingParent")),
        (accepted("False", "NoMatchingParent"), accepted("True"), ("Warning", "NoMatchingParent")),
        (accepted("True"), accepted("False"), ("Normal", "Accepted")),
        (accepted("Unknown", "Pending"), accepted("True"), None),
        (Condition("PartiallyInvalid", "True", "UnsupportedValue"), None, ("Warning", "UnsupportedValue")),
        (
            Condition("PartiallyInvalid", "False", "Valid"),
            Condition("PartiallyInvalid", "True", "UnsupportedValue"),
            ("Normal", "Valid"),
        ),
    ],
)
def test_a_condition_that_turns_bad_is_a_warning_and_one_that_is_mended_is_normal(now, before, wanted):
    assert told(now, before) == wanted


def test_an_event_is_about_the_route_and_its_note_is_short():
    found = event(KEY, GROUP, Condition("Accepted", "False", "X", "é" * 2000), None, NOW)
    assert found is not None
    assert found["regarding"] == {
        "apiVersion": GROUP,
        "kind": "HTTPRoute",
        "namespace": "shop",
        "name": "r",
    }
    assert found["metadata"]["namespace"] == "shop"
    assert 900 < len(found["note"].encode()) <= 1024


def test_some_events_pass_at_once_and_others_have_to_wait():
    bucket = Bucket(a_second=2.0, burst=3.0)
    assert [bucket.wait(100.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert bucket.wait(200.0) == 0.0


def test_an_event_about_a_long_name_has_a_name_that_the_api_server_takes() -> None:
    key = KEY._replace(name=f"{'a' * 198}.-b{'c' * 50}")
    found = event(key, GROUP, accepted("False"), None, NOW)
    assert found is not None
    assert is_subdomain(found["metadata"]["name"])
