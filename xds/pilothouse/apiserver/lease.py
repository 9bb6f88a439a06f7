"""A Lease of the API server, by which one of several replicas acts. What decides is in `election`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from pilothouse.apiserver.answers import Unreadable
from pilothouse.apiserver.client import Client, Refused
from pilothouse.apiserver.election import Election, Record, read, written

_log = structlog.get_logger(__name__)

_RELEASE_S = 2.0


class Lease:
    """One Lease, for which this process is a candidate while `run` runs.

    `told` is called with a line of text if the Lease cannot be read or written, and with an empty one when it
    can be again.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        election: Election,
        told: Callable[[str], None] = lambda failure: None,
    ) -> None:
        self._client, self._election, self._told = client, election, told
        self._namespace, self._name = namespace, name
        self._list = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._list}/{name}"

    @property
    def leads(self) -> bool:
        """Whether this process may act now. To be asked before each act."""
        return self._election.leads(time.monotonic())

    async def run(self, begin: Callable[[], None]) -> None:
        """Be a candidate until cancelled, and release the Lease then. `begin` is called at each election."""
        elections, led = 0, False
        try:
            while True:
                await self._try()
                if self._election.elections != elections:
                    elections = self._election.elections
                    _log.info("this replica writes", lease=f"{self._namespace}/{self._name}")
                    begin()
                elif led and not self.leads:
                    holder = self._election.holder
                    _log.warning("this replica does not write any more", lease=self._name, holder=holder)
                led = self.leads
                await asyncio.sleep(self._election.terms.retry)
        finally:
            with suppress(OSError, Unreadable, TimeoutError):
                async with asyncio.timeout(_RELEASE_S):
                    await self._release()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(self._election.terms.renewal / 2):
                asked = time.monotonic()
                wanted = self._election.wanted(await self._read(), asked)
                if wanted is not None:
                    self._election.taken(await self._write(wanted), asked, time.monotonic())
            self._told("")
        except TimeoutError:
            self._told("the Lease is not answered in time")
        except Refused as refused:
            if not refused.conflicting:  # another candidate was first
                self._told(str(refused))
        except (OSError, Unreadable) as error:
            self._told(str(error))

    async def _read(self) -> Record | None:
        found = await self._client.find(self._path)
        return None if found is None else read(found)

    async def _write(self, record: Record) -> Record:
        body = written(record, self._namespace, self._name)
        if record.version:
            return read(await self._client.replace(self._path, body))
        return read(await self._client.create(self._list, body))

    async def _release(self) -> None:
        # What is there now: a write that was cut off may have been taken.
        record = self._election.given_up(await self._read())
        if record is not None:
            await self._write(record)
