"""The official conformance suite of the Gateway API, its mesh profiles, through Pilothouse and real Envoys.

    python -m tests.real.conformance [--run-test MeshTrafficSplit] [--reports FOLDER]

What stands in for a cluster: the real API server and controllers; kwok as kubelet, which runs what the suite
executes in a pod on this machine; an echo server at the address of each pod; a hosts file as DNS; a network
namespace for the callers of each namespace. What is tested is real: Pilothouse, its source, the rules of
`pilothouse capture`, and Envoy.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...redirect.namespaces import lacking
from .. import netns
from .run import REPORT, Run


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.conformance", description=__doc__)
    parser.add_argument("--run-test", help="only this test of the suite; no report")
    parser.add_argument("--reports", type=Path, help="folder of the report that the suite writes")
    parser.add_argument("--logs", type=Path, help="folder that keeps all logs")
    said = parser.parse_args(words)
    if why := lacking():
        raise SystemExit(f"the conformance suite needs network namespaces: {why}")
    if not netns.inside():
        command = netns.entered([sys.executable, "-m", "tests.real.conformance", *words])
        os.execvp(command[0], command)
    # What was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    flags = []
    if said.run_test:
        flags.append(f"--run-test={said.run_test}")
    elif said.reports:
        said.reports.mkdir(parents=True, exist_ok=True)
        flags.append(f"--report-output={said.reports.resolve() / REPORT}")
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


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
