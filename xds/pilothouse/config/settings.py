"""The settings from flags, the environment and a file, checked before anything starts.

Flags override `PILOTHOUSE_*` variables, which override the file of `--config`, which overrides the defaults.
A setting has the same name in all three: `--tls-cert`, `PILOTHOUSE_TLS_CERT`, `tls_cert` (or `tls-cert`).
Other variables are no mistake, because Kubernetes itself sets `PILOTHOUSE_PORT` if there is a Service of that
name.

Sources, feeds and servers bring their own sections.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from pilothouse.admin.settings import AdminSettings
from pilothouse.dns.records import labels
from pilothouse.dns.settings import DnsSettings
from pilothouse.feeds.settings import FeedSettings
from pilothouse.mesh.names import ClusterZone
from pilothouse.model.addresses import CLUSTER_SET
from pilothouse.registry.settings import VirtualIpSettings
from pilothouse.server.settings import XdsSettings
from pilothouse.sources import SourceSettings
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.sources.kubernetes.settings import KubernetesSettings
from pilothouse.sources.settings import Namespace, Namespaces, SharedSettings
from pilothouse.structures.sections import Conflict, Flag, Section, flags
from pilothouse.structures.written import named
from pilothouse.tracing.settings import TracingSettings

#: The sources in order of precedence. A new source is a package and a line here.
SOURCES: tuple[type[SourceSettings], ...] = (FilesSettings, KubernetesSettings)

PREFIX = "PILOTHOUSE_"


# YAML can spell half a character, which no file name or terminal can carry.
_HALF = re.compile("[\ud800-\udfff]")
#: In characters, of a mistake, which may quote whatever was given.
_LONGEST_MISTAKE = 2000


class ConfigError(Exception):
    """A mistake in the configuration. The text is one line that names the place and the mistake."""

    def __init__(self, place: str, mistake: str) -> None:
        if len(mistake) > _LONGEST_MISTAKE:
            mistake = f"{mistake[:_LONGEST_MISTAKE]}..."
        super().__init__(" ".join(f"{place}: {mistake}".split()))


# Fields come in the order of the bases, the last base first. The flags have the same order.
class Settings(
    DnsSettings,
    FeedSettings,
    VirtualIpSettings,
    SharedSettings,
    TracingSettings,
    AdminSettings,
    XdsSettings,
):
    """The settings of `serve`. `sources` are the sections of the sources that are asked for.

    `default_namespace` is the namespace of sidecars that state none.
    `wildcard_namespaces` are those whose sidecars may depend on everything; None means all.
    `external_names`: ExternalNames may lead to hosts outside of the mesh, not only to known services.
    `unknown_host_status` answers requests for unknown host names.
    `flap_damping`: an endpoint whose readiness keeps changing has to wait before it is called again.
    """

    sources: tuple[SourceSettings, ...] = ()

    default_namespace: Annotated[
        Namespace | None, Flag("Namespace for sidecars that state none.", "NAME")
    ] = None
    wildcard_namespaces: Annotated[
        Namespaces,
        Flag("Namespaces whose sidecars may depend on all services.", "LIST", default="all"),
    ] = ()
    external_names: Annotated[bool, Flag("Serve ExternalName services of hosts outside the mesh.")] = True
    unknown_host_status: Annotated[
        int, Field(ge=400, le=599), Flag("HTTP status for requests to unknown hosts.", "STATUS")
    ] = 503
    flap_damping: Annotated[
        bool, Flag("Delay re-adding flapping endpoints until they have been ready for 30 s.")
    ] = False
    log_format: Annotated[
        Literal["auto", "human", "json"],
        Flag("Log format. auto: human on a terminal, else json.", "auto|human|json"),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Flag("Lowest level that is logged.", "debug|info|warning|error"),
    ] = "info"

    @property
    def cluster_zone(self) -> ClusterZone:
        """What names of the cluster there are, and which of these are served."""
        included, excluded = frozenset(self.include_namespaces), frozenset(self.exclude_namespaces)
        selected = any(section.selects for section in self.sources)
        return ClusterZone(self.cluster_domain, included, excluded, selected)

    @model_validator(mode="after")
    def _answered_here(self) -> Self:
        own = [labels(self.cluster_domain), labels(CLUSTER_SET)]
        for each in self.dns_forward:
            if any(each.zone[-len(domain) :] == domain for domain in own):
                name = ".".join(each.zone)
                raise Conflict(f"names of {name} are answered here, and nobody else is asked", "dns_forward")
        return self

    @model_validator(mode="after")
    def _never_moved(self) -> Self:
        if self.virtual_ips and self.no_state:
            raise Conflict("addresses that are not kept would move at a restart", "virtual_ips", "no_state")
        for each in self.virtual_ips:
            for other in self.service_cidr:
                if each.overlaps(other):
                    raise Conflict(f"{each} and {other} overlap", "virtual_ips", "service_cidr")
        return self


#: Our words for pydantic's types of mistakes.
_WANTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "path_type": "a path",
    "string_type": "a text",
    "string_unicode": "a text",
    "tuple_type": "a text or a list of texts",
    "greater_than": "more than {gt:.0f}",
    "greater_than_equal": "{ge:.0f} or more",
    "less_than_equal": "{le:.0f} or less",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "literal_error": "{expected}",
}

_Section = TypeVar("_Section", bound=Section)


class _Given(NamedTuple):
    """A value as the operator wrote it, and where, for the error message."""

    value: object
    place: str


class Offered(NamedTuple):
    """A setting that an operator can give, and its default."""

    flag: Flag
    default: object


def offered() -> dict[str, Offered]:
    """All settings by name, in the order of the help. Sources come first."""
    sections: tuple[type[Section], ...] = (*SOURCES, Settings)
    return {
        name: Offered(flag, section.model_fields[name].default)
        for section in sections
        for name, flag in flags(section)
    }


def load(flags: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """The settings. Values in `flags` win; None or an empty list means that the flag was not given.

    The file is `flags["config"]`, or else the variable PILOTHOUSE_CONFIG. Raises ConfigError.
    """
    given = _given(flags, environment)
    sections = [_checked(section, given) for section in SOURCES]
    settings = _checked(Settings, given)
    asked = tuple(section for section in sections if section.asked)
    if not asked:
        there_are = " or ".join(flag_of(section.asked_by) for section in SOURCES)
        places = f"as a flag, a {PREFIX}* variable or a key of --config"
        raise ConfigError("serve", f"needs a source: {there_are}, {places}")
    return settings.model_copy(update={"sources": asked})


def load_section(
    section: type[_Section], flags: Mapping[str, object], environment: Mapping[str, str]
) -> _Section:
    """One section of the settings of `serve`. Raises ConfigError if that section is wrong."""
    return _checked(section, _given(flags, environment))


def _given(flags: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, _Given]:
    settings = offered()
    given = dict(_in_file(settings, flags, environment))
    given.update(_in_environment(settings, environment))
    given.update(_in_flags(settings, flags))
    return given


def _checked(section: type[_Section], given: Mapping[str, _Given]) -> _Section:
    ours = {name: said.value for name, said in given.items() if name in section.model_fields}
    try:
        return section.model_validate(ours)
    except ValidationError as error:
        raise _explain(error, given) from None


def _explain(error: ValidationError, given: Mapping[str, _Given]) -> ConfigError:
    """The first mistake, in our own words. Pydantic's are for programmers."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    cause = context.get("error")
    names = cause.names if isinstance(cause, Conflict) else [str(part) for part in first["loc"][:1]]
    if cause is not None:
        mistake = str(cause)
    else:
        wanted = _WANTED.get(first["type"], "of another kind").format(**context)
        mistake = f"must be {wanted}, not {named(first['input'])}"
    places = [given[name].place if name in given else flag_of(name) for name in names]
    return ConfigError(" and ".join(places) or "serve", mistake)


