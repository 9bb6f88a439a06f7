"""The stream over which the control plane tells of names. When it ends, it is begun again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from pilothouse.agent.subscription import Subscription
from pilothouse.encoding.types import ResourceType
from pilothouse.structures.backoff import pause_s
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.threads import on_a_thread
from pilothouse.structures.turns import in_turns
from pilothouse.structures.written import brief

log = structlog.get_logger(__name__)

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_TURN_S = 0.002  # questions are answered in between
_DISK_S = 10.0
#: A stream that has been open for so long was not refused.
_REFUSED_WITHIN_S = 1.0
_WORDS = 300
#: A control plane that does not answer is noticed within 15 s.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", -1),
    # gRPC's own pause between attempts would come on top of ours.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files: the CA of the control plane, and the certificate and key of this client.

    `name` is in the certificate of the control plane. Empty means the host of its address.
    """

    ca: Path
    cert: Path | None = None
    key: Path | None = None
    name: str = ""


class Following:
    """Keeps up with what the control plane says. `heard_at` is the Unix time of its last word, if any."""

    def __init__(self, at: HostPort, subscription: Subscription, tls: Tls | None = None) -> None:
        self._at, self._subscription, self._tls = at, subscription, tls
        self.connected = False
        self.heard_at: float | None = None
        self.rejected = 0
        #: Why nothing is heard at last. Empty while the control plane is heard.
        self.trouble = ""
        self._failures = 0

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self._stream()
                why = "it has ended the stream"
            except grpc.aio.AioRpcError as error:
                why = f"{error.code().name}: {error.details()}"
            except DecodeError as error:
                why = f"it says what cannot be read: {error}"
            except asyncio.InvalidStateError:
                why = "it has ended the stream before it was answered"
            except (OSError, TimeoutError) as error:
                why = str(error) or "the disk does not answer"
            self._lost(brief(why, _WORDS))
            await asyncio.sleep(pause_s(self._failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))
            self._failures += 1

    def _lost(self, why: str) -> None:
        """Say why nothing is heard, once for each reason, however many attempts follow.

        A stream may end at any time, so the first end is no trouble.
        """
        known = {"control_plane": str(self._at), "names": len(self._subscription.learned)}
        if self.connected:
            log.info("the stream of names has ended", reason=why, **known)
        elif self.trouble != why:
            log.warning("the control plane is away", reason=why, **known)
            self.trouble = why
        self.connected = False

    async def _stream(self) -> None:
        """Raises AioRpcError, OSError, TimeoutError or DecodeError; InvalidStateError at a late write."""
        async with await self._channel() as channel:
            call: Any = channel.stream_stream(
                _METHOD, request_serializer=DeltaDiscoveryRequest.SerializeToString
            )()
            await call.write(self._subscription.first())
            # If nothing has changed since the last stream, nothing is said either.
            silence = asyncio.get_running_loop().call_later(_REFUSED_WITHIN_S, self._connected)
            try:
                async for data in call:
                    silence.cancel()
                    response = DeltaDiscoveryResponse.FromString(data)
                    if response.type_url == ResourceType.NAMES.url:
                        await call.write(await self._answer(response))
            finally:
                silence.cancel()

    def _connected(self) -> None:
        if not self.connected:
            self.connected, self.trouble, self._failures = True, "", 0
            log.info("names are known", control_plane=str(self._at), names=len(self._subscription.learned))

    async def _answer(self, response: DeltaDiscoveryResponse) -> DeltaDiscoveryRequest:
        answer = await in_turns(self._subscription.taking(response), _TURN_S)
        self.heard_at = time.time()
        if answer.HasField("error_detail"):
            self.rejected += 1
            log.error("the control plane says what cannot be used", reason=answer.error_detail.message)
        self._connected()
        return answer

    async def _channel(self) -> grpc.aio.Channel:
        if self._tls is None:
            return grpc.aio.insecure_channel(str(self._at), options=_OPTIONS)
        tls = self._tls
        async with asyncio.timeout(_DISK_S):
            # Anew each time, so that renewed certificates are used.
            credentials = await on_a_thread(lambda: _credentials(tls), "certificates")
        named = [("grpc.ssl_target_name_override", tls.name)] if tls.name else []
        return grpc.aio.secure_channel(str(self._at), credentials, options=[*_OPTIONS, *named])


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    """Raises OSError."""
    key = tls.key.read_bytes() if tls.key else None
    chain = tls.cert.read_bytes() if tls.cert else None
    return grpc.ssl_channel_credentials(tls.ca.read_bytes(), key, chain)
