"""The OpenAPI document, made from the table of pages and the types of their answers."""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.admin.api.events import KINDS
from pilothouse.admin.api.orders import COMMANDS, Command
from pilothouse.admin.api.pages import PAGES, PREFIX, Body, Page, arguments
from pilothouse.admin.api.parameters import Parameter
from pilothouse.admin.api.streaming import ABOUT, EVENTS, PARAMETERS
from pilothouse.admin.api.views import ErrorView

_UNREAD = {"408": "The body does not come.", "413": "The body is too large.", "415": "The body is no JSON."}
_REFERENCE = "#/components/schemas/{name}"


def document(version: str) -> dict[str, Any]:
    """The document for OpenAPI 3.1."""
    answers = [page.answer for page in PAGES] + [each.answer for each in COMMANDS]
    bodies = [each.body for each in COMMANDS]
    told = [data for kind in KINDS.values() for data in kind.data]
    sent = [page.body.kind for page in PAGES if page.body]
    shown = [*answers, *bodies, *sent, *told, ErrorView]
    _, schemas = msgspec.json.schema_components(shown, ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pilothouse", "version": version, "description": "What an operator may ask."},
        "paths": {
            **{_path(page.path): {page.method.lower(): _operation(page)} for page in PAGES},
            **{_path(each.path): {"post": _order(each)} for each in COMMANDS},
            PREFIX + EVENTS: {"get": _events()},
        },
        "components": {"schemas": {name: _without_null(schema) for name, schema in schemas.items()}},
    }


def _path(path: str) -> str:
    return PREFIX + path.replace(":path", "")


def _in_path(path: str) -> list[dict[str, Any]]:
    said = {"in": "path", "required": True, "schema": {"type": "string"}}
    return [{"name": name, **said} for name in arguments(path)]


def _operation(page: Page) -> dict[str, Any]:
    responses = {
        "200": _response("The answer.", page.answer.__name__),
        "304": {"description": "The client has the same already, as its If-None-Match says."},
        "400": _response("A parameter is wrong.", ErrorView.__name__),
        "404": _response("Nothing has that name.", ErrorView.__name__),
        "503": _response("It is not known now.", ErrorView.__name__),
    }
    parameters = [*_in_path(page.path), *map(_in_query, page.parameters)]
    operation = {"summary": page.about, "parameters": parameters, "responses": responses}
    if page.body is not None:
        del responses["304"]
        responses |= {status: _response(about, ErrorView.__name__) for status, about in _UNREAD.items()}
        operation["requestBody"] = _body(page.body)
    return operation


def _body(body: Body) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([body.kind], ref_template=_REFERENCE)
    content = {"application/json": {"schema": schema}}
    return {"description": body.about, "required": True, "content": content}


def _events() -> dict[str, Any]:
    """The event stream. Its data has a schema for each kind of event, which OpenAPI 3.1 cannot say."""
    told = (
        f"`{name}`: {kind.about} Its data is a {' or a '.join(data.__name__ for data in kind.data)}."
        for name, kind in KINDS.items()
    )
    reset = "`reset`: what was missed is not remembered; read the pages again."
    return {
        "summary": ABOUT,
        "description": "\n".join([*told, reset]),
        "parameters": [*map(_in_query, PARAMETERS)],
        "responses": {
            "200": {"description": "The events.", "content": {"text/event-stream": {}}},
            "400": _response("A parameter is wrong.", ErrorView.__name__),
            "503": _response("There are too many readers.", ErrorView.__name__),
        },
    }


def _order(command: Command) -> dict[str, Any]:
    refused = {
        "400": "The body is wrong.",
        "401": "Nobody is named, and credentials would help.",
        "403": "Whoever asks may give no orders.",
        "404": "Nothing has that name.",
        "409": "It cannot be done as things are.",
        "413": "The body is too large.",
        "415": "The body is no JSON.",
    }
    return {
        "summary": command.about,
        "parameters": _in_path(command.path),
        "requestBody": {"required": True, "content": _json(command.body.__name__)},
        "responses": {
            "200": _response("It is done.", command.answer.__name__),
            **{status: _response(about, ErrorView.__name__) for status, about in refused.items()},
        },
    }


def _in_query(each: Parameter) -> dict[str, Any]:
    schema = {"type": each.schema}
    return {"name": each.name, "in": "query", "description": each.about, "schema": schema}


def _response(about: str, schema: str) -> dict[str, Any]:
    return {"description": about, "content": _json(schema)}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=schema)}}}


def _without_null(schema: Any) -> Any:
    """The schema as answers fit it: a field is absent where it would be null."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _without_null(value) for key, value in schema.items() if key != "default"}
    options = found.get("anyOf")
    if options is not None:
        some = [option for option in options if option != {"type": "null"}]
        if len(some) == 1:
            del found["anyOf"]
            return {**found, **some[0]}
        found["anyOf"] = some
    return found
