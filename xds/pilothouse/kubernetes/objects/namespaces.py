"""Reads a `v1 Namespace`, whose annotations set defaults for everything in it."""

from __future__ import annotations

from pilothouse.kubernetes import metadata
from pilothouse.kubernetes.annotations import overrides
from pilothouse.kubernetes.fields import Fields, annotation_error
from pilothouse.kubernetes.objects.types import Namespace
from pilothouse.model.services import Protocol

DEFAULT_PROTOCOL = "pilothouse.dev/default-protocol"

_PROTOCOLS = {"http": Protocol.HTTP, "tcp": Protocol.TCP}


def namespace(document: Fields, warn: overrides.Warn) -> Namespace:
    """Read a Namespace. Raises FieldError if the API server would refuse it."""
    meta = metadata.global_(document)
    text = meta.annotations.get(DEFAULT_PROTOCOL, "http")
    protocol = _PROTOCOLS.get(text.strip().lower())
    if protocol is None:
        warn(
            annotation_error(DEFAULT_PROTOCOL, f'"{text}" is neither http nor tcp and is ignored; it is http')
        )
    exported_to = overrides.exported_to(meta.annotations, meta.name, warn)
    return Namespace(meta.name, protocol or Protocol.HTTP, exported_to, meta.created)
