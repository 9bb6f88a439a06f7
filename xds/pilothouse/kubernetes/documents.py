"""Reads the text of a manifest file into objects, and into faults that name line, document and field."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, NamedTuple

from pilothouse.kubernetes.fields import FieldError, Fields, written
from pilothouse.kubernetes.metadata import DEFAULT_NAMESPACE
from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.kubernetes.parse import parse
from pilothouse.kubernetes.text.errors import TextError
from pilothouse.kubernetes.text.loading import Lines
from pilothouse.kubernetes.text.pieces import MOST, Piece, pieces
from pilothouse.model.reasons import Omission, Reason

# The longer ones first, because the mark of UTF-32 begins with that of UTF-16.
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_MARKED_LINE = re.compile("^\ufeff", re.MULTILINE)
# These find out which object a document in block style declares, even if the document cannot be read.
_KIND = re.compile(r"^kind: +([A-Za-z]+) *$", re.MULTILINE)
_METADATA = re.compile(r"^metadata: *\n((?: .*\n|\n)+)", re.MULTILINE)
_NAME = re.compile(r"^  name: +([a-z0-9.-]+) *$", re.MULTILINE)
_NAMESPACE = re.compile(r"^  namespace: +([a-z0-9-]+) *$", re.MULTILINE)
# The largest number of errors, and of warnings, that are listed for one file.
_MOST = 1000
_OUTSIDE_OF_NAMESPACES = ("Namespace", "Node")


class Place(NamedTuple):
    """A place in a file. Lines and documents count from 1. `field` is empty for a whole document."""

    line: int
    document: int
    field: str = ""


class Remark(NamedTuple):
    """A finding about a place in a file. `key` is the object that is declared there, if that is known.

    `reason` is the reason code, if something is left out because of the finding.
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
    """What a text declares. Whatever has `errors` is not declared. `warnings` have no such effect.

    `pieces` is for the next `read`: the contents of each piece by its hash, with places inside of the piece.
    """

    declared: tuple[Declared, ...] = ()
    errors: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    documents: int = 0
    pieces: Mapping[bytes, Contents] = field(default_factory=dict, compare=False, repr=False)


def read(data: bytes, before: Contents = Contents(), namespace: str = DEFAULT_NAMESPACE) -> Contents:
    """Read the bytes of a file. `before` is the result of the previous read.

    Objects that state no namespace are in `namespace`.
    """
    try:
        text = _decoded(data)
    except TextError as error:
        remark = Remark(Place(error.line + 1, 0), error.message)
        return Contents(errors=(remark,), pieces=before.pieces)
    known: dict[bytes, Contents] = {}
    found: list[Contents] = []
    documents = 0
    for piece in pieces(text):
        digest = sha256(piece.identity).digest()
        said = known.get(digest) or before.pieces.get(digest) or _read_piece(piece, namespace)
        known[digest] = said
        if not said.documents:  # only comments
            continue
        # The items of a list are all in one document.
        first = documents - 1 if piece.item else documents
        found.append(_moved(said, piece, first))
        documents = first + said.documents
    if not documents:
        message = "is empty; delete the file to remove its services"
        return Contents(errors=(Remark(Place(0, 0), message),), pieces=known)
    contents = _joined(found, documents, known)
    return replace(contents, errors=_first(contents.errors), warnings=_first(contents.warnings))


def _first(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    """The first findings, as many as somebody may read, and one that counts the rest."""
    if len(remarks) <= _MOST:
        return remarks
    place = remarks[_MOST].place
    more = Remark(place, f"is the first of {len(remarks) - _MOST} more findings, which are not listed")
    return (*remarks[:_MOST], more)


def _decoded(data: bytes) -> str:
    name = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "UTF-8")
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        raise TextError(data.count(b"\n", 0, error.start), f"is not {name} text") from None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # YAML allows a byte order mark before each document. Concatenated files have one in the middle.
    return _MARKED_LINE.sub("", text) if "\ufeff" in text else text


def _read_piece(piece: Piece, namespace: str) -> Contents:
    """What one piece declares. Lines, documents and fields count from the start of the piece."""
    try:
        documents = piece.values()
    except TextError as error:
        path = error.path[1:] if piece.item is not None else error.path
        place = Place(error.line + 1, 1, written(path))
        return Contents(errors=(Remark(place, error.message, _named(piece.text, namespace)),), documents=1)
    reading = _Reading(piece, Lines(piece.text, json=piece.json), namespace)
    return _joined([reading.document(*numbered) for numbered in enumerate(documents)], len(documents))


