"""The control planes that a user asks, by name: where each is, and how to get in there.

They are in a file such as `~/.config/pilothouse/contexts.yaml`. It names files of secrets, and has no secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.paths import content

_LONGEST = 1 << 20
FILES = ("tls_ca", "tls_cert", "tls_key", "token_file")


@dataclass(frozen=True, slots=True)
class Context:
    """A control plane. With `tls` or any of the files for it, it is asked over TLS.

    `tls_ca` are the CAs that are trusted, instead of those of the system.
    """

    admin: HostPort
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None

    @property
    def secured(self) -> bool:
        return self.tls or self.tls_ca is not None or self.tls_cert is not None


@dataclass(frozen=True, slots=True)
class Contexts:
    """All contexts by name, and the one that is used if none is named."""

    current: str = ""
    known: Mapping[str, Context] = field(default_factory=dict)

    def get(self, name: str, place: str) -> Context:
        """Raises ConfigError, which says where the name was given."""
        if name not in self.known:
            there_are = f"there are {', '.join(self.known)}" if self.known else "there is none"
            raise ConfigError(place, f"{name!r} is no context; {there_are}")
        return self.known[name]


def file(environment: Mapping[str, str]) -> Path:
    """Where contexts are kept."""
    base = Path(environment.get("XDG_CONFIG_HOME", ""))
    home = Path(environment.get("HOME", "~")).expanduser()
    folder = base if base.is_absolute() else home / ".config"
    return folder / "pilothouse/contexts.yaml"


def read(path: Path) -> Contexts:
    """What is kept; nothing if there is no file. Paths in it are relative to it. Raises ConfigError."""
    try:
        found = yaml.safe_load(content(path, _LONGEST)) or {}
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise ConfigError(str(path), str(error.strerror)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(str(path), "is no YAML that can be read") from None
    if not isinstance(found, dict) or not found.keys() <= {"current", "contexts"}:
        raise ConfigError(str(path), "must have the keys `current` and `contexts`")
    said = found.get("contexts") or {}
    if not isinstance(said, dict):
        raise ConfigError(str(path), "contexts: must be a mapping of names")
    known = {str(name): _context(path, str(name), each) for name, each in said.items()}
    return Contexts(str(found.get("current") or ""), known)


def write(path: Path, contexts: Contexts) -> None:
    """Keep them, for this user only. Raises ConfigError."""
    known = {name: _said(each) for name, each in contexts.known.items()}
    said = {"current": contexts.current, "contexts": known}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            yaml.safe_dump(said, out, sort_keys=False)
        beside.replace(path)
    except OSError as error:
        raise ConfigError(str(path), str(error.strerror)) from None


def _context(path: Path, name: str, said: object) -> Context:
    place = f"{path}: contexts.{name}"
    names = {each.name.replace("_", "-"): each.name for each in fields(Context)}
    if not isinstance(said, dict) or not said.keys() <= names.keys():
        raise ConfigError(place, f"must have keys out of {', '.join(names)}")
    values = {names[key]: value for key, value in said.items()}
    if not isinstance(values.setdefault("tls", False), bool):
        raise ConfigError(place, "tls: must be true or false")
    try:
        values["admin"] = HostPort.parse(str(values.get("admin", "")))
    except ValueError as error:
        raise ConfigError(place, f"admin: {error}") from None
    files = {key: path.parent / str(values[key]) for key in FILES if values.get(key)}
    return Context(**{**values, **files})


def _said(context: Context) -> dict[str, str | bool]:
    said = {each.name.replace("_", "-"): getattr(context, each.name) for each in fields(Context)}
    return {name: value if value is True else str(value) for name, value in said.items() if value}
