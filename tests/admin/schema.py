"""Whether an answer fits its schema: as much of JSON Schema as our document has, and no field beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def misfits(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "$") -> Iterator[str]:
    """What in a value does not fit, each with its path."""
    if "$ref" in schema:
        yield from misfits(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, at)
        return
    if "anyOf" in schema:
        if all([*misfits(value, option, schemas, at)] for option in schema["anyOf"]):
            yield f"{at}: {value!r} fits no option"
        return
    if value not in schema.get("enum", [value]):
        yield f"{at}: {value!r} is none of {schema['enum']}"
    yield from _of_kind(value, schema, schemas, at)


def _of_kind(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{at}: {value!r} is no {kind}"
        return
    if kind == "array":
        for number, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), schemas, f"{at}[{number}]")
    if kind == "object":
        yield from _of_object(value, schema, schemas, at)


def _of_object(value: dict, schema: dict[str, Any], schemas: dict[str, Any], at: str) -> Iterator[str]:
    if "properties" not in schema and "additionalProperties" not in schema:
        return  # of what others define
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: lacks {name}"
    for name, item in value.items():
        if name in known:
            yield from misfits(item, known[name], schemas, f"{at}.{name}")
        elif "additionalProperties" in schema:
            yield from misfits(item, schema["additionalProperties"], schemas, f"{at}.{name}")
        else:
            yield f"{at}: has {name}, which the schema does not know"
