"""The settings of the source of manifests: its section."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

from pydantic import PlainValidator

from pilothouse.kubernetes.roots import Root
from pilothouse.sources import Common, Source, SourceSettings
from pilothouse.structures.paths import present
from pilothouse.structures.sections import ONE_OR_MANY, Flag
from pilothouse.structures.written import named


def _root(value: object) -> Root:
    if not isinstance(value, str | Path | Root):
        raise ValueError(f"must be a path, not {named(value)}")
    root = value if isinstance(value, Root) else Root.parse(str(value))
    return root._replace(path=present(root.path))


Manifests: TypeAlias = Annotated[tuple[Annotated[Root, PlainValidator(_root)], ...], ONE_OR_MANY]


class FilesSettings(SourceSettings):
    """`manifests` are files and folders. `allow_empty`: if a folder is empty, its services are gone."""

    asked_by: ClassVar = "manifests"

    manifests: Annotated[
        Manifests,
        Flag(
            "Folder or file of Kubernetes manifests; NAMESPACE for objects that state none. Repeatable.",
            "PATH[=NAMESPACE]",
            repeatable=True,
        ),
    ] = ()
    allow_empty: Annotated[
        bool, Flag("Treat an empty folder as no services, instead of waiting for manifests.")
    ] = False

    def source(self, common: Common) -> Source:
        from pilothouse.sources.files.factory import files

        return files(self, common)
