"""Keeps the certificates of the webhook in a Secret, for all replicas, and their CAs where the API server is
told whom to trust.

Each replica does the same, and whoever is first is right: the others find a conflict, and read what is there.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from pilothouse.apiserver.answers import Unreadable
from pilothouse.apiserver.client import Client, Refused
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.structures.backoff import pause_s
from pilothouse.webhook.certificates import Broken, Keys, made, read, renewed

log = structlog.get_logger(__name__)

_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_MANAGER = "pilothouse-webhook"
_ATTEMPTS = 5
_LOOK_S = 60.0
_RETRY_S = (0.5, 30.0)  # the first and the longest pause after a failure

_Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where what belongs to the webhook is: its Service and its Secret in a namespace, and its
    MutatingWebhookConfiguration.
    """

    namespace: str
    service: str
    secret: str
    configuration: str

    @property
    def server_name(self) -> str:
        """By which name the API server knows us."""
        return f"{self.service}.{self.namespace}.svc"


def _now() -> datetime:
    return datetime.now(UTC)


class Keeper:
    """`use` is called with the keys that are in force, whenever they are others than before."""

    def __init__(
        self,
        client: Client,
        place: Place,
        use: Callable[[Keys], None],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._client, self._place, self._use, self._now = client, place, use, now
        self._secrets = f"/api/v1/namespaces/{place.namespace}/secrets"
        self._configuration = f"{_CONFIGURATIONS}/{place.configuration}"
        self._keys: Keys | None = None
        self._seen = b""  # the CAs that were trusted at the look before

    async def keep(self, again: asyncio.Event) -> None:
        """Check every minute, and when `again` is set, until this is cancelled. Failures are logged once."""
        problem, failures = "", 0
        while True:
            try:
                await self.check()
            except (OSError, Unreadable) as error:
                failures += 1
                if str(error) != problem:
                    problem = str(error)
                    log.error("the certificates of the webhook cannot be kept", reason=problem)
            else:
                if problem:
                    log.info("the certificates of the webhook are kept again")
                problem, failures = "", 0
            with suppress(TimeoutError):
                async with asyncio.timeout(_until_next_s(failures)):
                    await again.wait()
            again.clear()

    async def check(self) -> None:
        """Use what is in the Secret, renew what is due, and have the API server trust its CAs.

        Raises OSError, or Unreadable.
        """
        for attempt in range(_ATTEMPTS):
            try:
                await self._check()
                return
            except Refused as refused:
                # Another replica was first.
                if not refused.conflicting or attempt == _ATTEMPTS - 1:
                    raise

    async def _check(self) -> None:
        secret = await self._client.find(f"{self._secrets}/{self._place.secret}")
        kept = self._kept(secret)
        if kept:
            self._put(kept)
        webhooks, problem = await self._webhooks()
        now = self._now()
        keys = kept or self._keys or made(self._place.server_name, now)
        keys = renewed(keys, self._place.server_name, self._settled(_trusted(webhooks)), now)
        if keys is not kept:
            await self._write(secret, keys)
            log.info("the certificates of the webhook are made", until=f"{keys.until:%Y-%m-%d}")
            self._put(keys)
        if problem:
            raise problem
        if any(trusted != keys.bundle for trusted in webhooks.values()):
            await self._register(webhooks, keys)

    def _settled(self, trusted: bytes) -> bytes:
        """What has been trusted for a look: every API server has heard of that."""
        before, self._seen = self._seen, trusted
        return trusted if trusted == before else b""

    def _kept(self, secret: _Object | None) -> Keys | None:
        """What can be used of the Secret."""
        if secret is None or (self._keys is None and not secret.get("data")):
            # It is installed empty.
            return None
        try:
            return read(_decoded(secret.get("data")))
        except Broken as broken:
            log.warning("the Secret of the webhook is broken", reason=str(broken))
            return None

    async def _write(self, secret: _Object | None, keys: Keys) -> None:
        """Raises Refused, which is `conflicting` if another replica was first."""
        data = {name: b64encode(value).decode() for name, value in keys.data().items()}
        if secret is None:
            metadata = {"name": self._place.secret, "namespace": self._place.namespace}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
            await self._client.create(self._secrets, body)
        else:
            # With the resourceVersion that was read.
            await self._client.replace(f"{self._secrets}/{self._place.secret}", {**secret, "data": data})

    async def _webhooks(self) -> tuple[Mapping[str, bytes], OSError | Unreadable | None]:
        """The CAs of each that leads here, in PEM; or why they are not known, for which no certificate has to
        expire.
        """
        try:
            found = [*Fields(await self._client.get(self._configuration)).each("webhooks")]
            ours = {
                each.text("name"): _plain(each.at("clientConfig").text("caBundle"))
                for each in found
                if self._leads_here(each)
            }
        except FieldError as error:
            return {}, Unreadable(f"{self._place.configuration}: {error}")
        except (OSError, Unreadable) as error:
            return {}, error
        if not ours:
            what = f"the Service {self._place.namespace}/{self._place.service}"
            return {}, Unreadable(f"{self._place.configuration}: no webhook of it leads to {what}")
        return ours, None

    def _leads_here(self, webhook: Fields) -> bool:
        """Whoever has added another one to the configuration has a CA of their own for it."""
        service = webhook.at("clientConfig").at("service")
        return (service.text("namespace"), service.text("name")) == (
            self._place.namespace,
            self._place.service,
        )

    async def _register(self, webhooks: Iterable[str], keys: Keys) -> None:
        """Own the CA of each webhook, and nothing else of it."""
        bundle = {"caBundle": b64encode(keys.bundle).decode()}
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self._place.configuration},
            "webhooks": [{"name": each, "clientConfig": bundle} for each in webhooks],
        }
        await self._client.apply(self._configuration, body, _MANAGER)
        log.info("the API server is told whom to trust", configuration=self._place.configuration)

    def _put(self, keys: Keys) -> None:
        if self._keys is None or keys.data() != self._keys.data():
            self._use(keys)
        self._keys = keys


def _trusted(webhooks: Mapping[str, bytes]) -> bytes:
    """The CAs that all of them trust, in PEM; nothing if they differ."""
    found = set(webhooks.values())
    return found.pop() if len(found) == 1 else b""


def _decoded(data: object) -> dict[str, bytes]:
    if not isinstance(data, dict):
        return {}
    return {str(name): _plain(value) for name, value in data.items() if isinstance(value, str)}


def _plain(text: str) -> bytes:
    """Out of base64; nothing out of what is none."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _until_next_s(failures: int) -> float:
    """Until the next check, after so many failures in a row."""
    return pause_s(failures - 1, *_RETRY_S) if failures else pause_s(0, _LOOK_S, _LOOK_S)
