"""The admin port as its settings ask for it: its address, its certificates, and whom it lets in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

from starlette.types import ASGIApp

from pilothouse.admin.access.credentials import TokenFile
from pilothouse.admin.access.gate import Gate
from pilothouse.admin.access.rules import Terms
from pilothouse.admin.encryption import Renewing
from pilothouse.admin.serve import ADMIN, serving
from pilothouse.admin.settings import AdminSettings
from pilothouse.feeds.pem import Files
from pilothouse.server.certificates import Certificates


class Entrance:
    """Serves the pages to those who may ask. Its files are followed while it serves."""

    def __init__(self, settings: AdminSettings) -> None:
        """Raises ValueError if a file cannot be used."""
        self._address = settings.admin
        self._by_certificate = settings.admin_client_ca is not None
        self.certificates: Certificates | None = None
        self.tokens: TokenFile | None = None
        if settings.admin_tls_cert is not None and settings.admin_tls_key is not None:
            files = settings.admin_tls_cert, settings.admin_tls_key, settings.admin_client_ca
            self.certificates = Certificates(Files(*files))
        if settings.admin_tokens is not None:
            self.tokens = TokenFile(settings.admin_tokens)

    def look(self) -> None:
        """Read the tokens again soon. The certificates are looked at beside those of the other port."""
        if self.tokens:
            self.tokens.look()

    @asynccontextmanager
    async def serving(self, app: ASGIApp) -> AsyncIterator[int]:
        """Serve while the block runs, and yield the port. Raises OSError, as `admin.serve` does."""
        tls = Renewing(self.certificates) if self.certificates else None
        with ExitStack() as following:
            for each in (self.certificates, self.tokens):
                if each:
                    following.enter_context(each.watched())
            gate, terms = Gate(app, self._terms), replace(ADMIN, tls=tls)
            async with serving(gate, self._address.host, self._address.port, terms) as port:
                yield port

    def _terms(self) -> Terms:
        tokens = self.tokens.tokens if self.tokens else None
        return Terms(self._address.host, tokens, self._by_certificate)
