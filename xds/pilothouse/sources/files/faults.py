"""Converts findings about files into faults, with the place as text for users and as parts for programs."""

from __future__ import annotations

from pilothouse.kubernetes.documents import Place, Remark
from pilothouse.sources import Fault, Standing

_WHOLE = Place(0, 0)


def of_path(path: str, message: str, standing: Standing) -> Fault:
    """A fault about a whole file or folder."""
    return _at(path, _WHOLE, message, standing)


def of_remark(path: str, remark: Remark, standing: Standing, warning: bool = False) -> Fault:
    """A fault about a place in a file."""
    code = remark.reason.value if remark.reason else ""
    return _at(path, remark.place, remark.message, standing, warning, code)


def order(fault: Fault) -> tuple[str, int, str, str]:
    """Sorts faults by file and line."""
    parts = dict(fault.parts)
    return (str(parts["file"]), int(parts["line"]), fault.field, fault.message)


def _at(  # noqa: PLR0913  (each is a field of a fault)
    path: str, place: Place, message: str, standing: Standing, warning: bool = False, code: str = ""
) -> Fault:
    text = f"{path}:{place.line}" if place.line else path
    parts = (("file", path), ("line", place.line), ("document", place.document))
    return Fault(text, place.field, message, standing, warning, code, parts)
