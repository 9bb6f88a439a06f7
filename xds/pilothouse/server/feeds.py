"""The feeds that the settings ask for. Each brings what is in files to a shelf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.feeds.runtime import read as layer
from pilothouse.feeds.secrets import Secret
from pilothouse.feeds.secrets import read as secrets
from pilothouse.feeds.settings import FeedSettings
from pilothouse.mesh.identity import Grant
from pilothouse.server.feeding import Feeding
from pilothouse.serving.feeding import Fed, Granted
from pilothouse.translate.runtime import runtime
from pilothouse.translate.secrets import certificate, validation


def feeds(settings: FeedSettings) -> dict[ResourceType, Feeding[Any]]:
    """By the type of their resources. Raises Mistake for a file that cannot be used."""
    found: dict[ResourceType, Feeding[Any]] = {}
    if settings.runtime is not None:
        found[ResourceType.RUNTIME] = _runtime(settings.runtime)
    if settings.secrets is not None:
        found[ResourceType.SECRET] = _secrets(settings.secrets)
    return found


def _runtime(file: Path) -> Feeding[list[Resource]]:
    shelf = Fed(ResourceType.RUNTIME)
    return Feeding("runtime", lambda: [runtime(layer(file))], shelf, shelf.put)


def _secrets(file: Path) -> Feeding[list[tuple[Resource, Grant]]]:
    def found() -> list[tuple[Resource, Grant]]:
        return [(_encoded(each), Grant(each.namespaces, each.ids, each.anyone)) for each in secrets(file)]

    shelf = Granted(ResourceType.SECRET)
    return Feeding("secrets", found, shelf, shelf.grant)


def _encoded(secret: Secret) -> Resource:
    if secret.authorities:
        return validation(secret.name, secret.authorities)
    return certificate(secret.name, secret.chain, secret.key)
