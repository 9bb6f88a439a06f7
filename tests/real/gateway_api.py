"""CustomResourceDefinitions of the Gateway API and of the MCS API, installed late and removed by tests."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import yaml

from .api import Api, Object, Refused

_KIND = "CustomResourceDefinition"


class Crds:
    """The definitions in a folder of `programs.CRDS`, such as `gateway-api/standard`."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self._documents = list(_definitions(folder))

    def install(self) -> None:
        """Apply them. They are served a moment later: see `served`."""
        self._api.apply(*self._documents)

    def served(self) -> bool:
        """Whether objects of each kind can be listed in every version that is served."""
        return all(self._answers(path) for path in self._paths())

    def remove(self) -> None:
        """Delete them, and with them all objects of their kinds. They are gone a moment later: see `gone`."""
        for document in self._documents:
            self._api.delete(_KIND, document["metadata"]["name"])

    def gone(self) -> bool:
        """Whether none of them is left, so that they can be installed again."""
        names = {each["metadata"]["name"] for each in self._api.list(_KIND)}
        return names.isdisjoint(document["metadata"]["name"] for document in self._documents)

    def _paths(self) -> Iterator[str]:
        for spec in (document["spec"] for document in self._documents):
            for version in spec["versions"]:
                if version["served"]:
                    yield f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}?limit=1"

    def _answers(self, path: str) -> bool:
        try:
            self._api.call("GET", path)
        except Refused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True


def _definitions(folder: Path) -> Iterator[Object]:
    """Without what else is in the folder: a kustomization, and a policy against older versions."""
    for file in sorted(folder.glob("*.yaml")):
        for document in yaml.load_all(file.read_text(), yaml.CSafeLoader):
            if document and document.get("kind") == _KIND:
                yield document
