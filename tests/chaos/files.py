"""What is wrong with the served folder, or with a file in it, while endpoints of good files move."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from .injection import injection
from .stage import ATTACKS, STEADY, Stage

_SPOILT = STEADY[1]
_GRACE_S = 4.0  # for a loss to be believed
_PROMPT_S = 10.0
_LEAVES, _BRANCHES = 1000, 100
_TAGGED = "apiVersion: v1\nkind: Service\nmetadata: {name: tagged, namespace: shop}\na: !!bool x\n"


def _tagged(stage: Stage) -> None:
    stage.file("tagged").write_text(_TAGGED)


def _misnamed(stage: Stage) -> None:
    folder = os.fsencode(stage.manifests.folder)
    Path(os.fsdecode(folder + b"/caf\xe9.yaml")).write_text("kind: Service\n")


@injection()
async def tagged_value(stage: Stage) -> None:
    """`a: !!bool x` saved beside good files, then SIGKILL"""
    _tagged(stage)
    await stage.follows()
    await stage.shows("tagged.yaml")
    stage.plane.crash()
    await stage.restart()
    await stage.follows()


@injection("--log-format", "human")
async def name_that_is_not_utf8(stage: Stage) -> None:
    """a file name that is not UTF-8 beside good files, then SIGKILL"""
    _misnamed(stage)
    await stage.follows()
    await stage.shows("caf")
    stage.plane.crash()
    await stage.restart()
    await stage.follows()


@injection("--no-state", again=True)
async def both_at_a_start_without_state(stage: Stage) -> None:
    """SIGKILL beside both, --no-state"""
    _tagged(stage)
    _misnamed(stage)
    stage.plane.crash()
    await stage.restart()
    await stage.follows()
    await stage.watch(_GRACE_S)


@injection()
async def emptied_folder(stage: Stage) -> None:
    """every file of the folder is deleted, then all are back"""
    files = {file: file.read_text() for file in stage.manifests.folder.glob("*.yaml")}
    for file in files:
        file.unlink()
    await stage.watch(_GRACE_S)
    await stage.shows("held", "hold")
    for file, text in files.items():
        file.write_text(text)
    await stage.follows()


@injection()
async def folder_moved_away(stage: Stage) -> None:
    """the folder is moved away, then back"""
    away = stage.folder / "away"
    stage.manifests.folder.rename(away)
    await stage.watch(_GRACE_S)
    await stage.shows(str(stage.manifests.folder).lower(), "held", "hold")
    away.rename(stage.manifests.folder)
    await stage.follows()


@injection()
async def folder_replaced_by_an_empty_one(stage: Stage) -> None:
    """an empty folder takes the place of the folder, as of a volume that is not mounted, then it is back"""
    away = stage.folder / "away"
    stage.manifests.folder.rename(away)
    stage.manifests.folder.mkdir()
    await stage.watch(_GRACE_S)
    await stage.shows("held", "hold")
    stage.manifests.folder.rmdir()
    away.rename(stage.manifests.folder)
    await stage.follows()


@injection()
async def restart_on_an_empty_folder(stage: Stage) -> None:
    """SIGKILL, and back on a folder that was emptied meanwhile; then all files are back"""
    away = _emptied_while_down(stage)
    stage.launch()
    await stage.shows("empty", "held", "hold")
    await stage.watch(_GRACE_S)
    _restore(stage, away)
    await stage.plane.up()
    await stage.connected()
    await stage.follows()


@injection("--no-state", again=True)
async def start_on_an_empty_folder(stage: Stage) -> None:
    """the same with --no-state: not ready until there is a document"""
    away = _emptied_while_down(stage)
    stage.launch()
    await stage.shows("empty", "no document", "no manifest", status=(503,))
    await stage.watch(_GRACE_S)
    _restore(stage, away)
    await stage.shows(status=(200,))
    await stage.plane.up()
    await stage.connected()
    await stage.follows()


@injection("--no-state", absent=True, again=True)
async def empty_folder_is_allowed(stage: Stage) -> None:
    """the same with --allow-empty: ready, and all services go"""
    stage.forget(*STEADY)
    _emptied_while_down(stage)
    await stage.restart("--no-state", "--allow-empty")
    await stage.shows(status=(200,))
    await stage.watch(_GRACE_S)


def _emptied_while_down(stage: Stage) -> Path:
    stage.plane.crash()
    away = stage.folder / "away"
    stage.manifests.folder.rename(away)
    stage.manifests.folder.mkdir()
    return away


def _restore(stage: Stage, away: Path) -> None:
    for file in away.iterdir():
        os.replace(file, stage.manifests.folder / file.name)


@injection(absent=True)
async def deleted_file(stage: Stage) -> None:
    """one file is deleted, which takes its service away"""
    stage.forget(_SPOILT)
    stage.file(_SPOILT).unlink()
    await stage.follows()
    await stage.watch(_GRACE_S)


@injection()
async def fifo(stage: Stage) -> None:
    """a FIFO in the place of a file; then SIGTERM, which ends the process promptly"""
    stage.file(_SPOILT).unlink()
    os.mkfifo(stage.file(_SPOILT))
    await stage.follows()
    await stage.shows(stage.file(_SPOILT).name)
    await _ends_promptly(stage)


@injection()
async def fifo_between_stat_and_open(stage: Stage) -> None:
    """a file and a FIFO take each other's place thousands of times a second; then SIGTERM"""
    attack = stage.program(ATTACKS, "swap", stage.file(_SPOILT), 3)
    while not attack.over:
        await stage.follows()
    await stage.follows()
    await stage.shows()
    await _ends_promptly(stage)


async def _ends_promptly(stage: Stage) -> None:
    if not await stage.plane.terminates(_PROMPT_S):
        stage.complain(f"SIGTERM does not end the process within {_PROMPT_S:.0f} s")
    await asyncio.sleep(1.0)  # Envoys go on without it


@injection()
async def link_to_a_huge_tree(stage: Stage) -> None:
    """a link to a tree of 100,000 manifests"""
    tree = stage.folder / "tree"
    _grow(tree)
    link = stage.manifests.folder / "all"
    link.symlink_to(tree)
    await stage.follows(within_s=20.0)
    await stage.follows(within_s=20.0)
    link.unlink()
    await stage.follows(within_s=20.0)
    await stage.shows(status=(200,))


def _grow(tree: Path) -> None:
    tree.mkdir()
    for branch in range(_BRANCHES):
        folder = tree / f"branch-{branch}"
        folder.mkdir()
        first = folder / "0.yaml"
        first.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: leaf}\n")
        for leaf in range(1, _LEAVES):
            os.link(first, folder / f"{leaf}.yaml")


@injection()
async def huge_file(stage: Stage) -> None:
    """a sparse file of 1 GB, and a link to /dev/zero, beside good files"""
    with stage.file("huge").open("wb") as file:
        file.truncate(1 << 30)
    stage.file("zero").symlink_to("/dev/zero")
    await stage.follows()
    await stage.shows("huge.yaml")
    await stage.shows("zero.yaml")
