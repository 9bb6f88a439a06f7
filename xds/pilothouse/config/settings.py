"""What an operator sets, from flags, environment and a file, and checked before anything starts.

Flags beat `PILOTHOUSE_*`, which beat the file of `--config`, which beats the defaults. Every setting has one
name in all three: `--tls-cert`, `PILOTHOUSE_TLS_CERT`, `tls_cert` (or `tls-cert`). Variables with other names
are nobody's mistake: Kubernetes itself sets `PILOTHOUSE_PORT` beside a Service of that name.

Sources and servers bring their sections themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias, TypeVar

import yaml
from pydantic import AfterValidator, Field, ValidationError

from pilothouse.admin.settings import AdminSettings
from pilothouse.server.settings import XdsSettings
from pilothouse.sources import SourceSettings
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.sources.settings import Namespace, Namespaces, SharedSettings
from pilothouse.structures.paths import present
from pilothouse.structures.sections import Conflict, Flag, Section, flags
from pilothouse.structures.written import named

#: The sources that there are, in order of precedence: a further one is its package and a line here.
SOURCES: tuple[type[SourceSettings], ...] = (FilesSettings,)

PREFIX = "PILOTHOUSE_"


class ConfigError(Exception):
    """A mistake of whoever configured this; the text is one line that names the place and the mistake."""

    def __init__(self, place: str, mistake: str) -> None:
        super().__init__(" ".join(f"{place}: {mistake}".split()))


def _secrets(path: Path) -> Path:
    # Not at the top: most commands have no such file to look at.
    from pilothouse.feeds.secrets import read

    read(present(path))
    return path


def _runtime(path: Path) -> Path:
    # As above.
    from pilothouse.feeds.runtime import read

    read(present(path))
    return path


# Fields come in the order of their flags: first those of the last base.
class Settings(SharedSettings, AdminSettings, XdsSettings):
    """What `serve` runs by; `sources` are the sections of those that it is asked for.

    A sidecar that does not say its namespace is in `default_namespace`, if there is one. With
    `wildcard_namespaces` only sidecars there may depend on everything.
    Without `external_names` an ExternalName leads to known services only, and to no host outside of the mesh.
    A request for a host name that nobody has is answered by `unknown_host_status`.
    With `flap_damping` an endpoint whose readiness keeps changing waits before it is called again.
    `runtime` is a file with the values of Envoy's runtime that all sidecars are to use, and `secrets`
    one that names certificates and CAs, and who may have them.
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
    runtime: Annotated[
        Annotated[Path, AfterValidator(_runtime)] | None,
        Flag("YAML or JSON file of Envoy runtime values for all sidecars.", "FILE"),
    ] = None
    secrets: Annotated[
        Annotated[Path, AfterValidator(_secrets)] | None,
        Flag("YAML file of certificates and CAs for sidecars, and who may have them.", "FILE"),
    ] = None
    log_format: Annotated[
        Literal["auto", "human", "json"],
        Flag("Log format. auto: human on a terminal, else json.", "auto|human|json"),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Flag("Lowest level that is logged.", "debug|info|warning|error"),
    ] = "info"


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

_Section = TypeVar("_Section", bound=Section)


class _Given(NamedTuple):
    """A value as an operator wrote it, and where, for the message if it is wrong."""

    value: object
    place: str


class Offered(NamedTuple):
    """A setting that an operator can give, and what counts if nobody does."""

    flag: Flag
    default: object


def offered() -> dict[str, Offered]:
    """All settings by their names, in the order of the help: sources first."""
    sections: tuple[type[Section], ...] = (*SOURCES, Settings)
    return {
        name: Offered(flag, section.model_fields[name].default)
        for section in sections
        for name, flag in flags(section)
    }


def load(flags: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """The settings, of which those named in `flags` win; None or an empty list is a flag that was not given.

    `flags["config"]`, else the variable PILOTHOUSE_CONFIG, names the file. Raises ConfigError.
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
    """One section of what a `serve` with the same settings runs by. Raises ConfigError if that is wrong."""
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
    """The first mistake, in our words: pydantic's are for programmers."""
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
    """How the flag of a setting is written."""
    return "--" + name.replace("_", "-")


_Settings: TypeAlias = Mapping[str, Offered]
_Entry: TypeAlias = tuple[str, _Given]


def _in_flags(settings: _Settings, flags: Mapping[str, object]) -> Iterator[_Entry]:
    for name in settings:
        if flags.get(name) not in (None, (), []):
            yield name, _Given(flags[name], flag_of(name))


def _in_environment(settings: _Settings, environment: Mapping[str, str]) -> Iterator[_Entry]:
    """An empty variable counts as absent: compose files and unit files cannot leave one out."""
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
    except (ValueError, RecursionError) as error:  # a character that is none, or too many brackets
        raise ConfigError(str(file), f"not YAML: {type(error).__name__}") from None


def _entries(settings: _Settings, file: Path, loader: yaml.SafeLoader) -> Iterator[_Entry]:
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
        if name not in settings:
            raise ConfigError(place, f"no such setting; there are {', '.join(settings)}")
        if name in seen:
            raise ConfigError(place, "is set twice")
        seen.add(name)
        try:
            written = loader.construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError):
            # Of PyYAML, for a date such as 2026-02-31, a number of 5000 digits, or `!!bool maybe`.
            raise ConfigError(place, "is neither a text nor a number nor a date") from None
        value = _anchored(written, file.parent) if settings[name].flag.is_path else written
        if value is not None:
            yield name, _Given(value, place)


def _anchored(value: object, folder: Path) -> object:
    """Paths in a file are relative to it, since a service manager starts us in any directory."""
    if isinstance(value, list):
        return [_anchored(item, folder) for item in value]
    return str(folder / value) if isinstance(value, str) else value
