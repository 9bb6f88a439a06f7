"""From settings to the source."""

from __future__ import annotations

import os

from pilothouse.sources import Common, Misconfigured, Source
from pilothouse.sources.kubernetes.kubeconfig import Malformed, in_cluster, kubeconfig
from pilothouse.sources.kubernetes.settings import KubernetesSettings
from pilothouse.sources.kubernetes.source import KubernetesSource


def kubernetes(settings: KubernetesSettings, common: Common) -> Source:
    """The source of a cluster. Raises Misconfigured where nothing can come of it."""
    file = settings.kubeconfig
    try:
        access = kubeconfig(file, settings.context) if file else in_cluster(os.environ)
    except Malformed as malformed:
        raise Misconfigured("--kubeconfig" if file else "--kubernetes", str(malformed)) from None
    return KubernetesSource(access, common.served)
