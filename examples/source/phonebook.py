"""A source of your own. It polls a JSON file or URL that maps the names of services to their addresses.

python examples/source/phonebook.py examples/source/phonebook.json
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pilothouse import app
from pilothouse.config.settings import Settings
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec, ordered
from pilothouse.sources import Fault, Sink


class Phonebook:
    """Reports the services of a document such as `{"shop/payments": ["10.0.0.1:8080"]}`."""

    name = "phonebook"
    # /readyz and /metrics show these. This source reads all or nothing, so both stay empty.
    faults: Sequence[Fault] = ()
    left_out: Mapping[Reason, int] = {}

    def __init__(self, place: str, every_s: float = 5.0) -> None:
        self._place, self._every_s = place, every_s
        self._asked = asyncio.Event()

    async def run(self, sink: Sink) -> None:
        """Report every service at the start and after each change, until cancelled.

        An exception is not caught here. The control plane logs it, keeps serving the last report, and calls
        `run` again after a pause.
        """
        reported: list[Service] | None = None
        while True:
            found = services(await asyncio.to_thread(read, self._place))
            if found != reported:
                sink.replace(found)
                reported = found
            self._asked.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._every_s)

    def reread(self) -> None:
        """Read at once. The control plane calls this on SIGHUP."""
        self._asked.set()


def read(place: str) -> Mapping[str, Sequence[str]]:
    """The document at a path or URL. It blocks, so it runs in a thread."""
    if "://" in place:
        with urllib.request.urlopen(place, timeout=10) as answer:
            return dict(json.load(answer))
    return dict(json.loads(Path(place).read_text()))


def services(document: Mapping[str, Sequence[str]]) -> list[Service]:
    """Each service has the port 80. Each endpoint is an IP address and a port of its own."""
    return [service(path, addresses) for path, addresses in sorted(document.items())]


def service(path: str, addresses: Sequence[str]) -> Service:
    namespace, name = path.split("/")
    spec = ServiceSpec(ServiceName(namespace, name), (Port("http", 80),))
    places = [address.rsplit(":", 1) for address in addresses]
    return Service(spec, ordered(Endpoint(host, (("http", int(port)),)) for host, port in places))


if __name__ == "__main__":
    asyncio.run(app.run(Settings(), sources=[Phonebook(sys.argv[1])]))
