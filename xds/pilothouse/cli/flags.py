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


def check_name(flag: str, text: str, is_name: Callable[[str], bool]) -> None:
    """That an object of Kubernetes can have this name."""
    if not is_name(text):
        raise ConfigError(flag, f"'{text}' is no name that an object of Kubernetes can have")
