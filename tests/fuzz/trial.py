"""Batches of documents at a real control plane, whose Envoys must take everything and stay in sync."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from pilothouse.demo.processes import Unavailable
from pilothouse.demo.waiting import until

from ..chaos.client import Client
from ..chaos.injection import Injection
from ..chaos.stage import CANARY, Stage
from ..envoy.dns_server import DnsServer
from .batch import Batch, separate


async def _nothing(stage: Stage) -> None:
    """Trials are made by whoever has the stage."""


#: Not a fault that is injected: what is started for the trials.
TRIAL = Injection("fuzz", "mutated documents", _nothing, sidecars=0)

_SYNC_S = 30.0
_QUIET_S = 0.2
_AGAIN_S = 8.0  # for what is known to be wrong
_SAID: tuple[dict[str, Any], ...] = (
    {"namespace": "shop", "capture": "vip", "node": "node-1"},
    {"namespace": "data", "dependencies": ["shop/*", "data/*", "calm/*", "https://api.example.com"]},
)
_CALM = "calm"
"""A namespace of which no mutated document speaks."""
_LISTENER, _ROUTES = "dynamic_listeners ", "dynamic_route_configs "
_DYNAMIC = ("dynamic_active_clusters", "dynamic_route_configs", "dynamic_listeners")


async def furnish(stage: Stage, cleanup: AsyncExitStack) -> None:
    """Envoys of both variants, by virtual IP in one namespace and by egress listener in another one."""
    names = DnsServer()
    stage.resolver = await names.start()
    cleanup.callback(names.stop)
    for said in _SAID:
        for delta in (True, False):
            await stage.client(delta, tapped=False, **said)


class Trial:
    """Knows after each batch what is wrong; empty is well. `held` are the quarantines that it has seen."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.held: dict[str, int] = {}
        self._folder = stage.manifests.folder / "documents"
        self._folder.mkdir()
        self._turn = 100
        self._read = 0
        self._had: list[dict[str, str]] = []

    async def wrong(self, batch: Batch, within_s: float = _SYNC_S) -> str:
        """Serve it; returns what is wrong then, in one line."""
        before = [await self._rejected(client) for client in self.stage.clients]
        self._turn += 1
        self._write(batch.files)
        self.stage.save(CANARY, self._turn, namespace=_CALM)
        found = await self._out_of_sync(within_s)
        for client, rejected in zip(self.stage.clients, before, strict=True):
            found = await self._nack(client, rejected) or found
        return self._last_words() or found

    async def fails(self, batch: Batch) -> bool:
        """Whether something is wrong with this one alone."""
        wrong = await self.wrong(batch, _AGAIN_S)
        await self.recover(bool(wrong))
        return bool(wrong)

    async def recover(self, wrong: bool = True) -> None:
        """Serve nothing, by another process if something was wrong: a source is not tried again at once."""
        self._write({})
        if wrong:
            self.stage.plane.close()
            await self.stage.restart()
        if complaint := await self.wrong(separate(())):
            raise Unavailable(f"not in sync after a restart: {complaint}")

    def _write(self, files: Mapping[str, bytes]) -> None:
        """As the folder's only files; each appears at once and whole."""
        for file in self._folder.iterdir():
            if file.name not in files:
                file.unlink()
        for name, data in files.items():
            draft = self._folder / f".{name}"
            draft.write_bytes(data)
            os.replace(draft, self._folder / name)

    async def _out_of_sync(self, within_s: float) -> str:
        complaints, self.stage.outcome.complaints = self.stage.outcome.complaints, []
        await self.stage.arrives(f"{CANARY}.{_CALM}", self._turn, within_s)
        late, self.stage.outcome.complaints = self.stage.outcome.complaints, complaints
        if late:
            return "; ".join([*late, *(warning for warning in await self._warnings() if "source" in warning)])
        if not await until(self._agree, within_s, every_s=_QUIET_S):
            return await self._difference()
        await self._note_quarantines()
        return ""

    async def _agree(self) -> bool:
        """Whether two Envoys that differ in their variant alone have the same, and had it before already."""
        before, self._had = self._had, [await _config(client) for client in self.stage.clients]
        return before == self._had and not await self._difference()

    async def _difference(self) -> str:
        """What two Envoys do not have in common that differ in their variant alone; empty if nothing."""
        pairs = zip(self.stage.clients[::2], self.stage.clients[1::2], strict=True)
        found = [await _differ(one, other) for one, other in pairs]
        return "; ".join(filter(None, found))

    async def newcomer(self) -> str:
        """What an Envoy that starts now has not in common with those that lived through everything."""
        found = []
        for said, old in zip(_SAID, self.stage.clients[::2], strict=True):
            new = await self.stage.client(old.variant == "delta", tapped=False, **said)
            self.stage.clients.remove(new)
            await until(lambda old=old, new=new: _same(old, new), _SYNC_S)
            found.append(await _differ(old, new))
        return "; ".join(filter(None, found))

    async def _note_quarantines(self) -> None:
        for warning in await self._warnings():
            if "quarantined" in warning:
                self.held[warning] = self.held.get(warning, 0) + 1

    async def _warnings(self) -> list[str]:
        """What /readyz says is the matter."""
        _, text = await self.stage.readyz()
        try:
            said = json.loads(text)
            return [*said["reasons"], *said["warnings"]]
        except (ValueError, LookupError):
            return []

    async def _nack(self, client: Client, before: Mapping[str, int]) -> str:
        now = await self._rejected(client)
        more = sorted(name for name in now if now[name] > before.get(name, 0))
        return f"{client.name} rejected {', '.join(more)}: {self._rejection()}" if more else ""

    async def _rejected(self, client: Client) -> dict[str, int]:
        return await client.envoy.rejected()

    def _rejection(self) -> str:
        """What the control plane was told last of what an Envoy refused."""
        for line in reversed(self.stage.plane.log.splitlines()):
            if '"rejected' in line or "NACK" in line or "refused" in line:
                return line[:500]
        return ""

    def _last_words(self) -> str:
        """Of a control plane that has ended, or a traceback in its log."""
        try:
            self.stage.plane.require()
        except Unavailable as ended:
            return str(ended)
        log = self.stage.plane.log
        news, self._read = log[self._read :], len(log)
        if "Traceback" in news:
            return f"a traceback: {news[news.index('Traceback') :][-300:]!r}"
        return ""


