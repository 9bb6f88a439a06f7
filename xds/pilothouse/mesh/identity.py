"""The namespace that a client's certificate proves. Pure. What a client says of itself is in `audience`.

A certificate names its owner in its subject alternative names (SANs). A rule maps a pattern of SANs to a
namespace. The only default rule is for the SPIFFE ids that meshes use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import yaml

_CONVENTION = "spiffe://*/ns/{namespace}/sa/*"
_CAPTURE = "{namespace}"
_NAMESPACE = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
#: What `*` matches: a segment of a URI, or a label of a DNS name.
_SEGMENT, _LABEL = r"[^/?#\x00-\x20\x7f-\U0010ffff]+", r"[-a-z0-9_]+"
_SHOWN = 5


class Unidentified(Exception):
    """A certificate that names no namespace, or more than one."""


class BadRule(ValueError):
    """An invalid rule. The text names the file and the line."""


class Certificate(NamedTuple):
    """The SANs of a verified certificate, by kind."""

    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """What a client has proven: its namespace (empty if unproven) and the URIs in its certificate."""

    namespace: str = ""
    ids: frozenset[str] = frozenset()


#: A client that has proven nothing.
NOBODY = Principal()


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may have something: clients with a proven namespace (`*`: any), clients with these ids, or
    anyone.
    """

    namespaces: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    anyone: bool = False

    def holds(self, client: Principal) -> bool:
        if self.anyone or not self.ids.isdisjoint(client.ids):
            return True
        return bool(client.namespace) and not self.namespaces.isdisjoint((client.namespace, "*"))


@dataclass(frozen=True, slots=True)
class Rule:
    """Maps SANs that match `pattern` to a namespace. None stands for the namespace that the pattern captures.

    A rule is either about URIs or about DNS names, because a DNS name that looks like a URI must not pass for
    one.
    """

    pattern: re.Pattern[str]
    about_uris: bool
    namespace: str | None = None

    @classmethod
    def parse(cls, pattern: str, namespace: str | None = None) -> Rule:
        """Parse a pattern such as `spiffe://mesh/ns/{namespace}/sa/*` or `*.shop.test`. Raises ValueError.

        `*` and `{namespace}` stand for a whole segment of a URI or a whole label of a DNS name.
        """
        if (namespace is None) != (pattern.count(_CAPTURE) == 1):
            raise ValueError(f"{pattern!r} needs a namespace, or {_CAPTURE} once in its place, not both")
        if namespace is not None and not re.fullmatch(_NAMESPACE, namespace):
            raise ValueError(f"{namespace!r} is not a namespace")
        return cls(re.compile(_expression(pattern)), "://" in pattern, namespace)

    def of(self, name: str) -> str | None:
        """The namespace for this SAN. None if the rule does not match it."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        return self.namespace or found["namespace"]


class Identity:
    """The rules that are in force, applied to certificates."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)

    @classmethod
    def spiffe(cls) -> Identity:
        """The default rule, for operators who state none."""
        return cls([Rule.parse(_CONVENTION)])

    def namespace(self, certificate: Certificate) -> str:
        """The namespace of a client. Raises Unidentified unless there is exactly one."""
        if len(certificate.uris) > 1:  # SPIFFE forbids it (X509-SVID, 2)
            raise Unidentified(f"the client's certificate has several URIs: {_listed(certificate.uris)}")
        found = sorted(set(self._found(certificate)))
        if len(found) != 1:
            names = (*certificate.uris, *certificate.dns)
            said = f"several namespaces ({_listed(found)})" if found else "no namespace"
            raise Unidentified(f"the client's certificate names {said}: its names are {_listed(names)}")
        return found[0]

    def _found(self, certificate: Certificate) -> Iterator[str]:
        for rule in self._rules:
            for name in certificate.uris if rule.about_uris else map(str.lower, certificate.dns):
                if namespace := rule.of(name):
                    yield namespace


def rules(file: str, text: bytes) -> list[Rule]:
    """Parse YAML that maps patterns to namespaces. Raises BadRule."""
    try:
        root = yaml.SafeLoader(text).get_single_node()
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        mistake = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise BadRule(f"{file}{f':{mark.line + 1}' if mark else ''}: not YAML: {mistake}") from None
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise BadRule(f"{file}:1: is not a mapping of names in certificates to namespaces")
    return list(_rules(file, root))


def _rules(file: str, root: yaml.MappingNode) -> Iterator[Rule]:
    seen: set[str] = set()
    for key, value in root.value:
        place = f"{file}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            raise BadRule(f"{place}: is not a name in certificates and a namespace")
        if key.value in seen:
            raise BadRule(f"{place}: {key.value!r} is stated twice")
        seen.add(key.value)
        try:
            yield Rule.parse(key.value, value.value or None)
        except ValueError as error:
            raise BadRule(f"{place}: {error}") from None


def _expression(pattern: str) -> str:
    """The regular expression for a pattern: of a URI if it has a scheme, else of a DNS name in lower case."""
    if "://" in pattern:
        scheme, _, rest = pattern.partition("://")
        return f"{re.escape(scheme)}://" + "/".join(_part(part, _SEGMENT) for part in rest.split("/"))
    return r"\.".join(_part(part, _LABEL) for part in pattern.lower().split("."))


def _part(part: str, anything: str) -> str:
    if part == "*":
        return anything
    if part == _CAPTURE:
        return f"(?P<namespace>{_NAMESPACE})"
    if not part or "*" in part or "{" in part:
        raise ValueError(f"{part!r} is neither a name nor * nor {_CAPTURE}, which stand for the whole of one")
    return re.escape(part)


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "") or "none"
