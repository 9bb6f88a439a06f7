"""The settings of the feeds: their section."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pilothouse.structures.paths import present
from pilothouse.structures.sections import Flag, Section


def _runtime(path: Path) -> Path:
    # Not at the top: most commands read no such file.
    from pilothouse.feeds.runtime import read

    read(present(path))
    return path


def _secrets(path: Path) -> Path:
    # Not at the top, either.
    from pilothouse.feeds.secrets import read

    read(present(path))
    return path


class FeedSettings(Section):
    """`runtime` is a file of Envoy runtime values for all sidecars.

    `secrets` is a file that names certificates and CAs, and who may have them.
    """

    runtime: Annotated[
        Annotated[Path, AfterValidator(_runtime)] | None,
        Flag("YAML or JSON file of Envoy runtime values for all sidecars.", "FILE"),
    ] = None
    secrets: Annotated[
        Annotated[Path, AfterValidator(_secrets)] | None,
        Flag("YAML file of certificates and CAs for sidecars, and who may have them.", "FILE"),
    ] = None
