"""When a process is ready, and that it says why not in words a person can act on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilothouse.admin.status import (
    CertificatesStatus,
    FaultStatus,
    HoldStatus,
    Quarantine,
    SourceStatus,
    Status,
)

STAYS = "keeping its last valid version"
FAULT = FaultStatus("shop.yaml:7", "spec.ports[0].port", "must be in 1..65535", STAYS)
WEIGHT = FaultStatus("pods.yaml:9", "metadata.annotations", "is no weight", "it counts as absent")
HOLD = HoldStatus(20, 60, ("shop/a", "shop/b", "shop/c", "shop/d"), 1_700_000_000.0, 1_700_000_120.0)
REPORTED = SourceStatus("files", synced=True, services=2, last_report_s=1.0)
CALM = Status(version="1", started_at=0.0, sources=(REPORTED,))
KEPT = f"1 fault in what it reads (1 x {STAYS}), first shop.yaml:7: spec.ports[0].port: must be in 1..65535"

TABLE = {
    "every source has reported": (CALM, [], []),
    "a source has not reported": (
        replace(CALM, sources=(REPORTED, SourceStatus("etcd"))),
        ["source etcd: has not reported yet"],
        [],
    ),
    "a source has never got through": (
        replace(CALM, sources=(SourceStatus("etcd", stale=True, error="connection refused"),)),
        ["source etcd: has not reported yet; failed and is being retried: connection refused"],
        [],
    ),
    "a source has not reported because of a fault": (
        replace(CALM, sources=(SourceStatus("files", faults=(FAULT,)),)),
        [f"source files: has not reported yet; {KEPT}"],
        [],
    ),
    "a stale source": (
        replace(CALM, sources=(replace(REPORTED, stale=True, stale_since_s=1700.0, error="disk is gone"),)),
        [],
        [
            "source files: failed and is being retried since 00:28:20 UTC,"
            " keeping its last report: disk is gone"
        ],
    ),
    "a source that has mended itself": (
        replace(CALM, sources=(replace(REPORTED, error="disk was gone"),)),
        [],
        [],
    ),
    "a faulty source": (
        replace(CALM, sources=(replace(REPORTED, faults=(FAULT,)),)),
        [],
        [f"source files: {KEPT}"],
    ),
    "several faults": (
        replace(CALM, sources=(replace(REPORTED, faults=(WEIGHT, FAULT, FAULT)),)),
        [],
        [
            f"source files: 3 faults in what it reads (1 x it counts as absent, 2 x {STAYS}),"
            " first pods.yaml:9: metadata.annotations: is no weight"
        ],
    ),
    "a file of which nothing good is known": (
        replace(CALM, sources=(replace(REPORTED, unknown=("a.yaml", "b.yaml", "c.yaml", "d.yaml")),)),
        [
            "source files: no good version is known of a.yaml, b.yaml, c.yaml and 1 more, so no removals are"
            " sent until it can be read, or --accept-missing is set"
        ],
        [],
    ),
    "a loss that is held": (
        replace(CALM, sources=(replace(REPORTED, hold=HOLD),)),
        [],
        [
            "source files: the loss of 60 endpoints of 20 services (shop/a, shop/b, shop/c and 17 more) is"
            " held until 22:15:20 UTC, since nobody removed them one by one"
        ],
    ),
    "a quarantined service": (
        replace(CALM, quarantined=(Quarantine("shop/cart", "Cluster.name: too short", 1.0),)),
        [],
        ["service shop/cart is quarantined, its last good version is served: Cluster.name: too short"],
    ),
    "a service that was never good": (
        replace(CALM, quarantined=(Quarantine("shop/cart", "too short", 1.0, served=False),)),
        [],
        ["service shop/cart is quarantined, nothing of it is served: too short"],
    ),
    "a certificate that expires soon": (
        replace(CALM, certificates=CertificatesStatus(warnings=("tls.crt expires soon",))),
        [],
        ["tls.crt expires soon"],
    ),
    "a port that is not open yet": (
        replace(CALM, listening=False),
        ["starting: what the sources have reported is being translated"],
        [],
    ),
    "draining": (replace(CALM, draining=True), ["draining: this process is about to exit"], []),
    "no source at all": (replace(CALM, sources=()), ["there is no source of services"], []),
}


@pytest.mark.parametrize(("status", "reasons", "warnings"), TABLE.values(), ids=TABLE.keys())
async def test_readyz_answers_503_exactly_when_it_has_a_reason(ask, status, reasons, warnings) -> None:
    async with ask(status) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == (503 if reasons else 200)
    body = answer.json()
    assert (body["ready"], body["reasons"], body["warnings"]) == (not reasons, reasons, warnings)


CONSUL = {
    "reason": "has not reported yet; failed and is being retried: connection refused",
    "name": "consul",
    "synced": False,
    "stale": True,
    "error": "connection refused",
    "stale_since_s": None,
    "services": 0,
    "last_report_s": None,
    "faults": [],
    "warnings": [],
    "unknown": [],
    "hold": None,
}


async def test_readyz_names_every_source_fault_and_quarantined_service(ask, busy) -> None:
    async with ask(busy) as client:
        body = (await client.get("/readyz")).json()
    assert body["draining"] is False
    assert body["left_out"] == {"not-ready": 2, "unsupported-kind": 1}
    assert body["sources"] == [
        {
            "reason": f"{KEPT}; 1 warning of what it reads, first shop.yaml:9: kind: is odd",
            "name": "files",
            "synced": True,
            "stale": False,
            "error": "",
            "stale_since_s": None,
            "services": 3,
            "last_report_s": 1_700_000_100.0,
            "faults": [
                {
                    "place": "shop.yaml:7",
                    "file": "shop.yaml",
                    "line": 7,
                    "document": 2,
                    "field": "spec.ports[0].port",
                    "message": "must be in 1..65535",
                    "in_force": STAYS,
                    "code": "",
                }
            ],
            "warnings": [
                {
                    "place": "shop.yaml:9",
                    "file": "shop.yaml",
                    "line": 9,
                    "document": 2,
                    "field": "kind",
                    "message": "is odd",
                    "in_force": "it counts as absent",
                    "code": "unsupported-kind",
                }
            ],
            "unknown": [],
            "hold": None,
        },
        CONSUL,
    ]
    assert body["quarantined"] == [
        {
            "service": "shop/payments",
            "reason": "Cluster.name: too short",
            "since": 1_700_000_200.0,
            "served": True,
        }
    ]


async def test_a_source_with_nothing_the_matter_is_said_to_have_reported(ask) -> None:
    async with ask(CALM) as client:
        body = (await client.get("/readyz")).json()
    assert [source["reason"] for source in body["sources"]] == ["reported"]


async def test_a_file_whose_name_is_not_utf_8_can_be_reported(ask) -> None:
    odd = b"caf\xe9.yaml".decode("utf-8", "surrogateescape")
    source = replace(REPORTED, faults=(replace(FAULT, place=odd, parts=(("file", odd),)),))
    async with ask(replace(CALM, sources=(source,))) as client:
        answer = await client.get("/readyz")
    assert answer.json()["sources"][0]["faults"][0]["file"] == odd
