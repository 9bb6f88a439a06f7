"""A sidecar that may call what is in the registry, and nothing else."""

from __future__ import annotations

import pytest

from .mesh import DB

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("redirect")]


def test_a_sidecar_for_the_registry_only_closes_what_is_no_service(ground) -> None:
    ground.start_sidecar("--outbound", "registry-only")
    assert ground.pod.hears("tcp", "10.2.0.9", 9999) == "closed"
    assert ground.pod.hears("tcp", "10.2.0.3", 8080) == "closed", "a pod by its own address"
    assert ground.pod.hears("tcp", DB, 5432) == "db"
    assert ground.shares("http://payments/", 8) == pytest.approx({"a1": 2, "a2": 6}, abs=1)
    assert ground.stats()["listener.egress.no_filter_chain_match"] == 2
    assert not any(name.startswith("cluster.passthrough") for name in ground.stats())
    assert ground.refused() == {}
