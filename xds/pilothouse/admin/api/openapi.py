"""The OpenAPI document, made from the table of pages and the types of their answers."""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.admin.api.events import KINDS
from pilothouse.admin.api.pages import PAGES, PREFIX, Page, arguments
from pilothouse.admin.api.parameters import Parameter
from pilothouse.admin.api.streaming import ABOUT, EVENTS, PARAMETERS
from pilothouse.admin.api.views import ErrorView

_REFERENCE = "#/components/schemas/{name}"


def document(version: str) -> dict[str, Any]:
    """The document for OpenAPI 3.1."""
    answers = [page.answer for page in PAGES]
    told = [data for kind in KINDS.values() for data in kind.data]
    _, schemas = msgspec.json.schema_components([*answers, *told, ErrorView], ref_template=_REFERENCE)
    paths = {PREFIX + page.path.replace(":path", ""): {"get": _operation(page)} for page in PAGES}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pilothouse", "version": version, "description": "What an operator may ask."},
        "paths": {**paths, PREFIX + EVENTS: {"get": _events()}},
        "components": {"schemas": {name: _without_null(schema) for name, schema in schemas.items()}},
    }


def _operation(page: Page) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in arguments(page)
    ]
    return {
        "summary": page.about,
        "parameters": [*in_path, *map(_in_query, page.parameters)],
        "responses": {
            "200": _response("The answer.", page.answer.__name__),
            "304": {"description": "The client has the same already, as its If-None-Match says."},
            "400": _response("A parameter is wrong.", ErrorView.__name__),
            "404": _response("Nothing has that name.", ErrorView.__name__),
        },
    }


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


def _in_query(each: Parameter) -> dict[str, Any]:
    schema = {"type": each.schema}
    return {"name": each.name, "in": "query", "description": each.about, "schema": schema}


def _response(about: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(name=schema)}}}
    return {"description": about, "content": content}


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
