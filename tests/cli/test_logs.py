"""Logging: the same events for people or for programs, whichever library they come from."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from pilothouse.cli import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process': it is given back as it was."""
    loggers = [logging.getLogger(name) for name in (None, "pilothouse", "uvicorn", "watchfiles")]
    levels, root = [logger.level for logger in loggers], loggers[0]
    handlers = root.handlers[:]
    # basicConfig closes the handlers that it replaces, and those of pytest are still needed.
    root.handlers[:] = []
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    structlog.reset_defaults()


def logged(form: Any, stream: io.StringIO) -> str:
    logs.configure(form, stream)
    structlog.get_logger("pilothouse.sources").info("source synced", source="files", services=3)
    logging.getLogger("uvicorn.error").warning("took %d ms", 7, extra={"path": "/readyz"})
    structlog.get_logger().debug("not shown")
    return stream.getvalue()


def test_programs_get_one_json_object_a_line_from_us_and_from_libraries() -> None:
    ours, theirs = map(json.loads, logged("json", Terminal()).splitlines())
    now = datetime.now(UTC)
    assert now - timedelta(minutes=1) < datetime.fromisoformat(ours.pop("timestamp")) <= now
    assert datetime.fromisoformat(theirs.pop("timestamp")).utcoffset() == timedelta(0)
    assert ours == {
        "event": "source synced",
        "level": "info",
        "logger": "pilothouse.sources",
        "source": "files",
        "services": 3,
    }
    assert theirs == {"event": "took 7 ms", "level": "warning", "logger": "uvicorn.error", "path": "/readyz"}


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", ["debug", "info", "warning", "error"], ["info", "warning", "error"]),
        ("info", ["info", "warning", "error"], ["info", "warning", "error"]),
        ("warning", ["warning", "error"], ["warning", "error"]),
        ("error", ["error"], ["error"]),
    ],
)
def test_the_level_is_the_least_that_is_logged_and_libraries_do_not_debug(level, ours, theirs) -> None:
    stream = io.StringIO()
    logs.configure("json", stream, level)
    for each in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger("pilothouse.app"), each)("said")
        getattr(logging.getLogger("grpc"), each)("said")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["level"] for event in events if event["logger"] == "pilothouse.app"] == ours
    assert [event["level"] for event in events if event["logger"] == "grpc"] == theirs


def test_people_get_one_line_of_text_an_event() -> None:
    ours, theirs = logged("human", io.StringIO()).splitlines()
    assert "source synced" in ours
    assert "services=3" in ours
    assert "took 7 ms" in theirs
    assert "path=/readyz" in theirs
    assert "\x1b" not in ours + theirs


def test_auto_is_for_people_on_a_terminal_and_for_programs_elsewhere(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in logged("auto", Terminal())
    assert logged("auto", io.StringIO()).startswith("{")


def test_no_color_is_honoured(monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in logged("auto", Terminal())


@pytest.mark.parametrize("form", ["json", "human"])
def test_a_failure_is_logged_with_its_traceback_and_no_values(form) -> None:
    stream, password = io.StringIO(), "hunter" + "2"
    logs.configure(form, stream)
    try:
        int(password[:6])
    except ValueError:
        structlog.get_logger().exception("could not read")
    assert "ValueError: invalid literal" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1 or form == "human"


def test_warnings_are_events_too() -> None:
    stream = io.StringIO()
    logs.configure("json", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    event = json.loads(stream.getvalue())
    assert (event["logger"], event["level"]) == ("py.warnings", "warning")
    assert "old" in event["event"]


@pytest.mark.parametrize("name", ["watchfiles.main", "uvicorn.error"])
def test_libraries_do_not_tell_of_what_is_going_well(name) -> None:
    stream = io.StringIO()
    logs.configure("json", stream)
    logging.getLogger(name).info("3 changes detected")
    assert stream.getvalue() == ""
    logging.getLogger(name).warning("too many")
    assert "too many" in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "human"])
def test_what_a_client_says_is_cut_and_cannot_write_lines_or_colors(form) -> None:
    stream = io.StringIO()
    logs.configure(form, stream)
    log = structlog.get_logger("pilothouse.server.session")
    log.warning("rejected by client", reason="a\x1b[31mred\nfake line\u202e" + "x" * 100_000, node="\udc80")
    logging.getLogger("grpc").warning("said %s", "y" * 100_000 + "\n")
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert not {"\x1b", "\u202e", "\udc80"} & set(text)
    assert max(map(len, text.splitlines())) < 1500
    assert "x" * 400 in text
    assert "..." in text


async def test_lines_that_clients_cause_are_counted_after_the_first_of_each_kind(
    monkeypatch, eventually
) -> None:
    monkeypatch.setattr(logs, "_AT_ONCE_S", 0.05)
    stream = io.StringIO()
    logs.configure("json", stream)
    for number in range(1000):
        structlog.get_logger("pilothouse.server.session").info("stream opened", node=f"n-{number}")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        structlog.get_logger("pilothouse.app").info("service quarantined", service=number)
    structlog.get_logger("pilothouse.server.session").warning("rejected by client")

    def told() -> list[dict[str, object]]:
        events = [json.loads(line) for line in stream.getvalue().splitlines()]
        more = [event for event in events if event["event"] == "more of these were suppressed"]
        return events if len(more) == 2 else []

    events = await eventually(told)
    count = Counter(event["event"] for event in events)
    assert count["stream opened"] == count["Invalid HTTP request received."] == 10
    assert count["rejected by client"] == 1
    assert count["service quarantined"] == 1000, "of which every one is news, and no client causes it"
    more = {event["of"]: event["count"] for event in events if "of" in event}
    assert more == {"stream opened": 990, "Invalid HTTP request received.": 990}
    structlog.get_logger("pilothouse.server.session").info("stream opened", node="later")
    assert '"later"' in stream.getvalue(), "a second later there is room again"
