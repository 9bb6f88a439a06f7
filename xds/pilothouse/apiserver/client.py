"""A thin client of the API server: lists in pages, watches, writes, and which kinds there are. No retries."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec

from pilothouse import __version__
from pilothouse.apiserver.answers import Event, Page, Status, Unreadable, document, event, page, status
from pilothouse.apiserver.credentials import Credentials, NoCredentials
from pilothouse.apiserver.kubeconfig import Access

_PAGE = 500
_CONNECT_S = 10.0
_ANSWER_S = 30.0
_ASK_S = 5.0
_BUFFER = 1 << 18
# No object is larger than etcd takes, which is a few megabytes.
_LONGEST_LINE = 64 << 20
_LONGEST_MESSAGE = 400

_GOOD = (200, 201)
_LIST = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"

Parameters = Mapping[str, str]


class _Request(NamedTuple):
    path: str
    parameters: Parameters
    headers: Mapping[str, str]
    read_s: float  # how long to wait for a part of the answer
    method: str = "GET"
    data: bytes | None = None


class Unreachable(OSError):
    """There is no answer, or not all of it. One line that names the server."""


class Refused(OSError):
    """The API server answers that it will not. One line that names it."""

    def __init__(self, server: str, said: Status, status: int, retry_after_s: float = 0.0) -> None:
        reason = said.message or said.reason or "no reason is given"
        super().__init__(f"{server}: {status}: {_one_line(reason)}")
        self.status, self.retry_after_s = status, retry_after_s

    @property
    def expired(self) -> bool:
        """Whether a resourceVersion is too old, so that one has to begin anew."""
        return self.status == 410

    @property
    def missing(self) -> bool:
        """Whether there is no such object, or no such kind."""
        return self.status == 404

    @property
    def conflicting(self) -> bool:
        """Whether somebody was first: the object is there already, or has changed since it was read."""
        return self.status == 409

    @property
    def forbidden(self) -> bool:
        """Whether who asks lacks the permission. The message names it."""
        return self.status == 403


class Client:
    """An async context. All that it raises is OSError, or Unreadable, which the text of a failure can be."""

    def __init__(self, access: Access, credentials: Credentials, quiet_s: float) -> None:
        """A watch that says nothing for `quiet_s` seconds is taken for dead."""
        self._access, self._credentials, self._quiet_s = access, credentials, quiet_s
        self._proxy = access.proxy or _proxy(access.server)
        self._session: aiohttp.ClientSession | None = None
        #: Whether lists may come as the beginning of a watch; to be set to False where that is refused.
        self.streams_lists = True

    async def __aenter__(self) -> Self:
        # Watches stay open: there is one a kind and namespace.
        self._connector = connector = aiohttp.TCPConnector(limit=0, limit_per_host=0)
        agent = {"User-Agent": f"pilothouse/{__version__}", "Accept-Encoding": "identity"}
        self._session = aiohttp.ClientSession(connector=connector, headers=agent, read_bufsize=_BUFFER)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._session
        await self._connector.close(abort_ssl=True)
        await self._session.close()

    async def list(
        self, path: str, parameters: Parameters, metadata: bool = False, paged: bool = True
    ) -> AsyncGenerator[Page]:
        """A list, part by part. It is whole only if nothing is raised."""
        further = ""
        asked = {**parameters, "limit": str(_PAGE)} if paged else dict(parameters)
        while True:
            headers = {"Accept": _METADATA.format("List") if metadata else _LIST}
            beginning = {**asked, "continue": further} if further else asked
            found = page(await self._read(path, beginning, headers, _ANSWER_S))
            yield found
            further = found.further
            if not further:
                return

    @asynccontextmanager
    async def watch(
        self, path: str, parameters: Parameters, metadata: bool = False
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a watch, until the server ends it."""
        headers = {"Accept": _METADATA.format("") if metadata else _LIST}
        asked = {**parameters, "watch": "1", "allowWatchBookmarks": "true"}
        async with self._answer(_Request(path, asked, headers, self._quiet_s)) as response:
            yield self._events(response.content)

    async def get(self, path: str) -> dict[str, Any]:
        """One object. Raises Refused, which is `missing` if it is not there."""
        return document(await self._read(path, {}, {"Accept": _LIST}, _ANSWER_S))

    async def find(self, path: str) -> dict[str, Any] | None:
        """One object. None if it is not there."""
        try:
            return await self.get(path)
        except Refused as refused:
            if refused.missing:
                return None
            raise

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Add an object to the list at a path. Raises Refused, which is `conflicting` if it is there."""
        return await self._write("POST", path, body, _LIST)

    async def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write all of an object. Raises Refused, which is `conflicting` if somebody was first."""
        return await self._write("PUT", path, body, _LIST)

    async def apply(self, path: str, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Own the fields that the body has, and no others, as `manager` (server-side apply)."""
        parameters = {"fieldManager": manager, "force": "true"}
        return await self._write("PATCH", path, body, "application/apply-patch+yaml", parameters)

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        content_type: str,
        parameters: Parameters = MappingProxyType({}),
    ) -> dict[str, Any]:
        headers = {"Accept": _LIST, "Content-Type": content_type}
        asked = _Request(path, parameters, headers, _ANSWER_S, method, msgspec.json.encode(body))
        async with self._answer(asked) as response:
            return document(await response.read())

    async def kinds(self, group: str) -> Mapping[str, Sequence[str]]:
        """Which kinds of an API group there are, by version; nothing if the group is not there."""
        found: dict[str, Sequence[str]] = {}
        for version in await self._names(f"/apis/{group}", "versions", "version"):
            found[version] = await self._names(f"/apis/{group}/{version}", "resources", "kind")
        return found

    async def _names(self, path: str, items: str, field: str) -> Sequence[str]:
        try:
            answer = msgspec.json.decode(await self._read(path, {}, {"Accept": _LIST}, _ASK_S))
            return [str(item[field]) for item in answer[items]]
        except Refused as refused:
            if refused.missing:
                return ()
            raise
        except (msgspec.MsgspecError, UnicodeError, LookupError, TypeError):
            raise Unreachable(
                f"{self._access.server}: {path} is not answered as an API server does"
            ) from None

    async def _read(self, path: str, parameters: Parameters, headers: Mapping[str, str], s: float) -> bytes:
        async with self._answer(_Request(path, parameters, headers, s)) as response:
            return await response.read()

    async def _events(self, content: aiohttp.StreamReader) -> AsyncIterator[Event]:
        rest = bytearray()
        while chunk := await self._chunk(content):
            *lines, last = chunk.split(b"\n")
            for line in lines:
                if rest or line:
                    yield event(bytes(rest + line) if rest else line)
                    rest.clear()
            rest += last
            if len(rest) > _LONGEST_LINE:
                raise Unreadable(f"an event has more than {_LONGEST_LINE} bytes")

    async def _chunk(self, content: aiohttp.StreamReader) -> bytes:
        """What has come next; nothing at the end. Raises Unreachable where the answer is cut."""
        try:
            return await content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self._access.server}: {_reason(error)}")

    @asynccontextmanager
    async def _answer(self, asked: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer. A failure while it is read is told as one of the server, too."""
        assert self._session
        shown = await self._credentials.shown()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=asked.read_s)
        try:
            async with self._session.request(
                asked.method,
                self._access.server + asked.path,
                data=asked.data,
                params=dict(asked.parameters),
                headers=[*shown.headers, *asked.headers.items()],
                ssl=shown.tls or True,
                server_hostname=self._access.server_name or None,
                proxy=self._proxy or None,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.status not in _GOOD:
                    raise await self._refusal(response)
                try:
                    yield response
                finally:
                    _abandon(response)
        except (Refused, Unreachable, NoCredentials):
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> Refused:
        if response.status == 401:
            self._credentials.refused()
        body = await response.content.read(_BUFFER)
        said = status(body)
        if not said.message:
            said = Status(message=f"{response.reason or ''} {body[:200].decode('ascii', 'replace')}")
        header = response.headers.get("Retry-After", "")
        wait_s = float(header) if header.isdigit() else 0.0
        if said.details:
            wait_s = max(wait_s, said.details.retry_after_s)
        return Refused(self._access.server, said, response.status, wait_s)

    def refusal(self, data: Any) -> Refused:
        """What the object of an ERROR event says."""
        said = status(data)
        wait_s = float(said.details.retry_after_s) if said.details else 0.0
        return Refused(self._access.server, said, said.code or 500, wait_s)


def _abandon(response: aiohttp.ClientResponse) -> None:
    """Of an answer that is not read to its end nobody waits for the server's farewell."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _reason(error: Exception) -> str:
    """Why there is no answer, in a line."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        why = found.verify_message if isinstance(found, ssl.SSLCertVerificationError) else str(found)
        return f"its certificate is not accepted: {_one_line(why)}"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answers {error.status} {_one_line(error.message)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {_one_line(error.os_error.strerror or str(error.os_error))}"
    return _one_line(str(error) or type(error).__name__)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}..."


def _proxy(server: str) -> str:
    """The one that the environment names for this server."""
    parts = urlsplit(server)
    if proxy_bypass(parts.netloc):
        return ""
    proxy = getproxies().get(parts.scheme, "")
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"
