"""The log in a bug report: what may be read, and what is left out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pilothouse.cli import bug_report
from pilothouse.config.settings import ConfigError

TOKEN = "abcDEF0123456789-._~+/=="


def test_tokens_are_left_out_and_all_else_stays(tmp_path) -> None:
    log = tmp_path / "log"
    log.write_text(
        f"alice:{TOKEN}\n  bob-2:{TOKEN}:read\n"
        f'{{"authorization": "Bearer {TOKEN}", "event": "asked"}}\nauthorization: bearer {TOKEN}\n'
        "identity spiffe://mesh.example/ops/bob at 10.1.2.3:18000\n"
    )
    assert bug_report._end(log) == (
        "alice:[redacted]\n  bob-2:[redacted]:read\n"
        '{"authorization": "Bearer [redacted]", "event": "asked"}\nauthorization: bearer [redacted]\n'
        "identity spiffe://mesh.example/ops/bob at 10.1.2.3:18000\n"
    )


def test_of_a_long_log_whole_lines_of_its_end_count(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bug_report, "_LOG", 12)
    log = tmp_path / "log"
    log.write_text("first\nsecond\nthird\n")
    assert bug_report._end(log) == "third\n"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing"])
def test_what_is_no_file_is_not_read(tmp_path, kind) -> None:
    log = {"device": Path("/dev/zero"), "folder": tmp_path}.get(kind, tmp_path / "log")
    if kind == "pipe":
        os.mkfifo(log)
    with pytest.raises(ConfigError, match=r"no regular file|is a directory|no such file"):
        bug_report._end(log)
