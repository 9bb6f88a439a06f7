"""What manifests would change if they were applied."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from pilothouse.admin.api.views.base import View, Why
from pilothouse.admin.api.views.changes import ChangedView
from pilothouse.admin.api.views.overview import FaultView

#: What would become of a resource.
Effect: TypeAlias = Literal["added", "changed", "removed"]


class ManifestFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a file. Objects that state no namespace are in `namespace`."""

    name: str
    text: str
    namespace: str = "default"


class Supposition(Struct, frozen=True, forbid_unknown_fields=True):
    """Manifests that may be applied, or whose objects may be deleted.

    `source` is the one that would read them; without it, the first one that reads such objects.
    """

    files: tuple[ManifestFile, ...]
    delete: bool = False
    source: str = ""


class EffectView(View, frozen=True):
    """A resource that would change, and for how many proxies. `nodes` has the first of them.

    Without a proxy, it is what a client would notice of which nothing is known but that it may see the
    service.
    """

    type: str
    name: str
    effect: Effect
    proxies: int
    nodes: tuple[str, ...] = ()


class RefusedView(View, frozen=True):
    """A service whose new version would not be accepted. Its last good version would stay."""

    service: str
    reason: str


class LostView(View, frozen=True):
    """A service that would be gone, though connected proxies have it: how many, and the first of them."""

    service: str
    proxies: int
    nodes: tuple[str, ...] = ()


class WhatIfView(View, frozen=True):
    """What would change, as if the documents were in the source, each in place of the object of its name.

    `ok`: there is no fault, and no service would be put in quarantine. `touched` counts the services that
    would change, and `services` has the first of them; likewise `affected` and `effects`. `proxies` counts
    those that would notice anything. `gone` has the first services that would be gone.
    `left_out` is what would be left out that is not now. `emptied` has the first services that would be left
    without an endpoint that is called.
    """

    source: str
    ok: bool
    touched: int
    services: tuple[ChangedView, ...]
    affected: int
    effects: tuple[EffectView, ...]
    proxies: int
    faults: tuple[FaultView, ...] = ()
    warnings: tuple[FaultView, ...] = ()
    quarantined: tuple[RefusedView, ...] = ()
    left_out: tuple[Why, ...] = ()
    gone: tuple[LostView, ...] = ()
    emptied: tuple[str, ...] = ()
