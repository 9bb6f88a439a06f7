"""Whatever stands in a field of a document: it is refused by name, left out, or translated."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.encoding.types import TYPES
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import Object
from pilothouse.kubernetes.parse import parse
from pilothouse.mesh.audience import ANYBODY, Audience, Capture, Dialect
from pilothouse.model.services import Locality, Service
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.world import World

TEXT = Path(__file__).with_name("everything.yaml").read_text()
DOCUMENTS = list(yaml.safe_load_all(TEXT))
ODD: list[Any] = [
    None,
    "",
    " ",
    "x",
    "X_y.z",
    "*",
    "-1",
    "0",
    "a/b",
    "a=b",
    "a:b;c=d",
    "http, path=?",
    "ReplacePrefixMatch",
    "RegularExpression",
    "(",
    "None",
    "ExternalName",
    "fd00::1%eth0",
    "é",
    "a" * 300,
    "%REQ(x)%",
    "\x00",
    "\n",
    0,
    -1,
    1,
    65536,
    2**40,
    1.5,
    True,
    [],
    {},
    [None],
    [""],
    [{}],
    ["a", "a"],
    {"a": None},
    {"": ""},
    {1: 2},
]
CLIENTS = [
    ANYBODY,
    Audience("shop", "node-1", Locality("eu", "eu-a", "s"), capture=Capture.VIP),
    Audience("data", dialect=Dialect.GRPC, families=("ipv6",)),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in steps:
        yield (*path, key)
        yield from places(inner, (*path, key))


def spoilt(document: Any, path: Sequence[Any], value: Any) -> Any:
    """The document with another value at the path. What is beside the path is shared with the document."""
    if not path:
        return value
    found = copy.copy(document)
    found[path[0]] = spoilt(document[path[0]], path[1:], value)
    return found


def read(document: Any) -> Object | None:
    try:
        return parse(Fields(document)).object
    except FieldError:
        return None


def parts() -> Iterator[Any]:
    """The number of a document and some of its places, so that several processes can share the work."""
    for number, document in enumerate(DOCUMENTS):
        paths = list(places(document))
        for first in range(0, len(paths), 25):
            yield pytest.param(number, paths[first : first + 25], id=f"{document['kind']}-{number}-{first}")


@pytest.mark.parametrize(("number", "paths"), list(parts()))
def test_a_document_with_one_odd_field_disturbs_nobody(number: int, paths: list[tuple[Any, ...]]) -> None:
    cluster, catalogue = Cluster(), Catalogue()
    good = [found for found in map(read, DOCUMENTS) if found]
    assert len(good) == len(DOCUMENTS)
    names = cluster.apply(good)
    seen = set()
    for path in paths:
        for value in ODD:
            found = read(spoilt(DOCUMENTS[number], path, value))
            if found is None or repr(found) in seen:
                continue
            seen.add(repr(found))
            show(catalogue, translate(cluster, catalogue, cluster.apply([found], [good[number].key])))
            names = cluster.apply([good[number]], [found.key])
            translate(cluster, catalogue, names)
    show(catalogue, translate(cluster, catalogue, names))
    assert list(yaml.safe_load_all(TEXT)) == DOCUMENTS, "reading has changed what is read"


def translate(cluster: Cluster, catalogue: Catalogue, names: frozenset[Any]) -> list[Service]:
    services = {name: found for name in names if (found := cluster.service(name)) is not None}
    catalogue.apply(names, services)
    return list(services.values())


def show(catalogue: Catalogue, services: list[Service]) -> None:
    """Show everything to all clients, and give the reasons for what is left out of some services."""
    for client in CLIENTS:
        world = World(catalogue, client)
        for type in TYPES:
            world.selection(type)
        for service in services:
            catalogue.omissions(service, client)
