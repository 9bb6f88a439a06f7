"""What an operator sets, from flags, environment and a file, and checked before anything starts.

Flags beat `PILOTHOUSE_*`, which beat the file of `--config`, which beats the defaults. Every setting has one
name in all three: `--tls-cert`, `PILOTHOUSE_TLS_CERT`, `tls_cert` (or `tls-cert`). Variables with other names
are nobody's mistake: Kubernetes itself sets `PILOTHOUSE_PORT` beside a Service of that name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pilothouse.config.security import Security
from pilothouse.kubernetes.served import Network, network
from pilothouse.sources import HOLD_S
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.structures.paths import present
from pilothouse.structures.written import named

PREFIX = "PILOTHOUSE_"
_LONGEST_HOLD_S = 7 * 24 * 3600
_HOST = re.compile(
    r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|\[[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*)+(%[A-Za-z0-9]+)?\]"
)
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class ConfigError(Exception):
    """A mistake of whoever configured this; the text is one line that names the place and the mistake."""

    def __init__(self, place: str, mistake: str) -> None:
        super().__init__(" ".join(f"{place}: {mistake}".split()))


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host name or IP address, without brackets, and a port of 0..65535, where 0 is "any free one"."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """From `host:port` or `[::1]:port`. Raises ValueError.

        The host is required: an empty one would mean every interface, which has to be asked for by name.
        """
        host, _, port = text.rpartition(":")
        if not (_HOST.fullmatch(host) and port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def plus(self, offset: int) -> HostPort:
        """The port that many further on; any free one stays any free one."""
        return HostPort(self.host, self.port + offset) if self.port else self


def here(host: str) -> str:
    """Where a process on this machine is found that listens on a host, which may be all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _host_port(value: object) -> HostPort:
    return value if isinstance(value, HostPort) else HostPort.parse(named(value))


def _network(value: object) -> Network:
    return network(named(value))


def _domain(name: str) -> str:
    if not _DOMAIN.fullmatch(name):
        raise ValueError(f"{name!r} is not a DNS name in lower case, such as cluster.local")
    return name


def _suffix(text: str) -> str:
    if not (text.startswith(".") and _DOMAIN.fullmatch(text[1:])):
        raise ValueError(f"{text!r} is not a dot and a DNS name in lower case, such as .mesh")
    return text


def _namespace(text: str) -> str:
    if not _DOMAIN.fullmatch(text) or "." in text:
        raise ValueError(f"{text!r} is not a namespace")
    return text


