"""The official conformance suite of the Gateway API, its mesh profiles, through Pilothouse and real Envoys.

    python -m tests.real.conformance [--run-test MeshTrafficSplit] [--report FILE]

What stands in for a cluster: the real API server and controllers; kwok as kubelet, which runs what the suite
executes in a pod on this machine; an echo server at the address of each pod; a network namespace with a
sidecar for the callers of each namespace. What is tested is real: Pilothouse, its source, and Envoy.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .. import netns
from .run import Run


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.conformance", description=__doc__)
    parser.add_argument("--run-test", help="only this test of the suite; no report")
    parser.add_argument("--report", type=Path, help="where the suite writes its report")
    parser.add_argument("--logs", type=Path, help="folder that keeps all logs")
    said = parser.parse_args(words)
    if not netns.inside():
        os.execvp(*_again(words))
    # What was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    flags = []
    if said.run_test:
        flags.append(f"--run-test={said.run_test}")
    elif said.report:
        flags.append(f"--report-output={said.report.resolve()}")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(said.logs or Path(folder))
        status = run.suite(flags)
        for name, result in sorted(run.results().items()):
            # What is skipped asks for a gateway.
            if result != "SKIP":
                print(f"{result} {name}")
        if status:
            print(run.log.read_text()[-20_000:])
    return status


def _again(words: Sequence[str]) -> tuple[str, list[str]]:
    """This program in a network of its own. It cannot do without."""
    command = netns.entered([sys.executable, "-m", "tests.real.conformance", *words])
    if command[0] == sys.executable:
        raise SystemExit(
            "the conformance suite needs a network namespace of its own, which is not allowed here"
        )
    return command[0], command


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
