"""What several commands check of their flags. A mistake is a ConfigError that names the flag."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort


def host_port(flag: str, text: str) -> HostPort:
    """An address."""
    try:
        return HostPort.parse(text)
    except ValueError as error:
        raise ConfigError(flag, str(error)) from None


def called(flag: str, text: str) -> HostPort:
    """An address that somebody calls, so it has a port."""
    place = host_port(flag, text)
    if not place.port:
        raise ConfigError(flag, f"{text!r} has no port")
    return place


def given(flag: str, value: str) -> str:
    """A value that is not empty."""
    if not value:
        raise ConfigError(flag, "is empty")
    return value


def check_name(flag: str, text: str, is_name: Callable[[str], bool]) -> None:
    """That an object of Kubernetes can have this name."""
    if not is_name(text):
        raise ConfigError(flag, f"'{text}' is no name that an object of Kubernetes can have")
