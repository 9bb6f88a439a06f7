"""A network namespace in which every address of the pods of a cluster can be bound and reached.

    python -m tests.real.netns COMMAND ...

EndpointSlices hold no loopback addresses, and the addresses of real pods lead nowhere on this machine. In a
network namespace with a local route they lead to whoever listens there: so a whole test run starts in one.
Where that is not allowed, the command runs without, and what needs it is skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence

from .kwok import POD_NETWORK

_LOCAL = f'ip link set lo up && ip route add local {POD_NETWORK} dev lo && exec "$@"'
_ANY_POD = "10.244.255.254"


def inside() -> bool:
    """Whether the addresses of pods can be bound here."""
    with socket.socket() as probe:
        try:
            probe.bind((_ANY_POD, 0))
        except OSError:
            return False
    return True


def entered(command: Sequence[str]) -> list[str]:
    """The command that runs another in such a namespace; that one itself where it is not allowed."""
    if shutil.which("unshare") and shutil.which("ip"):
        # As root, or as who becomes root in a user namespace of his own.
        for namespaces in (("--net",), ("--map-root-user", "--net")):
            words = ["unshare", *namespaces, "sh", "-c", _LOCAL, "sh"]
            if not subprocess.run([*words, "true"], capture_output=True).returncode:
                return [*words, *command]
    return list(command)


if __name__ == "__main__":
    words = entered(sys.argv[1:])
    os.execvp(words[0], words)
