"""Copies the libraries of the console out of their npm packages: `python -m tests.console.vendoring`.

What is copied is committed, so that nobody who installs Pilothouse needs npm. A test verifies that nothing
has changed since. To update a library, change its row, with the `dist.integrity` that `npm view` prints.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "xds/pilothouse/admin/console/static/vendor"
FOR_TESTS = ROOT / "tests/console/vendor"
MANIFEST = "manifest.json"
NOTICE = "THIRD_PARTY.md"


@dataclass(frozen=True, slots=True)
class Library:
    """A package of npm, the files that are taken out of it, and the folder that they go to."""

    name: str
    version: str
    licence: str
    integrity: str
    files: tuple[str, ...]
    target: Path = SHIPPED

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"


LIBRARIES = (
    Library(
        "preact",
        "11.2.0",
        "MIT",
        "sha512-/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg==",
        ("dist/preact.mjs", "hooks/dist/hooks.mjs"),
    ),
    Library(
        "htm",
        "3.1.1",
        "Apache-2.0",
        "sha512-983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        ("dist/htm.mjs",),
    ),
    Library(
        "uplot",
        "1.6.32",
        "MIT",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.esm.js", "dist/uPlot.min.css"),
    ),
    Library(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        ("axe.min.js",),
        FOR_TESTS,
    ),
)


def vendor(libraries: tuple[Library, ...], target: Path) -> None:
    """Replace a folder by what is taken out of the packages, a manifest, and a notice."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for library in libraries:
        with tempfile.TemporaryDirectory() as scratch:
            package = _package(library, Path(scratch))
            folder = target / library.folder
            folder.mkdir()
            for file in (*library.files, "LICENSE"):
                shutil.copyfile(package / file, folder / Path(file).name)
    manifest = [_entry(library, target) for library in libraries]
    (target / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    (target / NOTICE).write_text(notice(libraries))


def _package(library: Library, scratch: Path) -> Path:
    """The unpacked package. Raises AssertionError if it is not the one that its row means."""
    wanted = f"{library.name}@{library.version}"
    subprocess.run(["npm", "pack", "--silent", wanted], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    [archive] = scratch.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == library.integrity, f"{wanted} is not what it was"
    with tarfile.open(archive) as opened:
        opened.extractall(scratch, filter="data")
    return scratch / "package"


def _entry(library: Library, target: Path) -> dict[str, Any]:
    return {
        "name": library.name,
        "version": library.version,
        "licence": library.licence,
        "integrity": library.integrity,
        "files": dict(digests(target / library.folder)),
    }


def digests(folder: Path) -> Iterator[tuple[str, str]]:
    """The SHA-256 of each file of a folder, by name."""
    for path in sorted(folder.iterdir()):
        yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def notice(libraries: tuple[Library, ...]) -> str:
    """What the licences ask to be said."""
    rows = "".join(
        f"| {each.name} | {each.version} | {each.licence} | `{each.folder}/LICENSE` |\n" for each in libraries
    )
    return (
        "# Software of others\n\n"
        "The folders beside this file have unchanged files of these packages from npm. `manifest.json` has\n"
        "the checksums of the packages and of the files.\n\n"
        "| package | version | licence | text |\n|---|---|---|---|\n" + rows
    )


def by_target() -> Mapping[Path, tuple[Library, ...]]:
    """The libraries by the folder that they go to."""
    targets = dict.fromkeys(library.target for library in LIBRARIES)
    return {target: tuple(each for each in LIBRARIES if each.target == target) for target in targets}


if __name__ == "__main__":
    for target, libraries in by_target().items():
        vendor(libraries, target)
