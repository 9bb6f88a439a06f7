"""Names as programs look them up: by the resolvers of glibc and of musl, with the settings of a Pod.

Both ask port 53 of an address in /etc/resolv.conf. So the control plane runs in namespaces of its own, where
it may have that port, and where that file is another one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pilothouse.cli.inject import CONTROL_PLANE

from .plane import Plane
from .test_names import headless

#: Nobody knows other names here. To musl, REFUSED is no answer: it waits for another one.
_SETTINGS = """nameserver 127.0.0.1
search shop.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:1 attempts:1
"""
#: Resolvers ask for the families only of which the machine has addresses.
_PREPARED = """
ip link set lo up && ip address add 10.9.9.9/32 dev lo && ip address add fd00:9::9/128 dev lo nodad &&
mount --bind "$1" /etc/resolv.conf && shift && exec "$@"
"""
_LOOKUP = """
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int count, char **words) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = 0;
    char text[INET6_ADDRSTRLEN];
    if (getaddrinfo(words[1], 0, &hints, &found)) return 2;
    for (; found; found = found->ai_next) {
        void *address = found->ai_family == AF_INET
            ? (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr
            : (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
        puts(inet_ntop(found->ai_family, address, text, sizeof text));
    }
}
"""


class Pod:
    """A place with a resolver's settings, in which names are looked up."""

    def __init__(self, plane: Plane, lookup: Sequence[str | Path]) -> None:
        self._plane, self._lookup = plane, lookup

    def addresses(self, name: str) -> list[str]:
        """What a program gets, in order. Nothing if there is no such name."""
        inside = [
            "nsenter",
            f"--target={self._plane.pid}",
            "--user",
            "--preserve-credentials",
            "--mount",
            "--net",
        ]
        done = subprocess.run([*inside, *self._lookup, name], capture_output=True, text=True, timeout=30)
        assert done.returncode in (0, 2), done.stderr
        return list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()))


def _namespaces() -> list[str]:
    if shutil.which("unshare") and shutil.which("nsenter") and shutil.which("ip"):
        words = ["unshare", "--map-root-user", "--mount", "--net"]
        if not subprocess.run([*words, "true"], capture_output=True).returncode:
            return words
    pytest.skip("no namespaces can be made here")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("pod")
    settings = folder / "resolv.conf"
    settings.write_text(_SETTINGS)
    within = [*_namespaces(), "sh", "-c", _PREPARED, "sh", str(settings)]
    found = Plane(folder, "--dns", "127.0.0.1:53", within=within)
    ports, addresses = [{"name": "http", "port": 8080}], ["10.96.0.21", "fd00::21"]
    found.write(
        "payments.json", _service("payments", ports=ports, clusterIP=addresses[0], clusterIPs=addresses)
    )
    found.write("plane.json", _service("pilothouse", "pilothouse", ports=ports, clusterIP="10.96.0.7"))
    found.write("cart.json", headless("cart", "10.1.7.9", "10.1.7.10", "10.1.7.11", not_ready=("10.1.7.11",)))
    found.write("wide.json", headless("wide", *(f"10.2.0.{each}" for each in range(1, 201))))
    alias = _service("billing", type="ExternalName", externalName="payments.shop.svc.cluster.local")
    found.write("billing.json", alias)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def _service(name: str, namespace: str = "shop", **spec: object) -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


@pytest.fixture(scope="module")
def musl(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A program that looks a name up as those of Alpine do."""
    if not shutil.which("musl-gcc"):
        pytest.skip("no musl-gcc: Debian has it in the package musl-tools")
    source = tmp_path_factory.mktemp("musl") / "lookup.c"
    source.write_text(_LOOKUP)
    program = source.with_suffix("")
    subprocess.run(["musl-gcc", "-static", "-o", program, source], check=True)
    return [program]


@pytest.fixture(params=["glibc", "musl"])
def pod(plane: Plane, request: pytest.FixtureRequest) -> Pod:
    if request.param == "musl":
        return Pod(plane, request.getfixturevalue("musl"))
    return Pod(plane, ["getent", "ahosts"])


@pytest.mark.parametrize(
    "name",
    [
        "payments",
        "Payments.Shop",
        "payments.shop.svc",
        "payments.shop.svc.cluster.local",
        "payments.shop.svc.cluster.local.",
        "billing",  # an alias
    ],
)
def test_every_form_of_a_name_leads_to_the_virtual_ips(pod: Pod, name: str) -> None:
    assert set(pod.addresses(name)) == {"10.96.0.21", "fd00::21"}


def test_the_name_in_the_bootstrap_of_sidecars_leads_to_the_control_plane(pod: Pod) -> None:
    assert pod.addresses(CONTROL_PLANE.partition(":")[0]) == ["10.96.0.7"]


def test_a_headless_name_has_the_ready_endpoints(pod: Pod) -> None:
    assert set(pod.addresses("cart")) == {"10.1.7.9", "10.1.7.10"}
    assert pod.addresses("10-1-7-9.cart.shop") == ["10.1.7.9"]


@pytest.mark.parametrize("name", ["gone", "gone.shop", "payments.other", "example.com", "10-1-7-11.cart"])
def test_what_does_not_exist_is_not_found(pod: Pod, name: str) -> None:
    assert pod.addresses(name) == []


def test_what_has_more_addresses_than_a_datagram_is_found(plane: Plane, musl: list[Path]) -> None:
    # glibc asks again over TCP. This musl takes what has come (before 1.2.4, it does not know TCP).
    assert len(Pod(plane, ["getent", "ahosts"]).addresses("wide")) == 200
    assert len(Pod(plane, musl).addresses("wide")) >= 20
