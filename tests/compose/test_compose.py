"""compose.yaml, its manifests, bootstraps and Dockerfile fit together: told without an engine."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from ipaddress import IPv4Network, ip_address
from pathlib import Path

import pytest
import yaml

from pilothouse.admin.settings import AdminSettings
from pilothouse.sources.settings import default_folder

# What compose 1.29 reads just as 2 does; it refuses `name` at the top, and 2 warns of `version`.
TOP_LEVEL = {"services", "networks", "volumes"}
OF_A_SERVICE = {
    *("build", "cap_drop", "command", "hostname", "image", "init", "network_mode", "networks"),
    *("ports", "read_only", "security_opt", "user", "volumes"),
}
MANIFESTS = "compose/manifests"
CLIENTS = {"web": "web-sidecar", "reports": "reports-sidecar"}


def mounts(service) -> dict[str, str]:
    """Where each mounted file or folder of the project is found in the container."""
    split = (mount.split(":") for mount in service.get("volumes", ()))
    return {source.removeprefix("./"): target for source, target, *mode in split if mode == ["ro"]}


def flag(service, name: str) -> str:
    arguments = shlex.split(service["command"])
    return arguments[arguments.index(name) + 1]


def socket_address(message) -> tuple[str, int]:
    place = message["address"]["socket_address"]
    return place["address"], place["port_value"]


@pytest.fixture(scope="module")
def bootstraps(project, services) -> dict[str, dict]:
    """The bootstrap of each sidecar."""
    found = {}
    for name in CLIENTS.values():
        (source,) = mounts(services[name])
        found[name] = json.loads((project / source).read_text())
    return found


@pytest.fixture(scope="module")
def manifests(project) -> list[dict]:
    files = sorted((project / MANIFESTS).glob("*.yaml"))
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


@pytest.fixture(scope="module")
def slices(manifests) -> list[dict]:
    return [document for document in manifests if document["kind"] == "EndpointSlice"]


def test_it_keeps_to_what_both_versions_of_compose_read(mesh, services) -> None:
    assert {key for key in mesh if not key.startswith("x-")} == TOP_LEVEL
    assert set().union(*services.values()) <= OF_A_SERVICE


def test_every_mounted_file_exists_and_is_mounted_read_only(project, services) -> None:
    for service in services.values():
        files = [mount for mount in service.get("volumes", ()) if mount.startswith("./")]
        assert len(mounts(service)) == len(files), "not PATH:PATH:ro"
        for source in mounts(service):
            assert (project / source).exists(), source


def test_the_state_is_in_a_volume_where_the_image_keeps_it_and_its_user_may_write(
    project, mesh, services
) -> None:
    dockerfile = (project / "Dockerfile").read_text()
    environment = dict(re.findall(r"^ENV (\w+)=(\S+)$", dockerfile, re.MULTILINE))
    folder = str(default_folder({**environment, "HOME": "/"}))
    uid, gid = services["pilothouse"]["user"].split(":")
    assert f"RUN install -d -m 0700 -o {uid} -g {gid} {folder}\n" in dockerfile
    assert f"state:{folder}" in services["pilothouse"]["volumes"]
    assert mesh["volumes"] == {"state": {}}


def test_every_image_is_pinned_and_the_toys_run_on_the_base_of_ours(project, services) -> None:
    images = {service["image"] for service in services.values()}
    assert all(re.fullmatch(r"[^:]+:[^:]*\d[^:]*", image) for image in images)
    bases = re.findall(r"^FROM (\S+:\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert set(bases) == {image for image in images if image.startswith("python:")}


def test_our_image_carries_the_version_of_the_project(project, services) -> None:
    version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
    assert services["pilothouse"]["image"] == f"pilothouse:{version}"


def test_what_the_dockerfile_copies_exists_and_is_all_that_is_not_ignored(project) -> None:
    lines = (project / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    copied = {source for sources in copies for source in sources}
    ignored = (project / ".dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in ignored if line.startswith("!")}
    assert all((project / source).exists() for source in copied)


def test_the_health_check_asks_where_compose_has_the_control_plane_listen(project, services) -> None:
    assert 'CMD ["pilothouse", "health"]\n' in (project / "Dockerfile").read_text()
    assert "--workers" not in services["pilothouse"]["command"]
    port = int(flag(services["pilothouse"], "--admin").rpartition(":")[2])
    assert port == AdminSettings().admin.port


def test_no_container_runs_as_root_or_may_become_it(services) -> None:
    for service in services.values():
        assert service["user"] == "65532:65532"
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True)
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_ports_are_published_on_loopback_only_and_each_once(services) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_the_sidecars_find_the_control_plane_by_its_name(services, bootstraps) -> None:
    port = int(flag(services["pilothouse"], "--xds").rpartition(":")[2])
    for bootstrap in bootstraps.values():
        (cluster,) = bootstrap["static_resources"]["clusters"]
        (locality,) = cluster["load_assignment"]["endpoints"]
        (endpoint,) = locality["lb_endpoints"]
        assert cluster["type"] == "LOGICAL_DNS"
        assert socket_address(endpoint["endpoint"]) == ("pilothouse", port)


def test_each_sidecar_runs_with_its_bootstrap_in_the_network_of_its_client(services) -> None:
    for client, name in CLIENTS.items():
        (inside,) = mounts(services[name]).values()
        command = services[name]["command"]
        assert command[command.index("-c") + 1] == inside
        assert services[name]["network_mode"] == f"service:{client}"


def test_the_published_port_of_each_sidecar_is_where_it_listens(services, bootstraps) -> None:
    for client, name in CLIENTS.items():
        egress = bootstraps[name]["node"]["metadata"]["pilothouse"]["egress"]
        assert egress == "0.0.0.0:15001", "a published port does not reach a container's loopback"
        assert [port for port in services[client]["ports"] if port.endswith(":15001")]


def test_the_manifests_are_mounted_where_the_control_plane_reads_them(services) -> None:
    control_plane = services["pilothouse"]
    assert mounts(control_plane) == {MANIFESTS: flag(control_plane, "--manifests")}


def test_the_manifests_have_no_faults(project) -> None:
    program = Path(sys.executable).with_name("pilothouse")
    done = subprocess.run(
        [program, "validate", project / MANIFESTS], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_endpoints_are_just_the_backends_and_each_has_a_weight(services, slices) -> None:
    networks = [service["networks"]["default"] for service in services.values() if "networks" in service]
    backends = {network["ipv4_address"] for network in networks}
    listed = [address for one in slices for endpoint in one["endpoints"] for address in endpoint["addresses"]]
    weights = [
        json.loads(one["metadata"]["annotations"]["pilothouse.dev/endpoint-weights"]) for one in slices
    ]
    assert sorted(listed) == sorted(backends) == sorted(address for one in weights for address in one)


def test_fixed_addresses_are_in_the_subnet_and_never_given_out(mesh, services) -> None:
    (config,) = mesh["networks"]["default"]["ipam"]["config"]
    subnet, given_out = IPv4Network(config["subnet"]), IPv4Network(config["ip_range"])
    assert given_out.subnet_of(subnet)
    for service in services.values():
        for network in service.get("networks", {}).values():
            assert ip_address(network["ipv4_address"]) in subnet
            assert ip_address(network["ipv4_address"]) not in given_out


def test_the_clients_ask_for_a_service_that_exists_and_that_they_may_see(
    services, bootstraps, manifests
) -> None:
    declared = {
        (document["metadata"]["name"], document["metadata"]["namespace"])
        for document in manifests
        if document["kind"] == "Service"
    }
    for client, name in CLIENTS.items():
        said = bootstraps[name]["node"]["metadata"]["pilothouse"]
        asked, _, namespace = services[client]["command"][-1].partition(".")
        wanted = (asked, namespace or said["namespace"])
        assert wanted in declared
        assert "/".join(reversed(wanted)) in said.get("dependencies", ["shop/payments"])
