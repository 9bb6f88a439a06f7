"""What an operator says about manifests: the section of the settings that belongs to this source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from pilothouse.kubernetes.roots import Root
from pilothouse.structures.paths import present
from pilothouse.structures.written import named


def _root(value: object) -> Root:
    if not isinstance(value, str | Path | Root):
        raise ValueError(f"must be a path, not {named(value)}")
    root = value if isinstance(value, Root) else Root.parse(str(value))
    return root._replace(path=present(root.path))


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


Manifests = Annotated[tuple[Annotated[Root, PlainValidator(_root)], ...], BeforeValidator(_one_or_many)]


class FilesSettings(BaseModel):
    """`manifests` are files and folders. With `allow_empty` what an empty one once held counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    manifests: Manifests = Field(min_length=1)
    allow_empty: bool = False
