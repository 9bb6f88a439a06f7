"""Which regular expressions are taken: those that Envoy takes, and no others."""

from __future__ import annotations

import pytest

from pilothouse.model.routing import Path, PathKind

from .test_gateway import http_route


@pytest.fixture
def rule(parsed):
    return lambda text: parsed(http_route(text)).object.rules[0]


@pytest.mark.parametrize(
    "text",
    [
        "/v[0-9]+/.*",
        "/a|/b",
        "(?i)/A",
        "(?P<name>x)",
        r"\d+",
        r"a\\1",
        "a{2,40}",
        "a+?",
        "[[:alpha:]]",
        "a" * 90,
    ],
)
def test_an_expression_of_re2_is_taken(rule, text):
    found = rule(f"matches: [{{path: {{type: RegularExpression, value: '{text}'}}}}]")
    assert found.matches[0].path == Path(PathKind.REGEX, text)


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "(",
        "*",
        "a(?=b)",
        "a(?!b)",
        "(?<=a)b",
        "(?<!a)b",
        r"(a)\1",
        "(?>a)",
        "a++",
        "a{1001}",
        "(?P=n)",
        "(?x)a",
        r"\u0041",
        "a{2,1000}",
        "a" * 100,
        r"\p{L}+",
    ],
)
def test_an_expression_that_envoy_would_refuse_costs_its_match_alone(parsed, text):
    path = f"path: {{type: RegularExpression, value: '{text}'}}"
    found = parsed(http_route(f"matches: [{{{path}, method: PUT}}, {{path: {{value: /a}}}}]"))
    bad, good = found.object.rules[0].matches
    assert (bad.path, bad.method) == (Path(), "PUT")
    assert "not a regular expression that Envoy takes" in bad.unsupported
    assert (good.unsupported, found.object.rules[0].unsupported) == ("", "")
    assert [each.field for each in found.warnings] == ["spec.rules[0].matches[0].path.value"]


def test_what_is_made_of_names_of_calls_is_none_that_envoy_refuses(parsed):
    text = http_route().replace("HTTPRoute", "GRPCRoute")
    half = "a" * 60
    for method in (
        f"{{method: {half * 2}}}",
        f"{{type: RegularExpression, service: {half}, method: {half}}}",
    ):
        found = parsed(text + f"    matches: [{{method: {method}}}]\n")
        assert "instructions" in found.object.rules[0].matches[0].unsupported
        assert [each.field for each in found.warnings] == ["spec.rules[0].matches[0].method.method"]
