"""What the settings of DNS may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import refusal


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ({"dns": "5353"}, "--dns: '5353' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000"),
        ({"dns_pods": "all"}, "--dns-pods: must be 'disabled', 'insecure' or 'verified', not all"),
        ({"dns_pods": "insecure"}, "--dns-pods: is of no use without --dns"),
        ({"dns_forward": "10.0.0.2:53"}, "--dns-forward: is of no use without --dns"),
        (
            {"dns": "10.0.0.1:53", "dns_forward": "10.0.0.1:53"},
            "--dns-forward and --dns: 10.0.0.1:53 would ask itself",
        ),
        (
            {"dns": "10.0.0.1:53", "dns_forward": "stub.cluster.local=10.0.0.2:53"},
            "--dns-forward: names of stub.cluster.local are answered here, and nobody else is asked",
        ),
        (
            {"dns": "0.0.0.0:53", "dns_forward": "127.0.0.1:53"},
            "--dns-forward and --dns: 127.0.0.1:53 would ask itself",
        ),
        (
            {"dns": "10.0.0.1:53", "dns_forward": "corp.example=10.0.0.2"},
            "--dns-forward: 'corp.example=10.0.0.2' is not [ZONE=]HOST:PORT, such as 10.0.0.2:53 or"
            " corp.example=10.1.0.53:53",
        ),
    ],
)
def test_a_mistake_about_names_is_one_line(here: Path, said: dict[str, object], mistake: str) -> None:
    assert refusal({"manifests": ["m"], **said}) == mistake