def _listed(value: object) -> object:
    """A text with commas is a list, wherever it was written."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        return value
    return tuple(item.strip() for part in parts for item in part.split(",") if item.strip())


def _secrets(path: Path) -> Path:
    from pilothouse.feeds.secrets import read

    read(present(path))
    return path


def _runtime(path: Path) -> Path:
    # Not at the top: most commands have no such file to look at.
    from pilothouse.feeds.runtime import read

    read(present(path))
    return path


Address = Annotated[HostPort, PlainValidator(_host_port)]

_LISTED = BeforeValidator(_listed)
Networks = Annotated[tuple[Annotated[Network, PlainValidator(_network)], ...], _LISTED]
Namespaces = Annotated[tuple[Annotated[str, AfterValidator(_namespace)], ...], _LISTED]


class Listening(BaseModel):
    """Where `serve` listens, which is all that `health` has to know of it.

    `workers` are processes that share the xDS port; each has an admin port, the first of them `admin`.
    """

    # Built when first used, since building all of Settings takes longer than a health check.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    xds: Address = HostPort("127.0.0.1", 18000)
    admin: Address = HostPort("127.0.0.1", 18001)
    workers: int = Field(default=1, ge=1, le=64)

    @field_validator("workers")
    @classmethod
    def _ports_suffice(cls, workers: int, info: ValidationInfo) -> int:
        admin: HostPort | None = info.data.get("admin")
        if admin and admin.port + workers - 1 > 65535:
            raise ValueError(f"there are not {workers} ports from {admin} upwards, one for each")
        return workers


class Settings(FilesSettings, Listening, Security):
    """What `serve` runs by. Raises pydantic's ValidationError; `load` makes a ConfigError of it.

    Each source owns its section. A stream, and the connection below it, lives
    `max_connection_age_s` seconds: then the sidecar comes back on a new one and is sent nothing
    that it has. Without an end, streams would never spread over replicas that start later, and an
    open connection would keep a client certificate that was renewed.
    A sidecar that does not say its namespace is in `default_namespace`, if there is one. With
    `wildcard_namespaces` only sidecars there may depend on everything.
    `extra_suffixes` are what host names of services may end in beside `cluster_domain`.
    Without `external_names` an ExternalName leads to known services only, and to no host outside of the mesh.
    A request for a host name that nobody has is answered by `unknown_host_status`.
    Virtual IPs are in `service_cidr`, if it is set; endpoints are on loopback addresses only with
    `allow_loopback_endpoints`.
    With `flap_damping` an endpoint whose readiness keeps changing waits before it is called again.
    `state` is a folder for what the next process has to know; without one it is the platform's, and with
    `no_state` nothing is kept. With `accept_missing` what cannot be read counts as absent. A massive loss
    that nobody stated is held for `hold` seconds; 0 believes it at once.
    `runtime` is a file with the values of Envoy's runtime that all sidecars are to use, and `secrets`
    one that names certificates and CAs, and who may have them.
    """

    log_format: Literal["auto", "human", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    cluster_domain: Annotated[str, AfterValidator(_domain)] = "cluster.local"
    extra_suffixes: Annotated[tuple[Annotated[str, AfterValidator(_suffix)], ...], _LISTED] = ()
    include_namespaces: Namespaces = ()
    exclude_namespaces: Namespaces = ()
    default_namespace: Annotated[str, AfterValidator(_namespace)] | None = None
    wildcard_namespaces: Namespaces = ()
    # gRPC takes milliseconds in 32 bits.
    max_connection_age_s: float = Field(default=1800, gt=0, le=2_000_000, allow_inf_nan=False)
    external_names: bool = True
    unknown_host_status: int = Field(default=503, ge=400, le=599)
    service_cidr: Networks = ()
    allow_loopback_endpoints: bool = False
    flap_damping: bool = False
    state: Path | None = None
    no_state: bool = False
    accept_missing: bool = False
    runtime: Annotated[Path, AfterValidator(_runtime)] | None = None
    secrets: Annotated[Path, AfterValidator(_secrets)] | None = None
    hold: float = Field(default=HOLD_S, ge=0, le=_LONGEST_HOLD_S, allow_inf_nan=False)

    @field_validator("no_state")
    @classmethod
    def _one_of_both(cls, no_state: bool, info: ValidationInfo) -> bool:
        if no_state and info.data.get("state") is not None:
            raise ValueError("--state and --no-state exclude each other")
        return no_state


#: What pydantic misses, by its kinds of mistakes.
_WANTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "path_type": "a path",
    "string_type": "a text",
    "tuple_type": "a text or a list of texts",
    "greater_than": "more than {gt:.0f}",
    "greater_than_equal": "{ge:.0f} or more",
    "less_than_equal": "{le:.0f} or less",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "literal_error": "{expected}",
}

_Model = TypeVar("_Model", bound=BaseModel)


class _Given(NamedTuple):
    """A value as an operator wrote it, and where, for the message if it is wrong."""

    value: object
    place: str


def load(flags: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """The settings, of which those named in `flags` win; None or an empty list is a flag that was not given.

    `flags["config"]`, else the variable PILOTHOUSE_CONFIG, names the file. Raises ConfigError.
    """
    return _checked(Settings, _given(flags, environment))


def listening(flags: Mapping[str, object], environment: Mapping[str, str]) -> Listening:
    """Where a `serve` with the same settings listens; the others are not checked. Raises ConfigError."""
    given = _given(flags, environment)
    return _checked(Listening, {name: given[name] for name in Listening.model_fields if name in given})


def _given(flags: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, _Given]:
    given = dict(_in_file(flags, environment))
    given.update(_in_environment(environment))
    given.update(_in_flags(flags))
    return given


def _checked(model: type[_Model], given: Mapping[str, _Given]) -> _Model:
    try:
        return model.model_validate({name: said.value for name, said in given.items()})
    except ValidationError as error:
        raise _explain(error, given) from None


def _explain(error: ValidationError, given: Mapping[str, _Given]) -> ConfigError:
    """The first mistake, in our words: pydantic's are for programmers."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if first["type"] in ("missing", "too_short"):
        mistake = f"is needed, here or as {PREFIX}{name.upper()} or as {name} in the --config file"
    elif first["type"] == "value_error":
        mistake = str(first["ctx"]["error"])
    else:
        wanted = _WANTED.get(first["type"], "of another kind").format(**first.get("ctx", {}))
        mistake = f"must be {wanted}, not {named(first['input'])}"
    return ConfigError(given[name].place if name in given else _flag(name), mistake)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _in_flags(flags: Mapping[str, object]) -> Iterator[tuple[str, _Given]]:
    for name in Settings.model_fields:
        if flags.get(name) not in (None, (), []):
            yield name, _Given(flags[name], _flag(name))


