"""The settings of the xDS port: where it listens, who may connect, and how sidecars are identified."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator, model_validator

from pilothouse.mesh.identity import Rule, rules
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.paths import present
from pilothouse.structures.sections import Address, Conflict, Flag, Section


class IdentityMap(NamedTuple):
    """A file of rules and its content."""

    file: Path
    rules: tuple[Rule, ...]


def _readable(path: Path) -> Path:
    if not present(path).is_file() or not os.access(path, os.R_OK):
        raise ValueError(f"{path} is not a file that can be read")
    return path


def _identity_map(value: object) -> IdentityMap:
    if not isinstance(value, str | Path):
        raise ValueError("must be the name of a file")
    file = _readable(Path(value))
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    return IdentityMap(file, tuple(rules(str(file), text)))


PemFile = Annotated[Path, AfterValidator(_readable)]


class XdsSettings(Section):
    """`client_ca` makes TLS mutual.

    `identity` says what names the namespace of a sidecar: its certificate, whose names `identity_map` maps to
    namespaces, or its metadata. With `client_ca`, the default is the certificate.

    A connection and its streams live for `max_connection_age_s` seconds. The sidecar then reconnects and
    receives nothing twice. Without this limit, streams would never spread to replicas that start later, and
    an open connection would keep an old client certificate.
    """

    xds: Annotated[Address, Flag("xDS gRPC listen address.", "HOST:PORT")] = HostPort("127.0.0.1", 18000)
    tls_cert: Annotated[PemFile | None, Flag("TLS certificate of the xDS port. Turns TLS on.", "FILE")] = None
    tls_key: Annotated[PemFile | None, Flag("Private key of --tls-cert.", "FILE")] = None
    client_ca: Annotated[
        PemFile | None,
        Flag("CA that must have signed the certificates of sidecars. Turns mutual TLS on.", "FILE"),
    ] = None
    identity: Annotated[
        Literal["certificate", "metadata"] | None,
        Field(validate_default=True),
        Flag(
            "What names a sidecar's namespace.",
            "certificate|metadata",
            default="certificate with --client-ca, else metadata",
        ),
    ] = None
    identity_map: Annotated[
        Annotated[IdentityMap, PlainValidator(_identity_map)] | None,
        Flag("YAML file that maps certificate names to namespaces.", "FILE"),
    ] = None
    # gRPC stores milliseconds in 32 bits.
    max_connection_age_s: Annotated[
        float,
        Field(gt=0, le=2_000_000, allow_inf_nan=False),
        Flag("Maximum age of a connection; the sidecar then reconnects.", "SECONDS"),
    ] = 1800

    @field_validator("identity")
    @classmethod
    def _said_or_followed(cls, identity: str | None, info: ValidationInfo) -> str:
        return identity or ("certificate" if info.data.get("client_ca") else "metadata")

    @model_validator(mode="after")
    def _tls_could_work(self) -> Self:
        cert, key, ca = self.tls_cert, self.tls_key, self.client_ca
        if (cert is None) != (key is None):
            raise Conflict("one needs the other", "tls_cert", "tls_key")
        if ca and not cert:
            raise Conflict("needs --tls-cert and --tls-key", "client_ca")
        if cert and key:
            check_pem_files(cert, key, ca, ("tls_cert", "tls_key", "client_ca"))
        return self

    @model_validator(mode="after")
    def _identity_can_be_known(self) -> Self:
        if self.identity == "certificate" and self.client_ca is None:
            raise Conflict(
                "certificate needs --client-ca: without it, sidecars need no certificate", "identity"
            )
        if self.identity_map and self.identity == "metadata":
            raise Conflict("needs --client-ca and --identity certificate", "identity_map")
        return self


def check_pem_files(cert: Path, key: Path, client_ca: Path | None, names: tuple[str, str, str]) -> None:
    """Raises Conflict if the files cannot be used together. `names` are those of the settings."""
    # Not at the top: most commands read no certificates.
    from pilothouse.feeds.pem import Files, read

    try:
        read(Files(cert, key))
    except ValueError as error:
        raise Conflict(str(error), *names[:2]) from None
    if client_ca:
        try:
            read(Files(cert, key, client_ca))
        except ValueError as error:
            raise Conflict(str(error), names[2]) from None
