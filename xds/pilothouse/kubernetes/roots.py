"""Where manifests are, and the default namespace of each place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pilothouse.kubernetes.metadata import DEFAULT_NAMESPACE, is_label


class Root(NamedTuple):
    """A file or folder of manifests, and the namespace of the objects in it that state none."""

    path: Path
    namespace: str = DEFAULT_NAMESPACE

    @classmethod
    def parse(cls, text: str) -> Root:
        """Parse `PATH` or `PATH=NAMESPACE`. The text is a PATH if it exists. Raises ValueError."""
        path, equals, namespace = text.rpartition("=")
        if not equals or "/" in namespace or os.path.lexists(text):
            return cls(Path(text))
        if not path or not is_label(namespace):
            raise ValueError(f"{text!r} is not PATH=NAMESPACE, such as manifests/shop=shop")
        return cls(Path(path), namespace)


class Namespaces:
    """The default namespace of each file: that of the innermost root that contains it."""

    def __init__(self, roots: Iterable[Root] = ()) -> None:
        innermost_first = sorted(roots, key=lambda root: len(str(root.path)), reverse=True)
        self._roots = [
            (str(root.path), os.path.join(root.path, ""), root.namespace) for root in innermost_first
        ]

    def of(self, file: str) -> str:
        for path, folder, namespace in self._roots:
            if file == path or file.startswith(folder):
                return namespace
        return DEFAULT_NAMESPACE


#: Every file has `DEFAULT_NAMESPACE`.
DEFAULT = Namespaces()
