"""What an operator sets about who may connect to the xDS port and as whom: a section of the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from pilothouse.mesh.identity import Rule, rules
from pilothouse.structures.paths import present


class IdentityMap(NamedTuple):
    """A file of rules, and what it holds."""

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
    return IdentityMap(file, tuple(rules(str(file), file.read_bytes())))


def _check(cert: Path, key: Path, client_ca: Path | None = None) -> None:
    # Not at the top: most commands have no certificates to look at.
    from pilothouse.feeds.pem import Files, read

    read(Files(cert, key, client_ca))


PemFile = Annotated[Path, AfterValidator(_readable)]


class Security(BaseModel):
    """TLS turns mutual with `client_ca`.

    `identity` is what says in which namespace a sidecar is: its certificate, whose names `identity_map`
    maps to namespaces, or its own metadata. With `client_ca` it is the certificate by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tls_cert: PemFile | None = None
    tls_key: PemFile | None = Field(default=None, validate_default=True)
    client_ca: PemFile | None = None
    identity: Literal["certificate", "metadata"] | None = Field(default=None, validate_default=True)
    identity_map: Annotated[IdentityMap, PlainValidator(_identity_map)] | None = None

    @field_validator("tls_key")
    @classmethod
    def _key_fits(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        cert: Path | None = info.data.get("tls_cert")
        if (cert is None) != (key is None):
            raise ValueError("--tls-cert and --tls-key go together")
        if cert and key:
            _check(cert, key)
        return key

    @field_validator("client_ca")
    @classmethod
    def _ca_is_used(cls, ca: Path | None, info: ValidationInfo) -> Path | None:
        cert, key = info.data.get("tls_cert"), info.data.get("tls_key")
        if ca and cert is None:
            raise ValueError("--client-ca needs --tls-cert and --tls-key")
        if ca and cert and key:
            _check(cert, key, ca)
        return ca

    @field_validator("identity")
    @classmethod
    def _identity_can_be_known(cls, identity: str | None, info: ValidationInfo) -> str:
        ca = info.data.get("client_ca")
        if identity == "certificate" and ca is None:
            raise ValueError("certificate needs --client-ca: without it, sidecars need no certificate")
        return identity or ("certificate" if ca else "metadata")

    @field_validator("identity_map")
    @classmethod
    def _identity_map_is_used(cls, map: IdentityMap | None, info: ValidationInfo) -> IdentityMap | None:
        if map and info.data.get("identity") == "metadata":
            raise ValueError("--identity-map needs --client-ca and --identity certificate")
        return map
