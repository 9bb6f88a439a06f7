"""The parts of the reference that are made from the code. As a program, it writes them into their pages:

.venv/bin/python -m tests.docs.generated
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import typer
from prometheus_client.registry import Collector

from pilothouse.admin.api.orders import COMMANDS
from pilothouse.admin.api.pages import PAGES, PREFIX
from pilothouse.admin.api.streaming import ABOUT, EVENTS, PARAMETERS
from pilothouse.admin.api.views import Order
from pilothouse.admin.metrics import StatusCollector
from pilothouse.admin.status import NamesStatus, Status, StreamsStatus
from pilothouse.agent.metrics import AgentCollector, Counts
from pilothouse.cli import app

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference"
_BEGIN = "<!-- begin: made from the code by `python -m tests.docs.generated` -->"
_END = "<!-- end -->"
_DEFAULT = re.compile(r"\s*\[default: (.+)]$")


def settings() -> str:
    """A table of what `serve` can be told, in the order of its help."""
    command = typer.main.get_command(app)
    rows = [_setting(each) for each in command.commands["serve"].params if each.name != "help"]  # type: ignore[attr-defined]
    return _table(("flag", "key in the file", "meaning", "default"), rows)


def _setting(parameter: typer.core.TyperOption) -> tuple[str, ...]:
    assert parameter.name
    assert parameter.help
    names = " / ".join([*parameter.opts, *parameter.secondary_opts])
    flag = f"`{names} {parameter.metavar}`" if parameter.metavar else f"`{names}`"
    default = _DEFAULT.search(parameter.help)
    key = "" if parameter.name == "config" else f"`{parameter.name}`"
    return flag, key, _DEFAULT.sub("", parameter.help), default[1] if default else ""


def webhook() -> str:
    """A table of the flags of `webhook`, in the order of its help."""
    return _flags("webhook")


def _flags(command: str) -> str:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    rows = [_flag(each) for each in commands[command].params if each.name != "help"]
    return _table(("flag", "meaning", "default"), rows)


def _flag(parameter: typer.core.TyperOption) -> tuple[str, ...]:
    assert parameter.help
    default = _DEFAULT.search(parameter.help)
    value = ", ".join(parameter.default) if isinstance(parameter.default, list) else parameter.default
    said = default[1] if default else f"`{value}`" if value else ""
    return f"`{' / '.join(parameter.opts)} {parameter.metavar}`", _DEFAULT.sub("", parameter.help), said


def dns_agent() -> str:
    """The flags of `dns-agent`, and its metrics."""
    counts = Counts(NamesStatus(), 0, 0, connected=False, rejected=0, heard_at=0.0)
    return f"{_flags('dns-agent')}\n\n{_metrics(AgentCollector(counts))}"


def metrics() -> str:
    """A table of our own metrics, sorted by name."""
    return _metrics(StatusCollector(Status("", 0), StreamsStatus()))


def _metrics(collector: Collector) -> str:
    rows = [
        (
            f"`{each.name}{_SUFFIXES.get(each.type, '')}`",
            each.type,
            ", ".join(f"`{label}`" for label in getattr(each, "_labelnames", ())),
            each.documentation,
        )
        for each in sorted(collector.collect(), key=lambda family: family.name)
    ]
    return _table(("metric", "type", "labels", "meaning"), rows)


def api() -> str:
    """A table of the pages of the API, and one of the orders."""
    rows = [
        (
            f"`{'POST ' if each.body else ''}{PREFIX}{each.path.replace(':path', '')}`",
            f"{each.about} Body: {each.body.about}" if each.body else each.about,
            ", ".join(f"`{one.name}`" for one in each.parameters),
        )
        for each in PAGES
    ]
    events = f"`{PREFIX}{EVENTS}`", ABOUT, ", ".join(f"`{one.name}`" for one in PARAMETERS)
    orders = [(_posted(each.path), each.about, _fields(each.body)) for each in COMMANDS]
    pages = _table(("page", "what it answers", "parameters"), [*rows, events])
    return f"{pages}\n\n{_table(('order', 'what it does', 'fields of the body'), orders)}"


def _posted(path: str) -> str:
    return f"`POST {PREFIX}{path.replace(':path', '')}`"


def _fields(body: type[Order]) -> str:
    return ", ".join(f"`{each.encode_name}`" for each in reversed(msgspec.structs.fields(body)))


_SUFFIXES = {"counter": "_total", "info": "_info"}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def lines() -> Iterator[str]:
        titles = [*head]
        yield _row(titles)
        yield "|" + "---|" * len(titles)
        yield from map(_row, rows)

    return "\n".join(lines())


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


#: What makes the part of each page.
MAKERS: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "webhook.md": webhook,
    "dns-agent.md": dns_agent,
    "metrics.md": metrics,
    "api.md": api,
}


def anew(page: str) -> str:
    """The text of a page, with its part made anew."""
    before, _, rest = (REFERENCE / page).read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n\n{MAKERS[page]()}\n\n{_END}{after}"


if __name__ == "__main__":
    for name in MAKERS:
        (REFERENCE / name).write_text(anew(name))
