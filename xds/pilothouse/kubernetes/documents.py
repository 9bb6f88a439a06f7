"""The text of a manifest file becomes objects, and faults that name line, document and field.

A text is cut at its document separators and each piece is read by itself. So one fault does not
hide another, and of a changed file only the changed pieces are read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from pilothouse.kubernetes.fields import FieldError, Fields, written
from pilothouse.kubernetes.metadata import DEFAULT_NAMESPACE
from pilothouse.kubernetes.objects import Key, Object
from pilothouse.kubernetes.parse import parse
from pilothouse.kubernetes.values import Lines, TextError, load
from pilothouse.reasons import Omission, Reason

# A line that begins so ends a document wherever it stands, be it inside a quoted text (YAML 1.2, 9.1.2).
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
# A directive (`%YAML 1.2`) stands before the separator of the document that it is for.
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


class Place(NamedTuple):
    """Where in a file something stands, counting from 1. `field` is empty for a whole document."""

    line: int
    document: int
    field: str = ""


class Remark(NamedTuple):
    """What is to be said about a place in a file, and the object that it is about, where that is known.

    `reason` is the code of what is left out because of it, if there is one.
    """

    place: Place
    message: str
    key: Key | None = None
    reason: Reason | None = None


class Ignored(NamedTuple):
    """A document that plays no part in routing, and why."""

    place: Place
    omission: Omission


class Declared(NamedTuple):
    """An object, and where it is declared."""

    object: Object
    place: Place


@dataclass(frozen=True, slots=True)
class Contents:
    """What a text says. `errors` are documents that cannot be read, `warnings` parts that count as absent.

    `pieces` are for the next `read`: the text's documents by their hash, each with places of its own.
    """

    declared: tuple[Declared, ...] = ()
    errors: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    documents: int = 0
    pieces: Mapping[bytes, Contents] = field(default_factory=dict, compare=False, repr=False)


def read(data: bytes, before: Contents = Contents(), namespace: str = DEFAULT_NAMESPACE) -> Contents:
    """Read the bytes of a file. `before` is what the file said when it was last read.

    Objects that state no namespace are in `namespace`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Contents(errors=(Remark(Place(line, 0), "is not UTF-8 text"),), pieces=before.pieces)
    pieces: dict[bytes, Contents] = {}
    found: list[Contents] = []
    line, documents = 0, 0
    for piece in _pieces(text):
        key = sha256(piece.encode()).digest()
        said = before.pieces.get(key) or (_read_piece(piece, namespace) if piece.strip() else Contents())
        pieces[key] = said
        found.append(_moved(said, line, documents))
        line += piece.count("\n")
        documents += said.documents
    if not documents:
        message = "is empty; delete the file to remove its services"
        return Contents(errors=(Remark(Place(0, 0), message),), pieces=pieces)
    return _joined(found, documents, pieces)


def _pieces(text: str) -> Iterator[str]:
    starts = [] if _DIRECTIVE.search(text) else [match.start() for match in _SEPARATOR.finditer(text)]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        if start < end:
            yield text[start:end]


def _read_piece(text: str, namespace: str) -> Contents:
    """What one piece says, with lines and documents counted within the piece."""
    try:
        documents = load(text)
    except TextError as error:
        return Contents(errors=(Remark(Place(error.line + 1, 1), error.message),), documents=1)
    lines = Lines(text)
    found = [_read_document(*numbered, lines, namespace) for numbered in enumerate(documents)]
    return _joined(found, len(documents))


def _read_document(number: int, document: object, lines: Lines, namespace: str) -> Contents:
    # That a document is at fault is rare, so only then its lines are looked up; its first is known.
    start = lines.first if number == 0 else lines.of(number)

    def remark(error: FieldError) -> Remark:
        line = lines.of(number, error.path) if error.path else start
        return Remark(Place(line + 1, number + 1, error.field), error.message, reason=error.reason)

    def read_object(item: Fields) -> Contents:
        place = Place(start + 1, number + 1, written(item.path))
        parsed = parse(item, namespace)
        return Contents(
            declared=(Declared(parsed.object, place),) if parsed.object else (),
            errors=tuple(remark(error) for error in parsed.errors),
            warnings=tuple(remark(warning) for warning in parsed.warnings),
            ignored=(Ignored(place, parsed.ignored),) if parsed.ignored else (),
        )

    try:
        items = list(_items(Fields(document)))
    except FieldError as error:
        return Contents(errors=(remark(error),))
    return _joined(map(read_object, items))


def _items(document: Fields) -> Iterator[Fields]:
    """The objects of a list, such as `kubectl get -o yaml` writes it; any other document is one object."""
    kind = document.text("kind")
    if kind != "List" and not (kind.endswith("List") and "items" in document):
        yield document
        return
    if not isinstance(document.anything("items"), list):
        raise document.error("items", "is required, and may be []")
    for item in document.each("items"):
        if item.text("kind") == "List":
            raise item.error("kind", "is a list inside of a list")
        # In a list of one kind the API server leaves out what its items are.
        yield item.filled(kind=kind.removesuffix("List"), apiVersion=document.text("apiVersion"))


def _joined(
    contents: Iterable[Contents], documents: int = 0, pieces: Mapping[bytes, Contents] | None = None
) -> Contents:
    parts = tuple(contents)
    return Contents(
        tuple(declared for part in parts for declared in part.declared),
        tuple(remark for part in parts for remark in part.errors),
        tuple(remark for part in parts for remark in part.warnings),
        tuple(ignored for part in parts for ignored in part.ignored),
        documents,
        pieces or {},
    )


def _moved(said: Contents, lines: int, documents: int) -> Contents:
    """The same, further down in a file."""

    def moved(place: Place) -> Place:
        return Place(place.line + lines, place.document + documents, place.field)

    def all_moved(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
        return tuple(remark._replace(place=moved(remark.place)) for remark in remarks)

    return Contents(
        tuple(Declared(found, moved(place)) for found, place in said.declared),
        all_moved(said.errors),
        all_moved(said.warnings),
        tuple(Ignored(moved(place), omission) for place, omission in said.ignored),
    )
