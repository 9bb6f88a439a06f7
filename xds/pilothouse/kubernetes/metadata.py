"""The `metadata` of an object, and the names that the API server accepts in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.text.errors import TEMPLATE_HINT

#: The default namespace of objects that state none.
DEFAULT_NAMESPACE = "default"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)

_KEY = re.compile(r"[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)


class Meta(NamedTuple):
    """The metadata of an object. `created` is an RFC 3339 time in UTC, in whole seconds, or empty."""

    namespace: str
    name: str
    created: str
    annotations: dict[str, str]


def settled(document: Fields, namespace: str) -> Fields:
    """The same document with `namespace` filled in if it states none."""
    meta = document.values.get("metadata")
    if namespace == DEFAULT_NAMESPACE or not isinstance(meta, Mapping) or meta.get("namespace"):
        return document
    return Fields({**document.values, "metadata": {**meta, "namespace": namespace}}, document.path)


def namespaced(document: Fields) -> Meta:
    """The metadata of an object in a namespace. The default namespace is `default`."""
    meta = document.at("metadata")
    namespace = meta.text("namespace") or DEFAULT_NAMESPACE
    if not is_label(namespace):
        raise meta.error("namespace", f'"{namespace}" is not a DNS label (lower-case letters, digits, -)')
    return Meta(namespace, _name(meta), _created(meta), meta.annotations("annotations"))


def global_(document: Fields) -> Meta:
    """The metadata of an object that has no namespace, such as a Node."""
    meta = document.at("metadata")
    return Meta("", _name(meta), _created(meta), meta.annotations("annotations"))


def is_label(text: str) -> bool:
    """Whether the text is a label of RFC 1123, as Kubernetes spells it: 1 to 63 of a-z, 0-9 and -."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether the text consists of labels of RFC 1123, separated by dots, of at most 253 characters."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def hostname(item: Fields) -> str:
    """The host name of an endpoint in lower case, or empty. Raises FieldError if it is no DNS label."""
    found = item.text("hostname").lower()
    if found and not is_label(found):
        raise item.error("hostname", f'"{found}" is not a DNS label')
    return found


def is_label_key(text: str) -> bool:
    """Whether the text can be the key of a label, such as `version` or `example.com/track`."""
    prefix, slash, name = text.rpartition("/")
    return _KEY.fullmatch(name) is not None and (not slash or is_subdomain(prefix))


def is_label_value(text: str) -> bool:
    return not text or _KEY.fullmatch(text) is not None


def _name(meta: Fields) -> str:
    name = meta.required("name")
    if not is_subdomain(name):
        hint = TEMPLATE_HINT if "{{" in name else ""
        raise meta.error("name", f'"{name}" is not a DNS name (lower-case letters, digits, -, .){hint}')
    return name


def _created(meta: Fields) -> str:
    text = meta.text("creationTimestamp")
    try:
        return _utc(datetime.fromisoformat(text)) if text else ""
    except (ValueError, OverflowError):
        raise meta.error("creationTimestamp", f'"{text}" is not an RFC 3339 time') from None


def _utc(moment: datetime) -> str:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # In whole seconds, so that the texts sort like the times.
    return aware.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
