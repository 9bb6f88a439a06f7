"""The OpenAPI document, made from the table of pages and the types of their answers."""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.admin.api.pages import PAGES, PREFIX, Page, arguments
from pilothouse.admin.api.views import ErrorView

_REFERENCE = "#/components/schemas/{name}"


def document(version: str) -> dict[str, Any]:
    """The document for OpenAPI 3.1."""
    answers = [page.answer for page in PAGES]
    _, schemas = msgspec.json.schema_components([*answers, ErrorView], ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pilothouse", "version": version, "description": "What an operator may ask."},
        "paths": {PREFIX + page.path.replace(":path", ""): {"get": _operation(page)} for page in PAGES},
        "components": {"schemas": {name: _without_null(schema) for name, schema in schemas.items()}},
    }


def _operation(page: Page) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in arguments(page)
    ]
    in_query = [
        {"name": each.name, "in": "query", "description": each.about, "schema": {"type": each.schema}}
        for each in page.parameters
    ]
    return {
        "summary": page.about,
        "parameters": [*in_path, *in_query],
        "responses": {
            "200": _response("The answer.", page.answer.__name__),
            "304": {"description": "The client has the same already, as its If-None-Match says."},
            "400": _response("A parameter is wrong.", ErrorView.__name__),
            "404": _response("Nothing has that name.", ErrorView.__name__),
        },
    }


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
