"""One busy Status that every area of the admin is shown, and a client without a network for the tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from pilothouse.admin.http import admin
from pilothouse.admin.status import (
    CertificatesStatus,
    Counters,
    FaultStatus,
    HistogramStatus,
    NamesStatus,
    PropagationStatus,
    Quarantine,
    SourceStatus,
    Status,
    StreamsStatus,
    TypeStatus,
    Unserved,
)
from pilothouse.model.services import Service
from pilothouse.registry.merged import Registry

from .rig import Rig


def unasked() -> NoReturn:
    """In place of the running parts, for pages that ask them nothing."""
    raise AssertionError("a page asked the running parts")


@pytest.fixture
def fault() -> FaultStatus:
    parts = (("file", "shop.yaml"), ("line", 7), ("document", 2))
    stays = "keeping its last valid version"
    return FaultStatus("shop.yaml:7", "spec.ports[0].port", "must be in 1..65535", stays, parts=parts)


STREAMS = StreamsStatus(
    variants={"sotw": 0, "delta": 2},
    states={"SYNCED": 0, "STALE": 1, "NACKED": 1},
    types={"CDS": TypeStatus(rejected=1), "EDS": TypeStatus(awaiting_ack=1, lagging=1, oldest_s=12.5)},
)


class Standing:
    """In place of the running parts: answers how the streams stand, and nothing else."""

    async def standing(self) -> StreamsStatus:
        return STREAMS


def asked() -> Any:
    return Standing()


@pytest.fixture
def busy(fault: FaultStatus) -> Status:
    return Status(
        version="1.2.3",
        started_at=1_700_000_000.0,
        sources=(
            SourceStatus(
                "files",
                synced=True,
                services=3,
                last_report_s=1_700_000_100.0,
                faults=(fault,),
                warnings=(
                    FaultStatus(
                        "shop.yaml:9",
                        "kind",
                        "is odd",
                        "it counts as absent",
                        "unsupported-kind",
                        (("file", "shop.yaml"), ("line", 9), ("document", 2)),
                    ),
                ),
            ),
            SourceStatus("consul", stale=True, error="connection refused"),
        ),
        quarantined=(Quarantine("shop/payments", "Cluster.name: too short", 1_700_000_200.0),),
        certificates=CertificatesStatus(True, {"/tls/tls.crt": 1_800_000_000.0}, ("tls.key: no such file",)),
        services=3,
        endpoints=12,
        called={"yes": 9, "late": 0, "partly": 1, "no": 2},
        excluded={"not-ready": 2, "port-name-mismatch": 1},
        unserved=Unserved(1, ("shop/cart",)),
        resources={"CDS": 3, "EDS": 4},
        counters=Counters(
            pushes={("CDS", "sotw"): 5, ("CDS", "delta"): 6},
            requests={"CDS": 9},
            rejects={"CDS": 1},
            streams_opened=4,
            streams_closed=2,
            bad_requests=1,
            unknown_names=7,
            bytes_sent=12345,
            stale_resent=2,
            stale_closed=1,
            journal_lost=3,
            traces_sent=4,
            traces_lost=5,
        ),
        left_out={"not-ready": 2, "unsupported-kind": 1},
        propagation=(
            PropagationStatus("files", 14, 3, 2, 1, 2, HistogramStatus((0.01, 0.1), (3, 5, 6), 1.5)),
        ),
        unpublished_s=0.25,
        names=NamesStatus({("A", "NOERROR"): 5, ("A", "NXDOMAIN"): 2}, {"answered": 3}),
        loop_delay=HistogramStatus((0.01,), (8, 9), 0.5),
    )


@pytest.fixture
def ask() -> Callable[[Status], httpx.AsyncClient]:
    """A client of an admin that shows one Status; no socket in between."""

    def client(status: Status) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=admin(lambda: status, asked))
        return httpx.AsyncClient(transport=transport, base_url="http://admin", verify=False)

    return client


@pytest.fixture
async def rig(make_service: Callable[..., Service]) -> AsyncIterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(kept: Path | None = None, workers: int = 1) -> Rig:
        registry = Registry(["files"], hold_s=60)
        services = [make_service(f"shop/s{number}", f"10.1.0.{number}") for number in range(20)]
        cart = make_service("shop/cart", "10.0.0.1", "10.0.0.2")
        registry.shard("files").replace([cart, *services])
        made.append(Rig(registry, kept, workers))
        return made[-1]

    yield make
    for each in made:
        await each.client.aclose()
