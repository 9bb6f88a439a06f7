"""The settings of the admin port: where it is, which is all that `health` needs, and who may use it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from pilothouse.admin.access.rules import is_loopback
from pilothouse.server.settings import PemFile, check_pem_files
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.sections import Address, Conflict, Flag, Section

_CERTIFICATE = Flag("TLS certificate of the admin port. Turns TLS on there.", "FILE")


class AdminAddress(Section):
    """`workers` processes share the xDS port. Each has its own admin port, counting up from `admin`.

    The port speaks TLS if `admin_tls_cert` is set.
    """

    admin: Annotated[Address, Flag("Admin HTTP listen address.", "HOST:PORT")] = HostPort("127.0.0.1", 18001)
    workers: Annotated[
        int, Field(ge=1, le=64), Flag("Number of processes that share the xDS port.", "COUNT")
    ] = 1
    admin_tls_cert: Annotated[Path | None, _CERTIFICATE] = None

    @model_validator(mode="after")
    def _ports_suffice(self) -> Self:
        if self.admin.port + self.workers - 1 > 65535:
            mistake = f"there are not {self.workers} ports from {self.admin} upwards, one for each"
            raise Conflict(mistake, "workers", "admin")
        return self


class AdminSettings(AdminAddress):
    """Who may use the API. A token is never taken in plain text over a network."""

    admin_tls_cert: Annotated[PemFile | None, _CERTIFICATE] = None
    admin_tls_key: Annotated[PemFile | None, Flag("Private key of --admin-tls-cert.", "FILE")] = None
    admin_client_ca: Annotated[
        PemFile | None, Flag("CA of the certificates by which clients may use the API.", "FILE")
    ] = None
    admin_tokens: Annotated[
        Path | None, Flag("Who may use the API: lines of NAME:TOKEN or NAME:TOKEN:read.", "FILE")
    ] = None

    @model_validator(mode="after")
    def _admin_tls_could_work(self) -> Self:
        cert, key, ca = self.admin_tls_cert, self.admin_tls_key, self.admin_client_ca
        if (cert is None) != (key is None):
            raise Conflict("one needs the other", "admin_tls_cert", "admin_tls_key")
        if ca and not cert:
            raise Conflict("needs --admin-tls-cert and --admin-tls-key", "admin_client_ca")
        if cert and key:
            check_pem_files(cert, key, ca, ("admin_tls_cert", "admin_tls_key", "admin_client_ca"))
        return self

    @model_validator(mode="after")
    def _tokens_can_be_used(self) -> Self:
        if self.admin_tokens is None:
            return self
        if self.admin_tls_cert is None and not is_loopback(self.admin.host):
            mistake = (
                f"would be sent in plain text to {self.admin}: needs --admin-tls-cert and --admin-tls-key"
            )
            raise Conflict(mistake, "admin_tokens")
        # Not at the top: most commands read no tokens.
        from pilothouse.admin.access.credentials import tokens

        try:
            tokens(self.admin_tokens)
        except ValueError as error:
            raise Conflict(str(error), "admin_tokens") from None
        return self
