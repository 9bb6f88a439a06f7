"""Values in a route that an API server accepts and Envoy refuses: one rule fails, and endpoints follow."""

from __future__ import annotations

from typing import Any

from pilothouse.demo.traffic import Connection
from pilothouse.demo.waiting import until

from ..envoy.manifests import Document
from .injection import injection
from .stage import Stage

_NAME = "ruled"
_BAD = "/bad/part"


def _route(bad: dict[str, Any]) -> Document:
    """Everything below /bad is for a rule with these fields, all else for one without faults."""
    backends = [{"name": _NAME, "port": 8080}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": _NAME, "namespace": "shop"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": _NAME}],
            "rules": [
                {"matches": [{"path": {"value": "/bad"}}], "backendRefs": backends, **bad},
                {"backendRefs": backends},
            ],
        },
    }


async def _rest_follows(stage: Stage, bad: dict[str, Any]) -> None:
    """Beside a rule with these fields all goes on, also across a restart."""
    stage.save(_NAME, 0, _route({}))
    await stage.arrives(_NAME, 0)
    stage.save(_NAME, 1, _route(bad))
    await stage.arrives(_NAME, 1)
    stage.plane.crash()
    await stage.restart()
    stage.save(_NAME, 2, _route(bad))
    await stage.arrives(_NAME, 2)


async def _one_rule_fails(stage: Stage, bad: dict[str, Any]) -> None:
    """The same, and that rule answers 500."""
    await _rest_follows(stage, bad)
    for client in stage.clients:
        port = client.envoy.egress[1]
        if not await until(lambda port=port: _fails(port), 10.0):
            stage.complain(f"{_BAD} is for a rule that cannot be had, and is not answered with 500")


async def _fails(port: int) -> bool:
    connection = Connection("127.0.0.1", port)
    try:
        return (await connection.get(_NAME, _BAD)).status == 500
    finally:
        connection.close()


def _headers(value: str) -> dict[str, Any]:
    modifier = {"set": [{"name": "x-team", "value": value}]}
    return {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]}


def _expression(value: str) -> dict[str, Any]:
    return {"matches": [{"path": {"type": "RegularExpression", "value": value}}]}


@injection()
async def expression_with_a_lookahead(stage: Stage) -> None:
    """a route's expression that RE2 does not know, then SIGKILL"""
    await _rest_follows(stage, _expression("/bad/(?!staff).*"))


@injection()
async def long_expression(stage: Stage) -> None:
    """a route's expression that is long when compiled, then SIGKILL"""
    await _rest_follows(stage, _expression("/bad/[\\w]{500}/[^a-z]{400}.*"))


@injection()
async def header_value_with_a_line_break(stage: Stage) -> None:
    """a line break in a header value of a route, then SIGKILL"""
    await _one_rule_fails(stage, _headers("blue\n"))


@injection()
async def path_with_a_line_break(stage: Stage) -> None:
    """a line break in the path of a rewrite, then SIGKILL"""
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new\n"}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": path}}
    await _one_rule_fails(stage, {"filters": [rewrite]})


@injection()
async def header_value_of_a_backend_with_a_line_break(stage: Stage) -> None:
    """a line break in a header value that one backend sets, then SIGKILL"""
    backend = {"name": _NAME, "port": 8080, **_headers("blue\n")}
    await _one_rule_fails(stage, {"backendRefs": [backend]})
