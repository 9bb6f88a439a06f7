"""The command that says what manifests would change before they are applied."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import Annotated, Any

import typer

from pilothouse.admin.api.views import FaultView, WhatIfView
from pilothouse.cli.asking import Admin, path, place, read, told
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import table
from pilothouse.cli.validate import Paths, root
from pilothouse.config.settings import ConfigError
from pilothouse.kubernetes.roots import Namespaces, Root

_STDIN = "-"
#: Large manifests that concern many proxies take long. After a while, a person is told so.
_TIMEOUT_S, _PATIENCE_S = 120.0, 2.0

Delete = Annotated[bool, typer.Option("--delete", help="What if the objects in the manifests were deleted?")]
InSource = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="NAME", help="Which source would read them.  [default: the first that could]"
    ),
]


def what_if(
    paths: Paths,
    *,
    delete: Delete = False,
    source: InSource = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Show what manifests would change for which proxies, before they are applied. - is stdin.

    Exits 1 if there is a fault in them, or if a service would be put in quarantine.
    """
    sent = {"files": list(_files(paths)), "delete": delete, "source": source or ""}
    with _patience():
        found = told(place(admin), path("what-if"), sent, _TIMEOUT_S)
    said = read(found, WhatIfView)
    if not given(found, output):
        answer("\n".join(_lines(said, output.is_wide)))
    if not said.ok:
        raise typer.Exit(1)


@contextmanager
def _patience() -> Iterator[None]:
    """Tells a person at a terminal that it takes long."""
    telling = Timer(_PATIENCE_S, lambda: print("working; this may take a while", file=sys.stderr))
    telling.daemon = True
    if sys.stderr.isatty():
        telling.start()
    try:
        yield
    finally:
        telling.cancel()


def _files(paths: list[str]) -> Iterator[dict[str, Any]]:
    """The texts of all manifests, as `serve` would find them."""
    from pilothouse.sources.files.disk import Look, look

    if _STDIN in paths:
        yield {"name": "stdin", "text": sys.stdin.read()}
    roots: list[Root] = [root(each) for each in paths if each != _STDIN]
    if not roots:
        return
    namespaces = Namespaces(roots)
    found = look([each.path for each in roots], Look(), namespaces)
    for file, why in found.unreadable.items():
        raise ConfigError(file, why)
    for file, manifest in sorted(found.files.items()):
        try:
            text = manifest.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(one_line(file), "is not UTF-8 text") from None
        yield {"name": one_line(file), "text": text, "namespace": namespaces.of(file)}


def _lines(said: WhatIfView, wide: bool) -> Iterator[str]:
    count = f"{said.touched:,} service{'s' * (said.touched != 1)}"
    yield f"{count} would change in source {said.source}" + (":" if said.services else "")
    for each in said.services:
        at = f" ({each.place})" if each.place else ""
        yield one_line(f"  {each.service}: {each.what}{at}")
    if said.touched > len(said.services):
        yield f"  and {said.touched - len(said.services):,} more"
    if said.effects:
        rows = [
            (each.effect, each.type, each.name, str(each.proxies), _first(each.nodes, each.proxies) or "-")
            for each in said.effects
        ]
        yield table(("EFFECT", "TYPE", "NAME", "PROXIES", "FIRST"), rows, wide=wide)
        if said.affected > len(said.effects):
            yield f"and {said.affected - len(said.effects):,} more resources"
    yield from map(one_line, _findings(said))
    proxies = f"{said.proxies:,} connected prox{'y' if said.proxies == 1 else 'ies'} would notice"
    yield f"{_verdict(said)}; {proxies}"


def _first(nodes: Sequence[str], all: int) -> str:
    """The names of the first ones, and how many there are besides."""
    more = f" and {all - len(nodes):,} more" if all > len(nodes) else ""
    return ", ".join(nodes) + more


def _verdict(said: WhatIfView) -> str:
    found = [word for word, those in (("faults", said.faults), ("quarantine", said.quarantined)) if those]
    return " and ".join(found) or "no faults"


def _findings(said: WhatIfView) -> Iterator[str]:
    for gone in said.gone:
        yield f"gone: {gone.service}, which {_first(gone.nodes, gone.proxies)} would lose"
    for service in said.emptied:
        yield f"beware: {service} would have no endpoint that is called"
    for why in said.left_out:
        yield f"left out: {why.about or ''} [{why.code}] {why.words}"
    for warning in said.warnings:
        yield f"warning: {_fault(warning)}"
    for fault in said.faults:
        yield f"fault: {_fault(fault)}"
    for refused in said.quarantined:
        yield f"quarantined: {refused.service}: {refused.reason}"


def _fault(fault: FaultView) -> str:
    return ": ".join(part for part in (fault.place, fault.field, fault.message) if part)
