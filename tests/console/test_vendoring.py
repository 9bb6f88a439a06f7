"""The libraries that the console ships are those of npm, unchanged, with their licences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .vendoring import LIBRARIES, MANIFEST, NOTICE, by_target, digests, notice

TARGETS = list(by_target())


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.parent.name)
def test_the_files_are_those_that_the_manifest_names(target: Path) -> None:
    manifest = json.loads((target / MANIFEST).read_text())
    folders = {f"{each['name']}-{each['version']}": each["files"] for each in manifest}
    found = {path.name: dict(digests(path)) for path in target.iterdir() if path.is_dir()}
    assert found == folders


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.parent.name)
def test_the_manifest_and_the_notice_say_what_the_table_says(target: Path) -> None:
    wanted = by_target()[target]
    manifest = json.loads((target / MANIFEST).read_text())
    rows = [(each["name"], each["version"], each["licence"], each["integrity"]) for each in manifest]
    assert rows == [(each.name, each.version, each.licence, each.integrity) for each in wanted]
    assert (target / NOTICE).read_text() == notice(wanted)


def test_each_library_has_the_text_of_its_licence() -> None:
    heads = {
        "MIT": "Permission is hereby granted",
        "Apache-2.0": "Apache License",
        "MPL-2.0": "Mozilla Public License",
    }
    for library in LIBRARIES:
        assert heads[library.licence] in (library.target / library.folder / "LICENSE").read_text()
