"""The command that keeps the control planes of a user, by name."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pilothouse.cli import contexts
from pilothouse.cli.contexts import Context, Contexts
from pilothouse.cli.flags import host_port
from pilothouse.cli.output import answer
from pilothouse.cli.tables import table
from pilothouse.config.settings import ConfigError

_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Action(Enum):
    LIST = "list"
    USE = "use"
    SET = "set"
    REMOVE = "remove"


Which = Annotated[Action, typer.Argument(metavar="list|use|set|remove", help="What to do.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The context.")]
Admin = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where its admin port is.")]
Tls = Annotated[bool, typer.Option("--tls", help="Speak TLS, and trust the CAs of the system.")]
Ca = Annotated[Path | None, typer.Option(metavar="FILE", help="Speak TLS, and trust these CAs only.")]
Cert = Annotated[Path | None, typer.Option(metavar="FILE", help="The client certificate to show.")]
Key = Annotated[Path | None, typer.Option(metavar="FILE", help="The private key of --tls-cert.")]
Token = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with the token to send.")]


def context(  # noqa: PLR0913  (each is a flag)
    action: Which,
    name: Name = None,
    *,
    admin: Admin = None,
    tls: Tls = False,
    tls_ca: Ca = None,
    tls_cert: Cert = None,
    tls_key: Key = None,
    token_file: Token = None,
) -> None:
    """Keep control planes by name, to ask them with --context NAME: list, use, set or remove them.

    The file, `contexts.yaml` in $XDG_CONFIG_HOME/pilothouse, has the paths of secrets and no secret.
    """
    path = contexts.file(os.environ)
    found = contexts.read(path)
    if action is Action.LIST:
        answer(_listed(found))
        return
    if not name:
        raise ConfigError("context", f"{action.value} needs the NAME of a context")
    if not _NAME.fullmatch(name):
        raise ConfigError("context", f"a name must be A-Z a-z 0-9 . _ -, not {name!r}")
    if action is Action.USE:
        found.get(name, "context use")
        found = replace(found, current=name)
    elif action is Action.REMOVE:
        found.get(name, "context remove")
        known = {each: context for each, context in found.known.items() if each != name}
        found = Contexts("" if found.current == name else found.current, known)
    else:
        files = {"tls_ca": tls_ca, "tls_cert": tls_cert, "tls_key": tls_key, "token_file": token_file}
        given = {key: value.absolute() for key, value in files.items() if value}
        made = _made(found.known.get(name), admin, tls, given)
        found = Contexts(found.current or name, {**found.known, name: made})
    contexts.write(path, found)


def _made(before: Context | None, admin: str | None, tls: bool, files: dict[str, Path]) -> Context:
    """The context as it was, with what is given now."""
    if admin is None and before is None:
        raise ConfigError("--admin", "a new context needs it")
    place = host_port("--admin", admin) if admin else before.admin if before else None
    assert place is not None
    for key, each in files.items():
        if not each.is_file():
            raise ConfigError(f"--{key.replace('_', '-')}", f"{each} is no file")
    known = {name: getattr(before, name) for name in ("tls", *contexts.FILES)} if before else {}
    made = Context(place, **{**known, **({"tls": True} if tls else {}), **files})
    if (made.tls_cert is None) != (made.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key", "one needs the other")
    return made


def _listed(found: Contexts) -> str:
    rows = [
        (
            "*" if name == found.current else "",
            name,
            str(each.admin),
            "yes" if each.secured else "no",
            "token" if each.token_file else "certificate" if each.tls_cert else "-",
        )
        for name, each in found.known.items()
    ]
    return table(("", "NAME", "ADMIN", "TLS", "PROVES ITSELF BY"), rows)
