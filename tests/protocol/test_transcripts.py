"""The rules of the protocol, each as a transcript that is headed by its id and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .transcript import Player

FOLDER = Path(__file__).parent / "transcripts"


def written(variant: str) -> list[Any]:
    """Every transcript for a variant, with its heading as the id."""
    paths = sorted(path for path in FOLDER.glob("*.txt") if path.name.startswith((variant, "both")))
    sections = [section.strip() for path in paths for section in path.read_text().split("\n\n")]
    headed = [section.partition("\n") for section in sections]
    return [pytest.param(transcript, id=heading) for heading, _, transcript in headed]


@pytest.mark.parametrize("transcript", written("sotw"))
def test_a_state_of_the_world_stream_keeps_the_rule(transcript: str) -> None:
    Player("sotw").play(transcript)


@pytest.mark.parametrize("transcript", written("delta"))
def test_a_delta_stream_keeps_the_rule(transcript: str) -> None:
    Player("delta").play(transcript)
