"""Node matchers as Envoy means them."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse._pb.envoy.service.status.v3.csds_pb2 import ClientStatusRequest
from pilothouse.server.matchers import Known, Unsupported, selecting

WEB = Known("web-7.shop", "shop")


def fits(*matchers: Any) -> bool:
    return selecting(ClientStatusRequest(node_matchers=matchers).node_matchers)(WEB)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"exact": "web-7.shop"}, True),
        ({"exact": "WEB-7.shop"}, False),
        ({"exact": "WEB-7.shop", "ignore_case": True}, True),
        ({"prefix": "web-"}, True),
        ({"prefix": "eb-"}, False),
        ({"suffix": ".shop"}, True),
        ({"contains": "7"}, True),
        ({"contains": "8"}, False),
        ({"safe_regex": {"regex": "web-[0-9]\\.shop"}}, True),
        ({"safe_regex": {"regex": "web"}}, False),
    ],
)
def test_a_node_id_is_matched(pattern: Any, expected: bool) -> None:
    assert fits({"node_id": pattern}) is expected


def test_any_of_several_matchers_is_enough_and_none_selects_all() -> None:
    other = {"node_id": {"exact": "cart"}}
    assert fits(other, {"node_id": {"exact": "web-7.shop"}})
    assert not fits(other)
    assert fits()
    assert fits({})


def metadata(*path: str, **value: Any) -> Any:
    return {"node_metadatas": [{"path": [{"key": key} for key in path], "value": value}]}


@pytest.mark.parametrize("path", [("NAMESPACE",), ("pilothouse", "namespace")])
def test_a_namespace_is_matched_by_the_metadata_that_states_it(path: tuple[str, ...]) -> None:
    assert fits(metadata(*path, string_match={"exact": "shop"}))
    assert not fits(metadata(*path, string_match={"exact": "data"}))
    both = metadata(*path, string_match={"exact": "shop"}) | {"node_id": {"exact": "cart"}}
    assert not fits(both), "all of one matcher has to fit"


@pytest.mark.parametrize(
    ("matcher", "said"),
    [
        (metadata("team", string_match={"exact": "a"}), "only NAMESPACE"),
        (metadata("NAMESPACE", present_match=True), "only NAMESPACE"),
        ({"node_id": {}}, "no pattern is not supported"),
        ({"node_id": {"safe_regex": {"regex": "("}}}, "no regular expression"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(matcher: Any, said: str) -> None:
    with pytest.raises(Unsupported, match=rf"node_matchers\[0\].*{said}"):
        fits(matcher)


def test_too_many_matchers_are_refused() -> None:
    with pytest.raises(Unsupported, match="more than 100"):
        fits(*[{"node_id": {"exact": "a"}}] * 101)
