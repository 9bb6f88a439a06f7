"""What is shown to the API server at each request. Files and plugins are asked again: they may change."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import ssl
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from pilothouse.apiserver.kubeconfig import Access, Pem, Plugin
from pilothouse.structures.paths import content
from pilothouse.structures.threads import on_a_thread

_LARGEST = 1 << 20
# What a plugin said is asked for anew so long before it expires.
_EARLY_S = 10.0
_PATIENCE_S = 30.0
_FAREWELL_S = 1.0
_DISK_S = 10.0


class NoCredentials(OSError):
    """Nothing can be shown: a file or a plugin fails. One line, which holds no secret."""


class Shown(NamedTuple):
    """The headers and the TLS of a request; None for one without TLS."""

    headers: tuple[tuple[str, str], ...]
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class _Said:
    """What a plugin said; `until` in Unix seconds."""

    token: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    until: float = float("inf")


class Credentials:
    """Of one `Access`. A plugin has `patience_s` seconds for its answer."""

    def __init__(self, access: Access, patience_s: float = _PATIENCE_S) -> None:
        self._access, self._patience_s = access, patience_s
        self._said: _Said | None = None
        self._asking = asyncio.Lock()
        self._failures, self._failure = 0, ""  # of the plugin
        self._tls: tuple[bytes, ssl.SSLContext] | None = None

    async def shown(self) -> Shown:
        """What is to be shown now. Raises NoCredentials."""
        said = await self._plugin_said() if self._access.plugin else _Said()
        try:
            async with asyncio.timeout(_DISK_S):
                token, tls = await on_a_thread(partial(self._read, said), "credentials")
        except TimeoutError:
            raise NoCredentials("the disk with the credentials does not answer") from None
        return Shown((*self._access.headers, *self._authorization(token)), tls)

    def refused(self) -> None:
        """The API server does not know whom it was shown: what a plugin said is asked for anew."""
        self._said = None

    def _authorization(self, token: str) -> Iterator[tuple[str, str]]:
        if token:
            yield "Authorization", f"Bearer {token}"
        elif self._access.basic:
            pair = ":".join(self._access.basic).encode()
            yield "Authorization", f"Basic {b64encode(pair).decode()}"

    def _read(self, said: _Said) -> tuple[str, ssl.SSLContext | None]:
        """On a thread, since files may be on a disk that does not answer."""
        access = self._access
        token = said.token or access.token
        if access.token_file and not token:
            token = _file(access.token_file).decode("ascii", "replace").strip()
            if not token:
                raise NoCredentials(f"{access.token_file}: is empty, where a token should be")
            if not token.isprintable() or not token.isascii():
                raise NoCredentials(f"{access.token_file}: is no token")
        return token, self._context(said) if access.server.startswith("https:") else None

    def _context(self, said: _Said) -> ssl.SSLContext:
        """Made anew only if what it is made of has changed, so that connections can be used again."""
        access = self._access
        authority = b"" if access.insecure or access.authority is None else _pem(access.authority)
        certificate = said.certificate or (_pem(access.certificate) if access.certificate else b"")
        key = said.key or (_pem(access.key) if access.key else b"")
        digest = hashlib.sha256(b"\0".join((authority, certificate, key))).digest()
        if self._tls is None or self._tls[0] != digest:
            self._tls = digest, _context(access, authority, certificate, key)
        return self._tls[1]

    async def _plugin_said(self) -> _Said:
        failures = self._failures
        async with self._asking:
            if self._said is None or self._said.until - _EARLY_S < time.time():
                if self._failures != failures:  # it has failed for whoever was waiting here, too
                    raise NoCredentials(self._failure)
                assert self._access.plugin
                try:
                    self._said = await _ask(self._access.plugin, self._patience_s)
                except NoCredentials as error:
                    self._failures, self._failure = self._failures + 1, str(error)
                    raise
            return self._said


def _context(access: Access, authority: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, ValueError):
        raise NoCredentials(
            f"{_of(access.authority, 'certificate-authority')}: holds no certificate"
        ) from None
    if access.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate or key:
        place = _of(access.certificate, "client-certificate")
        try:
            load_chain(context, certificate, key)
        except OSError:
            raise NoCredentials(f"{place}: is no certificate with its key in PEM") from None
    return context


def load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have a context show a certificate, given in PEM. Raises OSError if they are none, or do not fit.

    The library reads files only, so there are some for a moment, which nobody else can read.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "tls.crt"), Path(folder, "tls.key")
        for file, data in zip(files, (certificate, key), strict=True):
            file.touch(mode=0o600)
            file.write_bytes(data)
        context.load_cert_chain(*files, password=lambda: "")


def _of(pem: Pem | None, field: str) -> str:
    """Where something stands."""
    return str(pem) if isinstance(pem, Path) else f"{field}-data"


def _pem(pem: Pem) -> bytes:
    return pem if isinstance(pem, bytes) else _file(pem)


def _file(file: Path) -> bytes:
    try:
        return content(file, _LARGEST)
    except OSError as error:
        raise NoCredentials(f"{file}: {error.strerror}") from None


async def _ask(plugin: Plugin, patience_s: float) -> _Said:
    """Run a plugin. What it writes is read by nobody else and told nobody: it holds a secret."""
    name = f"the plugin {plugin.command}"
    info = {"apiVersion": plugin.version, "kind": "ExecCredential", "spec": _spec(plugin)}
    environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        hint = f"; {' '.join(plugin.hint.split())}" if plugin.hint else ""
        reason = getattr(error, "strerror", None) or error
        raise NoCredentials(f"{name} cannot be run: {reason}{hint}") from None
    try:
        async with asyncio.timeout(patience_s):
            assert process.stdout
            output = await _all(process.stdout)
            status = await process.wait()
    except TimeoutError:
        raise NoCredentials(f"{name} has not answered within {patience_s:g} s") from None
    finally:
        if process.returncode is None:
            await _end(process)
    if status:
        raise NoCredentials(f"{name} ended with status {status}")
    return _credential(output, plugin, name)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it with what it has started itself."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Its end is told after that of its output, which somebody may hold who has left its group.
    with suppress(TimeoutError):
        async with asyncio.timeout(_FAREWELL_S):
            assert process.stdout
            await _all(process.stdout)
            await process.wait()


async def _all(stream: asyncio.StreamReader) -> bytes:
    """What is written until the end. What is too much for a credential is read and forgotten."""
    found = bytearray()
    while more := await stream.read(_LARGEST):
        found += more[: _LARGEST - len(found)]
    return bytes(found)


def _spec(plugin: Plugin) -> dict[str, object]:
    said: dict[str, object] = {"interactive": False}
    return said if plugin.cluster is None else {**said, "cluster": plugin.cluster}


class _Status(msgspec.Struct, gc=False):
    token: str = ""
    certificate: str = msgspec.field(name="clientCertificateData", default="")
    key: str = msgspec.field(name="clientKeyData", default="")
    until: datetime | None = msgspec.field(name="expirationTimestamp", default=None)


class _Credential(msgspec.Struct, gc=False):
    version: str = msgspec.field(name="apiVersion")
    kind: str
    status: _Status


def _credential(output: bytes, plugin: Plugin, name: str) -> _Said:
    """From an ExecCredential. Raises NoCredentials, whose text repeats nothing of it."""
    try:
        found = msgspec.json.decode(output, type=_Credential)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise NoCredentials(f"{name} wrote no ExecCredential: {error}") from None
    said = found.status
    if found.kind != "ExecCredential" or found.version != plugin.version:
        raise NoCredentials(f"{name} wrote no ExecCredential of {plugin.version}")
    if not said.token and not (said.certificate and said.key):
        raise NoCredentials(f"{name} said neither a token nor a certificate with its key")
    if not (said.token.isprintable() and said.token.isascii()):
        raise NoCredentials(f"{name} said a token with characters that cannot be in a header")
    until = float("inf")
    if said.until:
        until = (said.until if said.until.tzinfo else said.until.replace(tzinfo=UTC)).timestamp()
    return _Said(said.token, said.certificate.encode() or None, said.key.encode() or None, until)
