"""From settings to the source."""

from __future__ import annotations

from pilothouse.kubernetes.roots import Namespaces
from pilothouse.sources import Common, Misconfigured, Source
from pilothouse.sources.files.kept import Kept
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.sources.files.source import Absence, FilesSource
from pilothouse.sources.files.state import StateFolder


def files(settings: FilesSettings, common: Common) -> Source:
    """The source of manifests. Raises Misconfigured for a state folder of no use that somebody asked for."""
    return FilesSource(
        [root.path for root in settings.manifests],
        common.served,
        namespaces=Namespaces(settings.manifests),
        kept=_kept(common),
        absence=Absence(settings.allow_empty, common.accept_missing),
    )


def _kept(common: Common) -> Kept | None:
    """Where to keep what the next process has to know.

    A folder that nobody asked for may be of no use: that is told, and stops nothing.
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
