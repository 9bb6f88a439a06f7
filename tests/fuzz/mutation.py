"""Documents that are nearly right: good ones with some of their fields changed. Pure."""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

Document = dict[str, Any]
Path = tuple[Any, ...]

_NUMBERS = (0, 1, -1, 99, 100, 101, 599, 1000, 1001, 65535, 65536, 1_000_000, 1_000_001, 2**31 - 1, 2**31)
_HUGE = (2**32 - 1, 2**32, 2**53 + 1, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308)
_TEXTS = (
    "", " ", "x", "X_y.z", "*", "**", "*.", ".", "..", "/", "//", "/a/../b", "a/b", "-", "-1", "0",
    "1e3", "~", "none",
    "off", "on", "true", "null", "a=b", "a:b;c=d", "a,b,", "=", ",", ";", ":", "http, path=?", "path=",
    "1s", "0s",
    "1h1m1s1ms", "99999h", "-1s", "1.5s", "(", "[", "a{1000}", "(?!a)b", "\\", "\\1", "(?i)x",
    ".*.*.*.*=.*", "[[:alpha:]]",
    "[\\w]{50}", "%", "%REQ(x)%", "%%", "%DOWNSTREAM_REMOTE_ADDRESS%", "{a}", "/{a}/{b=*}", "\x00", "\n",
    "\r\n", "\t",
    "a\nb: c", "\x7f", "\x85", "\u2028", "\ufeff", "\u00e9", "\u00df", "\u0130", "\u202e", "\U0001f600",
    "\ud800",
    "xn--", "localhost", "egress", "a" * 63, "a" * 64, "a" * 253, "a" * 254, "a." * 130, "a" * 5000,
    "a\x00" * 500,
    "ReplacePrefixMatch", "ReplaceFullPath", "RegularExpression", "Exact", "PathPrefix", "None",
    "ExternalName", "UDP",
    "SCTP", "TCP", "kubernetes.io/h2c", "kubernetes.io/wss", "grpc", "https", ":authority", "host",
    "Host", ":path", "te",
    "connection", "content-length", "x-envoy-upstream-rq-timeout-ms", "cookie", "CONNECT", "PURGE",
)  # fmt: skip
_ADDRESSES = (
    "127.77.0.1", "127.77.0.300", "127.77.0.01", "0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "::1",
    "::ffff:127.77.0.1",
    "fe80::1", "fe80::1%lo", "ff02::1", "2001:db8::1", "2001:DB8:0::0001", "127.77.0.1:80", "[::1]",
    "127.1", "1",
)  # fmt: skip
_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [None],
    [""],
    [{}],
    [[]],
    ["a", "a"],
    {"a": None},
    {"": ""},
    {1: 2},
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where something stands in a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in steps:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def without(document: Document, path: Path) -> Document:
    """A copy that lacks what stands there."""
    found = copy.deepcopy(document)
    del at(found, path[:-1])[path[-1]]
    return found


class Mutator:
    """Mutates with what it finds in good documents: values go to where another value of that field stood."""

    def __init__(self, random: Random, good: Sequence[Document]) -> None:
        self._random = random
        self._seen: dict[Any, list[Any]] = {}
        for document in good:
            for path in places(document):
                self._seen.setdefault(_field(path), []).append(at(document, path))
        self._changes: tuple[Callable[[Any, Path, Any], None], ...] = (
            self._replace, self._replace, self._replace, self._exchange, self._exchange, self._exchange,
            self._delete, self._double, self._swell, self._add,
        )  # fmt: skip

    def mutated(self, document: Document) -> Document:
        """A copy with one change, or a few."""
        found = copy.deepcopy(document)
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 6))):
            path = self._random.choice([*places(found)] or [()])
            if path:
                self._random.choice(self._changes)(found, path, at(found, path))
        return found

    def renamed(self, document: Document) -> Document:
        """A copy with another name, which may be that of another document."""
        found = copy.deepcopy(document)
        metadata = found.get("metadata")
        if isinstance(metadata, dict):
            metadata["name"] = self._random.choice([*map(str, self._seen["name"]), "copy-1", "copy-2"])
        return found

    def _replace(self, document: Any, path: Path, value: Any) -> None:
        _put(document, path, copy.deepcopy(self._value(value)))

    def _value(self, value: Any) -> Any:
        if isinstance(value, str) and _is_address(value):
            return self._random.choice(_ADDRESSES)
        odd: list[Callable[[], Any]] = [
            lambda: self._random.choice(_ODD),
            lambda: self._random.choice(_NUMBERS),
            lambda: self._random.choice(_TEXTS),
        ]
        if isinstance(value, str):
            odd += [lambda: self._edited(value)] * 4
        if isinstance(value, int):
            odd += [lambda: self._random.choice(_HUGE + _NUMBERS), lambda: str(value)]
        return self._random.choice(odd)()

    def _edited(self, text: str) -> str:
        cut, piece = self._random.randint(0, len(text)), self._random.choice(_TEXTS)
        end = self._random.choice((cut, cut, cut + 1, len(text)))
        return text[:cut] + piece + text[end:]

    def _exchange(self, document: Any, path: Path, value: Any) -> None:
        _put(document, path, copy.deepcopy(self._random.choice(self._seen.get(_field(path), [value]))))

    def _delete(self, document: Any, path: Path, value: Any) -> None:
        del at(document, path[:-1])[path[-1]]

    def _double(self, document: Any, path: Path, value: Any) -> None:
        inside = at(document, path[:-1])
        if isinstance(inside, list):
            inside.append(copy.deepcopy(value))

    def _swell(self, document: Any, path: Path, value: Any) -> None:
        if isinstance(value, list) and value:
            value += [
                copy.deepcopy(self._random.choice(value)) for _ in range(self._random.choice((1, 20, 200)))
            ]

    def _add(self, document: Any, path: Path, value: Any) -> None:
        if isinstance(value, dict):
            field = self._random.choice([*self._seen])
            value[field] = copy.deepcopy(self._random.choice(self._seen[field]))


def _field(path: Path) -> Any:
    """The name of the field, that of the list for what stands in one."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _put(document: Any, path: Path, value: Any) -> None:
    at(document, path[:-1])[path[-1]] = value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
