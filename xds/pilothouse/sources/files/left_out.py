"""The documents that play no part in routing, by file. They are counted at each change and logged once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.reasons import Omission, Reason
from pilothouse.sources.files.disk import Look, Manifest


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document that plays no part in routing. `line` and `document` count from 1."""

    file: str
    line: int
    document: int
    omission: Omission


class LeftOutDocuments:
    """The documents that are left out. The cost of a look is proportional to the files that have changed."""

    def __init__(self, served: ServedCluster) -> None:
        self._served = served
        self._documents: dict[str, tuple[LeftOut, ...]] = {}
        self._counts: dict[str, Counter[Reason]] = {}
        #: The number of documents, and of warnings that have a reason code.
        self.by_reason: Counter[Reason] = Counter()
        #: The documents that were not left out before the last look.
        self.news: tuple[LeftOut, ...] = ()

    def __iter__(self) -> Iterator[LeftOut]:
        for path in sorted(self._documents):
            yield from self._documents[path]

    def follow(self, former: Look, found: Look) -> None:
        """Take over the changes from one look to the next."""
        news: list[LeftOut] = []
        for path, manifest in found.files.items():
            if manifest is not former.files.get(path):
                news += self._replace(path, tuple(self._of(path, manifest)), manifest)
        for path in self._documents.keys() - found.files.keys():
            self._replace(path, (), None)
        self.news = tuple(news)

    def _of(self, path: str, manifest: Manifest) -> Iterator[LeftOut]:
        for place, omission in manifest.contents.ignored:
            yield LeftOut(path, place.line, place.document, omission)
        for found, place in manifest.contents.declared:
            if not self._served.serves(found.key.namespace):
                omission = Omission(Reason.EXCLUDED_NAMESPACE, str(found.key))
                yield LeftOut(path, place.line, place.document, omission)

    def _replace(self, path: str, documents: tuple[LeftOut, ...], manifest: Manifest | None) -> list[LeftOut]:
        """The documents that are newly left out. One that only moved within its file is not new."""
        counts = Counter(document.omission.reason for document in documents)
        warnings = manifest.contents.warnings if manifest else ()
        counts.update(warning.reason for warning in warnings if warning.reason)
        self.by_reason.subtract(self._counts.pop(path, {}))
        self.by_reason.update(counts)
        known = {document.omission for document in self._documents.pop(path, ())}
        if counts:
            self._documents[path], self._counts[path] = documents, counts
        return [document for document in documents if document.omission not in known]
