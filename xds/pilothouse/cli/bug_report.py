"""The command that writes one archive of all that helps to find a mistake. Nothing secret is in it."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import tarfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from pilothouse import __version__
from pilothouse.admin.api.views import BehindView, StatusView
from pilothouse.cli.asking import Admin, Unanswered, every, one, path, place, plain, read
from pilothouse.cli.output import Format, answer, written
from pilothouse.cli.tables import table
from pilothouse.config.settings import ConfigError, load
from pilothouse.structures.hostport import HostPort

_NEWEST = 1000  # changes and notes
_MOST = 5000  # services and endpoints
_PAGES = ("sources", "holds", "drains", "proxies", "nacks", "propagation")
_LISTS = ("services", "endpoints")
_LONG_PAGES = ("changes", "notes")
_LOG = 1 << 20  # bytes
#: A line of a file of tokens, and what authorises a request.
_SECRET = re.compile(
    r"^([ \t]*[\w.@-]+:)[\w.~+/-]{16,}=*(?=(?::read)?\s*$)|(\bbearer\s+)[^\s\"']+",
    re.IGNORECASE | re.MULTILINE,
)

File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="Where to write it.  [default: pilothouse-bug-report-TIME.tar.gz]"),
]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A log of `serve`, of which the last MiB counts."),
]


def bug_report(file: File = None, *, log: Log = None, admin: Admin = None) -> None:
    """Write an archive for a bug report: what a control plane answers, its metrics, and the settings here.

    Private keys, passwords and tokens are not in it, but names, addresses and places are: read it before you
    send it.
    """
    asked = place(admin)
    status = one(asked, path("status"))
    behind = read(status, StatusView).behind
    found = _Found()
    found.add("status.json", "/status", lambda: status)
    found.add("versions.json", "versions", lambda: {"here": __version__, "there": status.get("version")})
    for page in _PAGES:
        found.add(f"{page}.json", f"/{page}", partial(every, asked, path(page)))
    for page in _LISTS:
        ask = partial(every, asked, path(page), most=_MOST)
        found.add(f"{page}.json", f"/{page}, the first {_MOST:,}", ask)
    for page in _LONG_PAGES:
        ask = partial(every, asked, path(page), most=_NEWEST)
        found.add(f"{page}.json", f"/{page}, the newest {_NEWEST:,}", ask)
    found.add("readyz.json", "/readyz", lambda: _ready(asked))
    found.add("metrics.txt", "/metrics", lambda: plain(asked, "/metrics"))
    settings = _settings()
    if settings is not None:
        about = "what `serve` would have in the environment of this command, which may be on another machine"
        found.add("settings.json", about, lambda: {"about": about, "settings": settings})
    _add_behind(found, asked, behind)
    if log is not None:
        found.add("log.txt", f"the end of {log}", lambda: _end(log))
    target = file or Path(time.strftime("pilothouse-bug-report-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    found.write(target)
    answer(f"{table(('FILE', 'BYTES', 'WHAT'), found.rows())}\nwritten to {target}")


def _add_behind(found: _Found, asked: HostPort, behind: Sequence[BehindView]) -> None:
    """What is known of the proxies that need attention, and what they have and lack."""
    for number, each in enumerate(behind):
        if each.node:
            found.add(f"behind/{number}.json", each.node, partial(one, asked, path("proxies", each.node)))
        if each.state == "REFUSED":
            continue  # it has nothing, and should have nothing
        for page in ("diff", "resources"):
            ask = partial(every, asked, path("proxies", each.node, page), most=_MOST)
            found.add(f"behind/{number}-{page}.json", f"{page} of {each.node}", ask)


class _Found:
    """The files of the archive. What cannot be had is said in its place."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, bytes]] = {}

    def add(self, name: str, about: str, ask: Callable[[], Any]) -> None:
        try:
            said = ask()
            text = said if isinstance(said, str) else written(said, Format.JSON)
        except ConfigError as mistake:
            text, about = json.dumps({"error": str(mistake)}, indent=2), f"{about}: {mistake}"
        self._files[name] = about, text.encode()

    def rows(self) -> list[tuple[str, ...]]:
        return [(name, f"{len(data):,}", about) for name, (about, data) in self._files.items()]

    def write(self, target: Path) -> None:
        """Raises ConfigError. A file that is there is not overwritten."""
        listed = [
            {"file": name, "bytes": len(data), "about": about} for name, (about, data) in self._files.items()
        ]
        contents = {"manifest.json": json.dumps(listed, indent=2).encode()}
        contents |= {name: data for name, (_, data) in self._files.items()}
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as archive:
                for name, data in contents.items():
                    member = tarfile.TarInfo(f"pilothouse-bug-report/{name}")
                    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
                    archive.addfile(member, io.BytesIO(data))
        except OSError as error:
            raise ConfigError(str(target), (error.strerror or str(error)).lower()) from None


def _ready(asked: HostPort) -> Any:
    try:
        return one(asked, "/readyz")
    except Unanswered as not_ready:  # it says so with 503
        return {"not ready": str(not_ready)}


def _settings() -> dict[str, str] | None:
    """Files are named and not read, so no key and no token is in it. None if the environment has none that
    `serve` could run with.
    """
    try:
        found = load({}, os.environ)
    except ConfigError:
        return None
    return {name: str(getattr(found, name)) for name in sorted(type(found).model_fields)}


def _end(log: Path) -> str:
    """Its last lines, without tokens. Raises ConfigError, also for a pipe or a device: it may have no end."""
    try:
        with open(os.open(log, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError("--log", f"{log}: is no regular file")
            skipped = file.seek(max(0, status.st_size - _LOG))
            text = file.read(_LOG).decode(errors="replace")
    except OSError as error:
        raise ConfigError("--log", f"{log}: {(error.strerror or str(error)).lower()}") from None
    whole = text.partition("\n")[2] if skipped else text
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}[redacted]", whole)
