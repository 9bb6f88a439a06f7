"""Which services are given a virtual IP (rows 11.1, 11.6 and 11.12)."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.mesh.addressing import wants_virtual_ip
from pilothouse.model.services import Port, Protocol, ServiceName, ServiceSpec, Transport

TCP = Port("tcp", 5432, Protocol.TCP)
HTTP = Port("http", 8080)


def spec(*ports: Port, imported: bool = False, **more: Any) -> ServiceSpec:
    return ServiceSpec(ServiceName("shop", "db", imported), ports or (TCP,), **more)


@pytest.mark.parametrize(
    "found",
    [
        spec(),
        spec(HTTP, TCP),
        spec(Port("tls", 443, Protocol.TLS)),
        spec(imported=True),
        spec(external_name="db.example.com"),
    ],
)
def test_vip_allocate_for_what_cannot_be_found_by_host_header(found: ServiceSpec) -> None:
    assert wants_virtual_ip(found)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(spec(HTTP), id="HTTP needs none"),
        pytest.param(spec(Port("grpc", 80, Protocol.GRPC)), id="nor does gRPC"),
        pytest.param(spec(Port("dns", 53, Protocol.TCP, Transport.UDP)), id="UDP has no listener"),
        pytest.param(spec(vips=("10.96.0.1",)), id="explicit addresses"),
        pytest.param(spec(headless=True), id="headless by choice"),
        pytest.param(spec(addressable=False), id="opted out"),
        pytest.param(spec(external_name="pay.shop.svc.cluster.local"), id="an alias has its target's"),
        pytest.param(spec(external_name="127.0.0.1"), id="it leads where nothing may lead"),
    ],
)
def test_vip_not_for(found: ServiceSpec) -> None:
    assert not wants_virtual_ip(found)


def test_an_external_name_that_is_not_served_gets_none() -> None:
    assert not wants_virtual_ip(spec(external_name="db.example.com"), external_names=False)
    assert wants_virtual_ip(spec(), external_names=False)