def flag_of(name: str) -> str:
    """The name of a setting as a flag."""
    return "--" + name.replace("_", "-")


_Settings: TypeAlias = Mapping[str, Offered]
_Entry: TypeAlias = tuple[str, _Given]


def _in_flags(settings: _Settings, flags: Mapping[str, object]) -> Iterator[_Entry]:
    for name in settings:
        if flags.get(name) not in (None, (), []):
            yield name, _Given(flags[name], flag_of(name))


def _in_environment(settings: _Settings, environment: Mapping[str, str]) -> Iterator[_Entry]:
    """The variables that are set. An empty one counts as absent: compose and unit files cannot omit one."""
    for name, setting in settings.items():
        variable = PREFIX + name.upper()
        if text := environment.get(variable):
            several = setting.flag.repeatable
            value = [part for part in text.split(os.pathsep) if part] if several else text
            yield name, _Given(value, variable)


def _in_file(
    settings: _Settings, flags: Mapping[str, object], environment: Mapping[str, str]
) -> Iterator[_Entry]:
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
        yield from _entries(settings, file, yaml.SafeLoader(text))
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{file}{line}", f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(str(file), f"not YAML: {error}") from None
    except (ValueError, RecursionError) as error:  # an invalid character, or too many brackets
        raise ConfigError(str(file), f"not YAML: {type(error).__name__}") from None


def _entries(settings: _Settings, file: Path, loader: yaml.SafeLoader) -> Iterator[_Entry]:
    """The entries of the file, with the line of each key. A key without a value counts as absent."""
    root = loader.get_single_node()
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{file}:{root.start_mark.line + 1}", "is not a mapping of settings")
    seen: set[str] = set()
    for key, node in root.value:
        line = f"{file}:{key.start_mark.line + 1}"
        name = str(_constructed(loader, key, line)).replace("-", "_")
        place = f"{line}: {name}"
        if name not in settings:
            raise ConfigError(place, f"no such setting; there are {', '.join(settings)}")
        if name in seen:
            raise ConfigError(place, "is set twice")
        seen.add(name)
        written = _constructed(loader, node, place)
        value = _anchored(written, file.parent) if settings[name].flag.is_path else written
        if value is not None:
            yield name, _Given(value, place)


def _constructed(loader: yaml.SafeLoader, node: yaml.Node, place: str) -> object:
    try:
        found: object = loader.construct_object(node, deep=True)
    except (ValueError, LookupError, AttributeError):
        # PyYAML raises this for a date such as 2026-02-31, a number of 5000 digits, or `!!bool maybe`.
        raise ConfigError(place, "is neither a text nor a number nor a date") from None
    if any(_HALF.search(text) for text in _texts(found)):
        raise ConfigError(place, "is not valid Unicode")
    return found


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _anchored(value: object, folder: Path) -> object:
    """Make paths relative to the file, because a service manager starts the process in any directory."""
    if isinstance(value, list):
        return [_anchored(item, folder) for item in value]
    return str(folder / value) if isinstance(value, str) else value