def _in_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    """An empty variable counts as absent: compose files and unit files cannot leave one out."""
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if text := environment.get(variable):
            value = [part for part in text.split(os.pathsep) if part] if name == "manifests" else text
            yield name, _Given(value, variable)


def _in_file(flags: Mapping[str, object], environment: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    place, name = "--config", flags.get("config")
    if name is None:
        place, name = f"{PREFIX}CONFIG", environment.get(f"{PREFIX}CONFIG")
    if not name:
        return
    file = Path(str(name))
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError(place, f"{file}: {error.strerror}") from None
    try:
        yield from _entries(file, yaml.SafeLoader(text))
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{file}{line}", f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(str(file), f"not YAML: {error}") from None
    except (ValueError, RecursionError) as error:  # a character that is none, or too many brackets
        raise ConfigError(str(file), f"not YAML: {type(error).__name__}") from None


def _entries(file: Path, loader: yaml.SafeLoader) -> Iterator[tuple[str, _Given]]:
    """Key by key from the node tree, which knows the lines. A key without a value counts as absent."""
    root = loader.get_single_node()
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{file}:{root.start_mark.line + 1}", "is not a mapping of settings")
    seen: set[str] = set()
    for key, node in root.value:
        name, line = str(loader.construct_object(key)).replace("-", "_"), key.start_mark.line + 1
        place = f"{file}:{line}: {name}"
        if name not in Settings.model_fields:
            known = sorted(Settings.model_fields, key=Security.model_fields.__contains__)
            raise ConfigError(place, f"no such setting; there are {', '.join(known)}")
        if name in seen:
            raise ConfigError(place, "is set twice")
        seen.add(name)
        try:
            written = loader.construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError):
            # Of PyYAML, for a date such as 2026-02-31, a number of 5000 digits, or `!!bool maybe`.
            raise ConfigError(place, "is neither a text nor a number nor a date") from None
        value = _anchored(name, written, file.parent)
        if value is not None:
            yield name, _Given(value, place)


_PATHS = frozenset(
    {"manifests", "tls_cert", "tls_key", "client_ca", "identity_map", "state", "runtime", "secrets"}
)


def _anchored(name: str, value: object, folder: Path) -> object:
    """Paths in a file are relative to it, since a service manager starts us in any directory."""
    if name not in _PATHS:
        return value
    if isinstance(value, list):
        return [_anchored(name, item, folder) for item in value]
    return str(folder / value) if isinstance(value, str) else value
