"""What a table of figures has to say beside them: on which machine, of which versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.servers import LOAD, PEER

_PEER_MODULES = ("github.com/envoyproxy/go-control-plane", "google.golang.org/grpc")


def machine() -> dict[str, str]:
    """Names and values, in the order in which they are shown."""
    modules = _modules(PEER)
    return {
        "machine": f"{os.cpu_count()} x {_cpu()}, {platform.system()} {platform.release()}",
        "pilothouse": version("pilothouse"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: version(name) for name in ("grpcio", "protobuf", "uvloop")},
        "go": _modules(LOAD)["go"],
        **{name.rpartition("/")[2] + " (go)": modules[name] for name in _PEER_MODULES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "CPU")


def _modules(binary: Path) -> dict[str, str]:
    """The versions that a Go program says it was built of."""
    said = subprocess.run(["go", "version", "-m", binary], capture_output=True, text=True, check=True).stdout
    first, *lines = said.splitlines()
    found = {"go": first.rpartition(" ")[2]}
    for line in lines:
        kind, *rest = line.split()
        if kind == "dep":
            found[rest[0]] = rest[1]
    return found