class _Reading:
    """Reads the documents of one piece. Looks lines up only for findings, because that is slow."""

    def __init__(self, piece: Piece, lines: Lines, namespace: str) -> None:
        self._piece = piece
        self._lines = lines
        self._namespace = namespace

    def document(self, number: int, value: object) -> Contents:
        start = self._lines.first if number == 0 else self._lines.of(number)
        if self._piece.item is not None:
            return self._object(value, (), number, start, self._piece.kind, self._piece.version)
        try:
            if isinstance(value, list):
                raise FieldError((), "is a list, not an object; put its items into one of kind: List")
            document = Fields(value)
            kind, version = document.text("kind"), document.text("apiVersion")
            if not _is_list(document, kind):
                return self._object(value, (), number, start)
            items = document.anything("items")
        except FieldError as error:
            return Contents(errors=(self._remark(number, error, _key(value, self._namespace)),))
        named = kind.removesuffix("List"), version
        return _joined(
            self._object(item, ("items", index), number, start, *named) for index, item in enumerate(items)
        )

    def _object(
        self, value: object, path: tuple[str | int, ...], number: int, start: int, *named: str
    ) -> Contents:
        try:
            document = Fields(value, path)
            if named:
                document = _of_list(document, *named)
        except FieldError as error:
            return Contents(errors=(self._remark(number, error, _key(value, self._namespace, *named)),))
        parsed = parse(document, self._namespace)
        key = _key(value, self._namespace, *named) if parsed.errors else None
        place = Place(start + 1, number + 1, written(path))
        return Contents(
            declared=(Declared(parsed.object, place),) if parsed.object else (),
            errors=tuple(self._remark(number, error, key) for error in parsed.errors),
            warnings=tuple(self._remark(number, warning, None) for warning in parsed.warnings),
            ignored=(Ignored(place, parsed.ignored),) if parsed.ignored else (),
        )

    def _remark(self, number: int, error: FieldError, key: Key | None) -> Remark:
        path = (0, *error.path) if self._piece.item is not None else error.path
        line = self._lines.of(number, path) if error.path else self._lines.first
        return Remark(Place(line + 1, number + 1, error.field), error.message, key, error.reason)


def _is_list(document: Fields, kind: str) -> bool:
    """Whether the document is a list, as `kubectl get -o yaml` writes it.

    Raises FieldError if it has no items, or too many.
    """
    if kind != "List" and not (kind.endswith("List") and "items" in document):
        return False
    if not isinstance(document.anything("items"), list):
        raise document.error("items", "is required, and may be []")
    if len(document.anything("items")) > MOST:
        raise document.error("items", f"are more than {MOST}, so none of them is read")
    return True


def _of_list(item: Fields, kind: str, version: str) -> Fields:
    """The item with its kind and version filled in. In a list of one kind, the API server omits them."""
    if item.text("kind") == "List":
        raise item.error("kind", "is a list inside of a list")
    if "kind" in item and "apiVersion" in item:
        return item
    return item.filled(kind=kind, apiVersion=version)


def _key(value: Any, default: str, kind: str = "", version: str = "") -> Key | None:
    """The object that an invalid document declares, if it names one."""
    try:
        document = Fields(value)
        meta = document.at("metadata")
        namespace = meta.text("namespace") or default
        return _key_of(document.text("kind") or kind, namespace, meta.text("name"))
    except FieldError:
        return None


def _named(text: str, default: str) -> Key | None:
    """The object that an unreadable text declares, if it names one in block style and on whole lines."""
    lines = text.rpartition("\n")[0]
    if lines.startswith("- "):
        lines = "\n".join(line[2:] for line in lines.split("\n"))
    kind, metadata = _KIND.search(lines), _METADATA.search(lines + "\n")
    name = _NAME.search(metadata[1]) if metadata else None
    if kind is None or metadata is None or name is None:
        return None
    namespace = _NAMESPACE.search(metadata[1])
    return _key_of(kind[1], namespace[1] if namespace else default, name[1])


def _key_of(kind: str, namespace: str, name: str) -> Key | None:
    if not kind or not name:
        return None
    return Key(kind, "" if kind in _OUTSIDE_OF_NAMESPACES else namespace, name)


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


def _moved(said: Contents, piece: Piece, documents: int) -> Contents:
    """The contents of a piece with places that count from the start of the file."""
    item = "" if piece.item is None else f"items[{piece.item}]"

    def moved(place: Place) -> Place:
        inner = f".{place.field}" if item and place.field else place.field
        return Place(place.line + piece.line, place.document + documents, item + inner)

    def all_moved(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
        return tuple(remark._replace(place=moved(remark.place)) for remark in remarks)

    return Contents(
        tuple(Declared(found, moved(place)) for found, place in said.declared),
        all_moved(said.errors),
        all_moved(said.warnings),
        tuple(Ignored(moved(place), omission) for place, omission in said.ignored),
    )
