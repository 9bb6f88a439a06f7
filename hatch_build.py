"""Generates xds/pilothouse/_pb, Envoy's messages and ours, before a wheel or an editable install is built.

The descriptors of Envoy's come out of xds-protos, so no .proto file of Envoy is kept here. What is
generated imports nothing of xds-protos, whose top-level packages collide with those of others.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor

TARGET = "pilothouse._pb"


class GenerateMessages(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        generate(root / "protos", root / "xds" / "pilothouse" / "_pb")


def generate(protos: Path, target: Path) -> None:
    """Replace `target` by the messages that `envoy.txt` names, all that they import, and our own."""
    files = list(closure(read_roots(protos / "envoy.txt")))
    names = [file.name for file in files if not file.name.startswith("google/")]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="_pb-") as scratch:
        output = Path(scratch, "_pb")
        output.mkdir()
        compile_messages(files, names, output)
        own = [str(path.relative_to(protos)) for path in sorted(protos.rglob("*.proto"))]
        compile_with(output, [f"--proto_path={protos}"], own)
        rewrite_imports(output, {name.partition("/")[0] for name in names})
        add_packages(output)
        # Whole or not at all: an interrupted build must not leave half a package behind.
        shutil.rmtree(target, ignore_errors=True)
        output.rename(target)


def read_roots(path: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def closure(roots: Iterable[str]) -> Iterator[FileDescriptor]:
    """The files named and every file that they import, each after those that it imports."""
    seen: set[str] = set()

    def visit(file: FileDescriptor) -> Iterator[FileDescriptor]:
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            yield from visit(dependency)
        yield file

    for root in roots:
        yield from visit(import_module(module_of(root)).DESCRIPTOR)


def module_of(proto: str) -> str:
    return proto.removesuffix(".proto").replace("/", ".") + "_pb2"


def compile_messages(files: Iterable[FileDescriptor], names: list[str], output: Path) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    descriptors = FileDescriptorSet()
    for file in files:
        file.CopyToProto(descriptors.file.add())
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "envoy.binpb")
        source.write_bytes(descriptors.SerializeToString())
        compile_with(output, [f"--descriptor_set_in={source}"], names)


def compile_with(output: Path, where: list[str], names: list[str]) -> None:
    arguments = [*where, f"--python_out={output}", f"--pyi_out={output}", *names]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)


def rewrite_imports(output: Path, packages: set[str]) -> None:
    """Point imports among the generated modules at each other; google.* stays with its own distributions."""
    imports = re.compile(rf"^from ({'|'.join(sorted(packages))})(?=[. ])", re.MULTILINE)
    for path in [*output.rglob("*.py"), *output.rglob("*.pyi")]:
        path.write_text(imports.sub(rf"from {TARGET}.\1", path.read_text()))


def add_packages(output: Path) -> None:
    for directory in [output, *(path for path in output.rglob("*") if path.is_dir())]:
        (directory / "__init__.py").touch()
