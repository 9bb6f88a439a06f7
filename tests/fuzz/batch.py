"""What is written to the served folder at a time. Pure: the same seed and number give the same files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from .mutation import Document, Mutator

GOOD: Sequence[Document] = tuple(yaml.safe_load_all(Path(__file__).with_name("good.yaml").read_text()))
_COPIES = 10


@dataclass(frozen=True)
class Batch:
    """Documents, each once, and the files by name in which they are written."""

    documents: Sequence[Document]
    files: Mapping[str, bytes]


def batch(seed: int, number: int) -> Batch:
    """Good documents, of which some are mutated, and mutated copies of others."""
    random = Random(f"{seed}/{number}")
    mutator = Mutator(random, GOOD)
    documents = [mutator.mutated(one) if random.random() < 0.4 else one for one in GOOD]
    documents += [mutator.renamed(mutator.mutated(random.choice(GOOD))) for _ in range(_COPIES)]
    return Batch(documents, dict(_files(random, documents)))


def separate(documents: Sequence[Document]) -> Batch:
    """A file for each document, as plain as can be."""
    return Batch(documents, {f"{number:02}.yaml": _yaml(one) for number, one in enumerate(documents)})


def _files(random: Random, documents: Sequence[Document]) -> list[tuple[str, bytes]]:
    """Mostly one document a file; the copies may stand in one file, as JSON, or with bytes that are wrong."""
    files = [(f"{number:02}.yaml", _yaml(one)) for number, one in enumerate(documents[: len(GOOD)])]
    copies = documents[len(GOOD) :]
    how = random.choice(("separate", "stream", "list", "lines", "spoilt"))
    if how == "stream":
        return [*files, ("copies.yaml", b"---\n".join(map(_yaml, copies)))]
    if how == "list":
        return [*files, ("copies.json", _json({"apiVersion": "v1", "kind": "List", "items": copies}))]
    if how == "lines":
        return [*files, ("copies.json", b"\n".join(map(_json, copies)))]
    each = [(f"copy-{number}.yaml", _yaml(one)) for number, one in enumerate(copies)]
    if how == "spoilt":
        each = [(name, _spoilt(random, data)) for name, data in each]
    return [*files, *each]


def _spoilt(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    piece = random.choice(
        (b"\xff", b"\x00", b"\n", b"- ", b"\t", b": ", b"!!bool ", b"&a ", b"*a", b"---\n", b"|", b"{")
    )
    return data[:at] + piece + data[at + random.choice((0, 1, 10)) :]


def _yaml(document: Any) -> bytes:
    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    return text.encode("utf-8", "surrogatepass")


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()
