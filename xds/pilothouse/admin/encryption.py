"""TLS of the admin port, with certificates that are renewed while it serves."""

from __future__ import annotations

import ssl

import structlog

from pilothouse.apiserver.credentials import load_chain
from pilothouse.feeds.pem import Tls
from pilothouse.server.certificates import Certificates

log = structlog.get_logger(__name__)


class Renewing(ssl.SSLContext):
    """A context that uses, for each new connection, the certificates that are in force then.

    Event loops call `wrap_bio` for each connection. A context of its own for each version also forgets the
    CAs of the version before, which one context cannot.
    """

    _certificates: Certificates
    _used: tuple[Tls, ssl.SSLContext]

    def __new__(cls, certificates: Certificates) -> Renewing:
        """Raises OSError if the library refuses the certificates."""
        found = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        found._certificates = certificates
        found._used = certificates.tls, _context(certificates.tls)
        return found

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        present = self._certificates.tls
        if present is not self._used[0]:
            self._used = present, self._made(present)
        return self._used[1].wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def _made(self, present: Tls) -> ssl.SSLContext:
        try:
            return _context(present)
        except OSError as error:  # the files fit together, and the library has rules of its own
            log.error("certificates of the admin cannot be used, keeping the earlier ones", reason=str(error))
            return self._used[1]


def _context(tls: Tls) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    # A resumed session would prove the certificate of a CA that has been removed meanwhile.
    found.options |= ssl.OP_NO_TICKET
    found.num_tickets = 0
    load_chain(found, tls.cert, tls.key)
    if tls.client_ca is not None:
        found.load_verify_locations(cadata=tls.client_ca.decode("ascii", "ignore"))
        # Not required: a probe has no certificate.
        found.verify_mode = ssl.CERT_OPTIONAL
    return found
