"""Which networks of virtual IPs are refused, and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import refusal


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("240.240.0.1/16", "'240.240.0.1/16' does not begin its network: did you mean 240.240.0.0/16?"),
        ("240.240.0.0", "'240.240.0.0/32' has fewer than 8 addresses"),
        ("240.240.0.0/30", "'240.240.0.0/30' has fewer than 8 addresses"),
        ("127.5.0.0/16", "'127.5.0.0/16' has loopback addresses (127.0.0.0/8)"),
        ("224.0.0.0/8", "'224.0.0.0/8' has multicast addresses (224.0.0.0/4)"),
        ("ff02::/64", "'ff02::/64' has multicast addresses (ff00::/8)"),
        ("fe80::/64", "'fe80::/64' has link-local addresses (fe80::/10)"),
        ("::/0", "'::/0' has unspecified addresses (::/128)"),
        ("255.255.0.0/16", "'255.255.0.0/16' has broadcast addresses (255.255.255.255/32)"),
        ("anything", "'anything' is not a network; write ADDRESS/BITS"),
        ("240.240.0.0/16, 240.240.0.0/16", "'240.240.0.0/16' and '240.240.0.0/16' are both IPv4"),
        ("240.240.0.0/16, 240.0.0.0/8", "'240.240.0.0/16' and '240.0.0.0/8' are both IPv4"),
        ("2001:2::/48, 2001:3::/48", "'2001:2::/48' and '2001:3::/48' are both IPv6"),
    ],
)
def test_a_mistake_about_virtual_ips_is_one_line(here: Path, text: str, mistake: str) -> None:
    said = refusal({"manifests": ["m"], "virtual_ips": text})
    assert said.startswith(f"--virtual-ips: {mistake}")


def test_virtual_ips_are_kept_and_are_no_addresses_of_the_cluster(here: Path) -> None:
    given = {"manifests": ["m"], "virtual_ips": "240.240.0.0/16"}
    assert refusal({**given, "no_state": True}) == (
        "--virtual-ips and --no-state: addresses that are not kept would move at a restart"
    )
    assert refusal({**given, "service_cidr": "10.96.0.0/16,240.240.96.0/20"}) == (
        "--virtual-ips and --service-cidr: 240.240.0.0/16 and 240.240.96.0/20 overlap"
    )
