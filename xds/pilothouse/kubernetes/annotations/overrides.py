"""Annotations for weight, locality and visibility. An invalid value counts as absent, with a warning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from pilothouse.kubernetes.fields import FieldError, annotation_error
from pilothouse.kubernetes.metadata import is_label
from pilothouse.model.addresses import canonical_address
from pilothouse.model.services import MAX_WEIGHT, Locality

WEIGHT = "pilothouse.dev/weight"
ENDPOINT_WEIGHTS = "pilothouse.dev/endpoint-weights"
LOCALITY = "pilothouse.dev/locality"
EXPORT_TO = "pilothouse.dev/export-to"
ALLOCATE_VIRTUAL_IP = "pilothouse.dev/allocate-virtual-ip"

_BY_NODE = "the locality is that of the slice and the node"

Warn = Callable[[FieldError], None]


def weight(annotations: Mapping[str, str], warn: Warn, otherwise: str) -> int | None:
    """`pilothouse.dev/weight`: 0..65535, where 0 is maintenance. None if the annotation is absent or invalid.

    `otherwise` says in the warning which weight is used then.
    """
    text = annotations.get(WEIGHT)
    return None if text is None else _weight(text, WEIGHT, "", f"the weight is {otherwise}", warn)


def endpoint_weights(annotations: Mapping[str, str], warn: Warn) -> tuple[tuple[str, int], ...]:
    """`pilothouse.dev/endpoint-weights`, a JSON object, as pairs of canonical address and weight, sorted."""
    text = annotations.get(ENDPOINT_WEIGHTS)
    if text is None:
        return ()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        why = (
            'is not a JSON object such as {"10.0.0.1": 5} and is ignored; no address has a weight of its own'
        )
        warn(annotation_error(ENDPOINT_WEIGHTS, why))
        return ()
    weights: dict[str, int] = {}
    for address, value in values.items():
        parsed = _weight(
            value, ENDPOINT_WEIGHTS, f"{address}: ", "this address has no weight of its own", warn
        )
        if parsed is not None:
            weights[canonical_address(address)] = parsed
    return tuple(sorted(weights.items()))


def locality(annotations: Mapping[str, str], warn: Warn) -> Locality | None:
    """`pilothouse.dev/locality`: region, region/zone or region/zone/sub-zone."""
    text = annotations.get(LOCALITY)
    if text is None:
        return None
    parts = [part.strip() for part in text.split("/")]
    if len(parts) > 3 or not any(parts):
        warn(annotation_error(LOCALITY, f'"{text}" is not region/zone/sub-zone and is ignored; {_BY_NODE}'))
        return None
    return Locality(*parts)


def exported_to(annotations: Mapping[str, str], namespace: str, warn: Warn) -> frozenset[str] | None:
    """`pilothouse.dev/export-to`: a list of namespaces. `.` is the object's own, `*` is all, `~` is none."""
    items = [item for item in re.split(r"[\s,]+", annotations.get(EXPORT_TO, "*")) if item]
    namespaces = frozenset(namespace if item == "." else item for item in items)
    if "*" in namespaces:
        return None
    if namespaces == {"~"}:
        return frozenset()
    wrong = sorted(item for item in namespaces if not is_label(item))
    rest = namespaces - {*wrong}
    if wrong or not namespaces:
        shown, to = ", ".join(wrong) or "nothing", ", ".join(sorted(rest)) or "no namespace"
        # A typo must not show a Service to namespaces that it was meant to be hidden from.
        warn(annotation_error(EXPORT_TO, f'"{shown}" is not a namespace and is left out; exported to {to}'))
    return rest


def addressable(annotations: Mapping[str, str], warn: Warn) -> bool:
    """`pilothouse.dev/allocate-virtual-ip`: whether the Service may be given a virtual IP if it has none."""
    text = annotations.get(ALLOCATE_VIRTUAL_IP, "true")
    if text not in ("true", "false"):
        message = f'"{text}" is neither true nor false and is ignored; the Service may be given one'
        warn(annotation_error(ALLOCATE_VIRTUAL_IP, message))
    return text != "false"


def _weight(value: object, annotation: str, whose: str, otherwise: str, warn: Warn) -> int | None:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit()):
        shown = value if isinstance(value, str | int | float) else f"a {type(value).__name__}"
        message = f'{whose}"{shown}" is not a whole number from 0 to {MAX_WEIGHT} and is ignored; {otherwise}'
        warn(annotation_error(annotation, message))
        return None
    # Check the length first: Python refuses to convert integers of thousands of digits.
    digits = text.lstrip("0")
    if len(digits) > 5 or int(digits or "0") > MAX_WEIGHT:
        message = f"{whose}{text[:20]} is more than {MAX_WEIGHT} and counts as {MAX_WEIGHT}"
        warn(annotation_error(annotation, message))
        return MAX_WEIGHT
    return int(digits or "0")