async def _same(one: Client, other: Client) -> bool:
    return not await _differ(one, other)


async def _differ(one: Client, other: Client) -> str:
    """What two Envoys do not have in common; empty if nothing."""
    has, others = await _config(one), await _config(other)
    names = sorted(name for name in has | others if has.get(name) != others.get(name))
    told = "; ".join(f"{name}: {has.get(name)} and {others.get(name)}" for name in names[:2])
    return f"{one.name} and {other.name} differ in {len(names)} places: {told}" if names else ""


async def _config(client: Client) -> dict[str, str]:
    """Its dynamic configuration as comparable text, by kind and name."""
    sections = await client.envoy.config()
    entries = [(kind, one) for section in sections for kind in _DYNAMIC for one in section.get(kind, ())]
    bodies = [(kind, _body(one)) for kind, one in entries]
    found = {f"{kind} {body['name']}": json.dumps(body, sort_keys=True) for kind, body in bodies if body}
    # The routes of a listener that is gone stay until its last connection has ended.
    stale = {name for name in found if name.startswith(_ROUTES) and not _in_use(name, found)}
    # The egress listener says where this very Envoy listens.
    return {name: found[name] for name in found.keys() - stale - {_LISTENER + "egress"}}


def _in_use(routes: str, found: dict[str, str]) -> bool:
    name = routes.removeprefix(_ROUTES)
    return f'"route_config_name": {json.dumps(name)}' in found.get(_LISTENER + name, "")


def _body(entry: dict[str, Any]) -> dict[str, Any]:
    """A listener has none once it is gone and only waits for the end of its connections."""
    state = entry.get("active_state", entry)
    return next((state[key] for key in ("cluster", "route_config", "listener") if key in state), {})
