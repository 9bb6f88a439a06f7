"""Endpoints told apart by labels of their Pods: which labels of a Service, and which values for a route."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import annotation_error
from pilothouse.kubernetes.metadata import is_label_key, is_label_value
from pilothouse.model.routing import Labels

SUBSET_LABELS = "pilothouse.dev/subset-labels"
SUBSET = "pilothouse.dev/subset"

# A sidecar keeps its endpoints once more for each combination of labels.
_MOST = 3
# That of an endpoint, by which it is told apart already.
_RESERVED = "hostname"


def subset_labels(annotations: Mapping[str, str], warn: Warn) -> tuple[str, ...]:
    """Of a Service: the labels of its Pods by which it can be divided, sorted."""
    items = list(dict.fromkeys(_items(annotations.get(SUBSET_LABELS, ""))))
    keys = [key for key in items if is_label_key(key) and key != _RESERVED]
    wrong = [f'"{key}" is not the key of a label' for key in items if key not in keys]
    wrong += [f'"{key}" is one more than {_MOST} labels' for key in keys[_MOST:]]
    rest = tuple(sorted(keys[:_MOST]))
    for message in wrong:
        shown = ", ".join(rest) or "nothing"
        warn(annotation_error(SUBSET_LABELS, f"{message} and is ignored; divided by {shown}"))
    return rest


def subset(annotations: Mapping[str, str]) -> Labels:
    """Of a route: `version=v2, track=canary`, sorted. Raises ValueError for anything else."""
    text = annotations.get(SUBSET)
    if text is None:
        return ()
    found: dict[str, str] = {}
    for item in _items(text):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (equals and is_label_key(key) and key != _RESERVED and value and is_label_value(value)):
            raise ValueError(f'"{item}" is not LABEL=VALUE')
        if found.setdefault(key, value) != value:
            raise ValueError(f'"{key}" is there twice')
    if not found:
        raise ValueError(f'"{text}" is not LABEL=VALUE')
    return tuple(sorted(found.items()))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
