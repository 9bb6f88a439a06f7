"""Makes the source of manifests from the settings."""

from __future__ import annotations

from pilothouse.kubernetes.roots import Namespaces
from pilothouse.sources import Common, Misconfigured, Source
from pilothouse.sources.files.kept import Kept
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.sources.files.source import Absence, FilesSource
from pilothouse.structures.state import StateFolder


def files(settings: FilesSettings, common: Common) -> Source:
    """The source of manifests. Raises Misconfigured if a state folder that the operator chose is unusable."""
    return FilesSource(
        [root.path for root in settings.manifests],
        common.served,
        namespaces=Namespaces(settings.manifests),
        kept=_kept(common),
        absence=Absence(settings.allow_empty, common.accept_missing),
    )


def _kept(common: Common) -> Kept | None:
    """Where to keep what the next process needs.

    If the operator asked for no folder, a default folder that cannot be used is logged and ignored.
    """
    if common.state is None:
        return None
    folder = StateFolder(common.state / FilesSource.name)
    if common.wanted:
        try:
            folder.open()
        except OSError as error:
            raise Misconfigured("--state", f"{folder.folder}: {error.strerror}") from None
    return Kept(folder, common.hold_s)
