"""Manifests as a cluster shows them, the services that they make up, and what is said of their routes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import yaml

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.catalogue import Catalogue
from pilothouse.sources.kubernetes.decoding import Decoder
from pilothouse.sources.kubernetes.resources import BUILT_IN, Resource
from pilothouse.sources.kubernetes.shown import ShownRoutes
from pilothouse.status.board import Board, Due
from pilothouse.structures.turns import at_once

GROUP = "gateway.networking.k8s.io/v1"
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


class Town:
    """`apply` is what the watch does, `publish` what the registry and the catalogue do."""

    def __init__(self) -> None:
        self.shown, self.catalogue = ShownRoutes(), Catalogue()
        self.services: dict[ServiceName, Service] = {}
        self.rejected: dict[ServiceName, tuple[int, str]] = {}
        self._cluster = Cluster()
        self.board = Board(self.shown, self.services, self.catalogue, self.rejected.get)

    def apply(self, text: str, generation: int = 1) -> set[Key]:
        """The routes that have to be looked at."""
        objects: list[Object] = []
        keys = set()
        for document in yaml.safe_load_all(text):
            kind, version = document["kind"], document["apiVersion"]
            resource = next((one for one in BUILT_IN if one.kind == kind), None)
            resource = resource or Resource(kind, f"{kind.lower()}s", version)
            document["metadata"] = {"namespace": "shop", **document["metadata"]}
            document["metadata"] |= {"generation": generation, "resourceVersion": str(generation)}
            found = Decoder(resource).found(msgspec.Raw(msgspec.json.encode(document)))
            if found.parsed.object is not None:
                objects.append(found.parsed.object)
            if found.shown is not None:
                self.shown.put(found.key, found.shown)
                keys.add(found.key)
        return keys | self.publish(self._cluster.apply(objects))

    def remove(self, *keys: Key) -> set[Key]:
        for key in keys:
            self.shown.put(key, None)
        return self.publish(self._cluster.apply([], keys))

    def publish(self, names: Iterable[ServiceName]) -> set[Key]:
        for name in names:
            service = self._cluster.service(name)
            if service is None:
                self.services.pop(name, None)
            else:
                self.services[name] = service
        self.catalogue.apply(names, self.services)
        return at_once(self.board.stirred(names))

    def due(self, name: str, kind: str = "HTTPRoute", namespace: str = "shop", now: str = NOW) -> Due | None:
        return self.board.due(Key(kind, namespace, name), now)

    def told(self, name: str, kind: str = "HTTPRoute", namespace: str = "shop") -> list[dict[str, Any]]:
        """What is to be written of a route: the entries for its parents."""
        due = self.due(name, kind, namespace)
        return due.body["status"]["parents"] if due else []

    def write(self, name: str, now: str = NOW) -> Due | None:
        """Write what is due, and let the watch show it."""
        due = self.due(name, now=now)
        if due is not None:
            key = Key("HTTPRoute", "shop", name)
            parents = tuple(due.body["status"]["parents"])
            self.shown.put(key, replace(due.route, parents=parents))
        return due
