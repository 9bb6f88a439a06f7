"""From settings to the source."""

from __future__ import annotations

import os
from hashlib import sha256

from pilothouse.apiserver.kubeconfig import Malformed, in_cluster, kubeconfig
from pilothouse.sources import Common, Misconfigured, Source
from pilothouse.sources.kubernetes.kept import Kept
from pilothouse.sources.kubernetes.settings import KubernetesSettings
from pilothouse.sources.kubernetes.shown import ShownRoutes
from pilothouse.sources.kubernetes.source import KubernetesSource
from pilothouse.structures.state import StateFolder


def kubernetes(settings: KubernetesSettings, common: Common) -> Source:
    """The source of a cluster. Raises Misconfigured where nothing can come of it."""
    file = settings.kubeconfig
    try:
        access = kubeconfig(file, settings.context) if file else in_cluster(os.environ)
    except Malformed as malformed:
        raise Misconfigured("--kubeconfig" if file else "--kubernetes", str(malformed)) from None
    kept = _kept(common, access.server)
    return KubernetesSource(
        access,
        common.served,
        selectors=settings.service_selector,
        kept=kept,
        accept_missing=common.accept_missing,
        shown=ShownRoutes() if settings.write_status else None,
    )


def _kept(common: Common, server: str) -> Kept | None:
    """Where to keep what the next process has to know of this cluster, and of no other.

    A folder that nobody asked for may be of no use: that is told, and stops nothing.
    """
    if common.state is None:
        return None
    folder = StateFolder(common.state / KubernetesSource.name / sha256(server.encode()).hexdigest()[:16])
    if common.wanted:
        try:
            folder.open()
        except OSError as error:
            raise Misconfigured("--state", f"{folder.folder}: {error.strerror}") from None
    return Kept(folder, common.hold_s)
