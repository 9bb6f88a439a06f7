"""The command that prints the versions for a bug report."""

from __future__ import annotations

import json
import platform
from importlib import metadata

from pilothouse import __version__
from pilothouse.cli.output import Form, Output, answer


def version(output: Form = Output.TEXT) -> None:
    """Print what runs here."""
    # From the metadata, because importing gRPC to ask for its version takes longer than everything else.
    versions = {
        "pilothouse": __version__,
        "python": platform.python_version(),
        "grpcio": metadata.version("grpcio"),
        "protobuf": metadata.version("protobuf"),
    }
    lines = "\n".join(f"{name} {number}" for name, number in versions.items())
    answer(json.dumps(versions) if output is Output.JSON else lines)
