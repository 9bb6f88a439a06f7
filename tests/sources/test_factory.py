"""From the section of the settings that belongs to files to their source."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from pilothouse.kubernetes.roots import Root
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.sources import Common, Misconfigured
from pilothouse.sources.files.factory import files
from pilothouse.sources.files.settings import FilesSettings


async def test_the_source_reads_what_the_section_names_as_the_operator_says_to_all(
    folder, running, eventually, manifest
):
    (folder / "a.yaml").write_text(manifest("a", "10.0.0.1"))
    (folder / "b.yaml").write_text(manifest("b").replace("namespace: shop", "namespace: test"))
    settings = FilesSettings(manifests=folder)
    async with running(files(settings, Common(ServedCluster(excluded=frozenset({"test"}))))) as sink:
        await eventually(lambda: sink.reports)
        assert [name.name for name in sink.services] == ["a"]


async def test_an_empty_folder_is_reported_if_the_section_allows_that(folder, running, eventually):
    source = files(FilesSettings(manifests=(folder,), allow_empty=True), Common())
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        assert sink.reports == [("replace", [])]


async def test_what_is_kept_is_in_a_folder_of_the_source(folder, running, eventually, manifest, tmp_path):
    (folder / "a.yaml").write_text(manifest("a", "10.0.0.1"))
    source = files(FilesSettings(manifests=(folder,)), Common(state=tmp_path / "state"))
    async with running(source):
        await eventually(lambda: [*(tmp_path / "state/files").glob("*.state")])


def test_a_state_folder_that_was_asked_for_has_to_be_of_use(folder, tmp_path):
    (tmp_path / "state").write_text("a file")
    settings = FilesSettings(manifests=(folder,))
    assert files(settings, Common(state=tmp_path / "state"))
    with pytest.raises(Misconfigured, match=r"--state: .*/state/files: "):
        files(settings, Common(state=tmp_path / "state", wanted=True))


def test_manifests_are_one_path_or_many_that_exist(folder):
    assert FilesSettings.model_validate({"manifests": str(folder)}).manifests == (Root(folder),)
    assert FilesSettings.model_validate({"manifests": [f"{folder}=shop"]}).manifests == (
        Root(folder, "shop"),
    )
    with pytest.raises(ValidationError, match="No such file or directory"):
        FilesSettings.model_validate({"manifests": ["nowhere"]})
    for mistake, name in (({"a": 1}, "a mapping"), (True, "true"), ([7], "7")):
        with pytest.raises(ValidationError, match=f"must be a path, not {name}|valid tuple"):
            FilesSettings.model_validate({"manifests": mistake})


def test_settings_are_read_without_what_only_a_source_needs():
    """A health check reads them every few seconds, in a process of its own."""
    code = "import sys, pilothouse.config.settings; print({'watchfiles', 'structlog'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
