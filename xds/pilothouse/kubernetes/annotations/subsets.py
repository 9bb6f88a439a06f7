"""Annotations for subsets: the Pod labels that divide a Service, and the values that a route chooses."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import annotation_error
from pilothouse.kubernetes.metadata import is_label_key, is_label_value
from pilothouse.model.routing import Labels

SUBSET_LABELS = "pilothouse.dev/subset-labels"
SUBSET = "pilothouse.dev/subset"

# A sidecar stores the endpoints once more for each combination of labels.
_MOST = 3
# Pilothouse already uses this key to tell endpoints of headless services apart.
_RESERVED = "hostname"


def subset_labels(annotations: Mapping[str, str], warn: Warn) -> tuple[str, ...]:
    """The Pod labels that divide the endpoints of a Service into subsets, sorted."""
    items = list(dict.fromkeys(_items(annotations.get(SUBSET_LABELS, ""))))
    keys = [key for key in items if is_label_key(key) and key != _RESERVED]
    wrong = [f'"{key}" is not the key of a label' for key in items if key not in keys]
    wrong += [f'"{key}" exceeds the limit of {_MOST} labels' for key in keys[_MOST:]]
    rest = tuple(sorted(keys[:_MOST]))
    for message in wrong:
        shown = ", ".join(rest) or "nothing"
        warn(annotation_error(SUBSET_LABELS, f"{message} and is ignored; divided by {shown}"))
    return rest


def subset(annotations: Mapping[str, str]) -> Labels:
    """The subset of a route, such as `version=v2, track=canary`, sorted. Raises ValueError if invalid."""
    text = annotations.get(SUBSET)
    if text is None:
        return ()
    found: dict[str, str] = {}
    for item in _items(text):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (equals and is_label_key(key) and key != _RESERVED and value and is_label_value(value)):
            raise ValueError(f'"{item}" is not LABEL=VALUE')
        if found.setdefault(key, value) != value:
            raise ValueError(f'"{key}" appears twice')
    if not found:
        raise ValueError(f'"{text}" is not LABEL=VALUE')
    return tuple(sorted(found.items()))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
