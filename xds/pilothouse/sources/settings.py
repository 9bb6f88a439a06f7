"""The settings that all sources share, in addition to each source's own section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from pilothouse.kubernetes.served import Network, ServedCluster, network
from pilothouse.model.addresses import in_cluster_set
from pilothouse.sources import HOLD_S, Common
from pilothouse.structures.sections import LISTED, Conflict, Flag, Section
from pilothouse.structures.written import named

_LONGEST_HOLD_S = 7 * 24 * 3600
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _network(value: object) -> Network:
    return network(named(value))


def _domain(name: str) -> str:
    if not _DOMAIN.fullmatch(name):
        raise ValueError(f"{name!r} is not a DNS name in lower case, such as cluster.local")
    if in_cluster_set(name):
        raise ValueError(f"{name!r} is a domain of cluster sets")
    return name


def _suffix(text: str) -> str:
    if not (text.startswith(".") and _DOMAIN.fullmatch(text[1:])):
        raise ValueError(f"{text!r} is not a dot and a DNS name in lower case, such as .mesh")
    if in_cluster_set(text[1:]):
        raise ValueError(f"{text!r} is a domain of cluster sets")
    return text


def _namespace(text: str) -> str:
    if not _DOMAIN.fullmatch(text) or "." in text:
        raise ValueError(f"{text!r} is not a namespace")
    return text


Namespace: TypeAlias = Annotated[str, AfterValidator(_namespace)]
Namespaces: TypeAlias = Annotated[tuple[Namespace, ...], LISTED]


class SharedSettings(Section):
    """`extra_suffixes` are additional suffixes of short host names, beside `cluster_domain`.

    `service_cidr` are the networks of virtual IPs; empty means any.
    `allow_loopback_endpoints` allows endpoints on loopback addresses.
    `state` is a folder for what the next process needs. The default is the platform's; `no_state` keeps
    nothing.
    `accept_missing`: whatever cannot be read counts as absent.
    `hold` is how long a massive loss is held if it is only implied, in seconds. With 0, it is believed at
    once.
    """

    cluster_domain: Annotated[str, AfterValidator(_domain), Flag("Cluster DNS domain.", "NAME")] = (
        "cluster.local"
    )
    extra_suffixes: Annotated[
        tuple[Annotated[str, AfterValidator(_suffix)], ...],
        LISTED,
        Flag("Additional host name suffixes, such as .mesh", "LIST"),
    ] = ()
    include_namespaces: Annotated[Namespaces, Flag("Serve only these namespaces.", "LIST")] = ()
    exclude_namespaces: Annotated[Namespaces, Flag("Serve all namespaces except these.", "LIST")] = ()
    service_cidr: Annotated[
        tuple[Annotated[Network, PlainValidator(_network)], ...],
        LISTED,
        Flag("Networks of virtual IPs, such as 10.96.0.0/16. Others are left out.", "LIST"),
    ] = ()
    allow_loopback_endpoints: Annotated[bool, Flag("Accept endpoints on 127.0.0.0/8 and ::1, for demos.")] = (
        False
    )
    state: Annotated[
        Path | None,
        Flag(
            "Folder that keeps what was last good across restarts.",
            "DIR",
            default="~/.local/state/pilothouse",
        ),
    ] = None
    no_state: Annotated[bool, Flag("Do not keep what was last good across restarts.")] = False
    accept_missing: Annotated[bool, Flag("Treat what is unreadable or missing at start as deleted.")] = False
    hold: Annotated[
        float,
        Field(ge=0, le=_LONGEST_HOLD_S, allow_inf_nan=False),
        Flag("How long to keep services and endpoints that went in masses.", "SECONDS"),
    ] = HOLD_S

    @model_validator(mode="after")
    def _kept_or_not(self) -> Self:
        if self.no_state and self.state is not None:
            raise Conflict("exclude each other", "state", "no_state")
        return self

    def common(self, environment: Mapping[str, str]) -> Common:
        """The settings for every source. The environment says where the platform keeps state."""
        served = ServedCluster(
            self.cluster_domain,
            self.extra_suffixes,
            frozenset(self.include_namespaces),
            frozenset(self.exclude_namespaces),
            self.service_cidr,
            self.allow_loopback_endpoints,
        )
        state = None if self.no_state else self.state or default_folder(environment)
        return Common(served, self.accept_missing, self.hold, state, wanted=self.state is not None)


def default_folder(environment: Mapping[str, str]) -> Path:
    """The platform's folder for the state of a program: systemd's, or else that of the XDG specification."""
    if folder := environment.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    if base := environment.get("XDG_STATE_HOME"):
        return Path(base) / "pilothouse"
    if home := environment.get("HOME"):
        return Path(home) / ".local" / "state" / "pilothouse"
    return Path("/var/lib/pilothouse")
