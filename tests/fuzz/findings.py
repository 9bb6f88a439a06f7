"""What went wrong: kept in a folder, made as small as it gets, and told once."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from rich.console import Console

from .batch import Batch, separate
from .mutation import Document
from .shrinking import fewer, smaller
from .trial import Trial

_SHRINK_S = 180.0

Fails = Callable[[Batch], Awaitable[bool]]


class Findings:
    """Those of one run."""

    def __init__(self, keep: Path, seed: int, console: Console) -> None:
        self.count = 0
        self._keep, self._seed, self._console = keep, seed, console
        self._told: set[str] = set()

    async def add(self, number: int, batch: Batch, complaint: str, trial: Trial) -> None:
        """Keep a batch, and the smallest documents that fail as well."""
        self.count += 1
        self._say(f"[red]seed {self._seed} batch {number}:[/red] ", complaint)
        if (kind := re.sub(r"[0-9]+|'[^']*'|\"[^\"]*\"", "", complaint)) in self._told:
            await trial.recover()
            return
        self._told.add(kind)
        folder = self._folder(f"batch-{number}")
        for name, data in batch.files.items():
            (folder / name).write_bytes(data)
        (folder / "complaint").write_text(complaint + "\n")
        text = await _smallest(batch, trial)
        await trial.recover()
        (folder / "smallest").write_text(text)
        self._say(f"the smallest, in {folder}:\n", text or "none: these files alone do not fail")

    def newcomer(self, complaint: str) -> None:
        """Take in what is wrong with an Envoy that came last; empty is well."""
        if complaint:
            self.count += 1
            self._say("[red]a new Envoy:[/red] ", complaint)

    def conversations(self, kept: Path) -> None:
        """Take over what the clients that say anything have kept."""
        for file in sorted(kept.glob("conversation-*.json")):
            self.count += 1
            target = self._folder("conversations") / file.name
            target.write_bytes(file.read_bytes())
            self._say("[red]a conversation that the server ends as its own failure:[/red] ", str(target))

    def questions(self, found: Iterable[tuple[bytes, str]]) -> None:
        """Keep the questions of DNS that were answered wrongly, each with what is wrong."""
        for wire, complaint in found:
            self.count += 1
            target = self._folder("questions") / f"{self.count}.txt"
            target.write_text(f"{complaint}\n{wire.hex()}\n")
            self._say("[red]a question of DNS that is answered wrongly:[/red] ", f"{complaint}, {target}")

    def _folder(self, name: str) -> Path:
        folder = self._keep / f"seed-{self._seed}" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _say(self, what: str, text: str) -> None:
        self._console.print(what, end="")
        self._console.print(text[:2000], markup=False, soft_wrap=True)


async def _smallest(batch: Batch, trial: Trial) -> str:
    """The documents, or else the lines of the files, that fail as well, found in a bounded time."""
    end = time.monotonic() + _SHRINK_S

    async def fails(smaller: Batch) -> bool:
        return time.monotonic() < end and await trial.fails(smaller)

    if await fails(separate(batch.documents)):
        return await _smallest_documents(batch.documents, fails)
    if await fails(batch):
        return await _smallest_files(batch.files, fails)
    return ""


async def _smallest_documents(documents: Sequence[Document], fails: Fails) -> str:
    found = [*await fewer(documents, lambda some: fails(separate(some)))]
    for number in range(len(found)):
        found[number] = await smaller(
            found[number],
            lambda one, number=number: fails(separate([*found[:number], one, *found[number + 1 :]])),
        )
    return "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in found)


async def _smallest_files(files: Mapping[str, bytes], fails: Fails) -> str:
    found = dict(await fewer([*files.items()], lambda some: fails(Batch((), dict(some)))))
    for name, data in found.items():
        lines = await fewer(
            data.splitlines(keepends=True),
            lambda some, name=name: fails(Batch((), {**found, name: b"".join(some)})),
        )
        found[name] = b"".join(lines)
    return "\n".join(f"# {name}\n{data.decode(errors='backslashreplace')}" for name, data in found.items())
