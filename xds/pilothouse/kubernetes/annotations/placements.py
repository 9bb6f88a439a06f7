"""Which endpoints a client gets first, from the spec and the annotations of a Service.

Both kinds of rules have the form `FROM<sep>TO,TO;FROM<sep>TO`. A place is `region`, `region/zone` or
`region/zone/sub-zone`. A part that is `*` or missing matches anything:

    pilothouse.dev/failover:   eu=us,ap; us/a=us/b,none
    pilothouse.dev/distribute: eu/a: eu/a=80, eu/b=15, eu/c=5
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import FieldError, Fields, annotation_error
from pilothouse.model.services import NEAREST, NOWHERE, Distribution, Failover, Locality, Placement, Prefer

FAILOVER = "pilothouse.dev/failover"
HINTS = "pilothouse.dev/hints"
DISTRIBUTE = "pilothouse.dev/distribute"
OVERPROVISIONING = "pilothouse.dev/overprovisioning-factor"

_MAX_TARGETS = 32
_MAX_SHARE = 1_000
_MAX_FACTOR = 1_000_000

_PREFERENCES = {
    "": Prefer.NEAREST,
    "PreferClose": Prefer.SAME_ZONE,
    "PreferSameZone": Prefer.SAME_ZONE,
    "PreferSameNode": Prefer.SAME_NODE,
}

R = TypeVar("R", Failover, Distribution)


def placement(spec: Fields, annotations: Mapping[str, str], warn: Warn) -> Placement:
    """The placement of a Service. Raises FieldError if the API server would refuse the spec."""
    found = Placement(
        local=_one_of(spec, "internalTrafficPolicy", ("", "Cluster", "Local")) == "Local",
        prefer=_PREFERENCES[_one_of(spec, "trafficDistribution", tuple(_PREFERENCES))],
        ipv6_first=_ipv6_first(spec),
        hints=_hints(annotations, warn),
        sticky=_one_of(spec, "sessionAffinity", ("", "None", "ClientIP")) == "ClientIP",
        failover=_rules(annotations, FAILOVER, _failover, warn),
        distribute=_rules(annotations, DISTRIBUTE, _distribution, warn),
        overprovisioning=_overprovisioning(annotations, warn),
    )
    return NEAREST if found == NEAREST else found


def _one_of(spec: Fields, field: str, known: tuple[str, ...]) -> str:
    text = spec.text(field)
    if text not in known:
        raise spec.error(field, f'"{text}" is not one of {", ".join(filter(None, known))}')
    return text


def _ipv6_first(spec: Fields) -> bool:
    families = spec.texts("ipFamilies")
    for index, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            raise FieldError((*spec.path, "ipFamilies", index), f'"{family}" is neither IPv4 nor IPv6')
    return families[:1] == ("IPv6",)


def _hints(annotations: Mapping[str, str], warn: Warn) -> bool:
    """Whether the hints of the slices count."""
    text = annotations.get(HINTS, "use")
    if text not in ("use", "ignore"):
        warn(annotation_error(HINTS, f'"{text}" is neither use nor ignore and is ignored; hints count'))
    return text != "ignore"


def _overprovisioning(annotations: Mapping[str, str], warn: Warn) -> int:
    """The overprovisioning factor in percent. 0 if the annotation is absent or invalid."""
    text = annotations.get(OVERPROVISIONING)
    if text is None:
        return 0
    factor = _number(text, _MAX_FACTOR)
    if not factor:
        why = f'"{text}" is not a whole number from 1 to {_MAX_FACTOR} and is ignored; it is 140'
        warn(annotation_error(OVERPROVISIONING, why))
    return factor or 0


def _rules(annotations: Mapping[str, str], name: str, read: Callable[[str], R], warn: Warn) -> tuple[R, ...]:
    """The valid rules of an annotation, the most specific first."""
    rules: list[R] = []
    wrong: list[str] = []
    for text in filter(None, map(str.strip, annotations.get(name, "").split(";"))):
        try:
            rules.append(read(text))
        except ValueError as error:
            wrong.append(f'"{text}": {error}; this rule is ignored')
    rest = f"{len(rules)} other{'s' * (len(rules) > 1)} in force" if rules else "no other is in force"
    for message in wrong:
        warn(annotation_error(name, f"{message}, {rest}"))
    return tuple(sorted(rules, key=lambda rule: _breadth(rule.client)))


def _failover(text: str) -> Failover:
    """`FROM=TO,TO,none`, or `none` for all clients. Raises ValueError."""
    if text == "none":
        return Failover(NOWHERE, (), only=True)
    place, equals, targets = text.partition("=")
    if not equals:
        raise ValueError("is neither FROM=TO,TO nor none")
    names = [target.strip() for target in targets.split(",")]
    only = names[-1] == "none"
    to = tuple(_place(target) for target in (names[:-1] if only else names))
    if len(to) > _MAX_TARGETS:
        raise ValueError(f"has more than {_MAX_TARGETS} places")
    return Failover(_place(place), to, only)


def _distribution(text: str) -> Distribution:
    """`FROM: TO=SHARE, TO=SHARE`. Raises ValueError."""
    place, colon, shares = text.partition(":")
    if not colon:
        raise ValueError("is not FROM: TO=SHARE, TO=SHARE")
    found = list(_shares(shares))
    if not any(share for _, share in found):
        raise ValueError("has no share that is more than 0")
    return Distribution(_place(place), tuple(sorted(found, key=lambda item: _breadth(item[0]))))


def _shares(text: str) -> Iterator[tuple[Locality, int]]:
    for item in text.split(","):
        target, _, number = item.partition("=")
        share = _number(number.strip(), _MAX_SHARE)
        if share is None:
            raise ValueError(f'"{item.strip()}" is not TO=SHARE with a whole number from 0 to {_MAX_SHARE}')
        yield _place(target), share


def _place(text: str) -> Locality:
    parts = [part.strip().removeprefix("*") for part in text.split("/")]
    if text.strip() in ("", "none") or len(parts) > 3:
        raise ValueError(f'"{text.strip()}" is not region/zone/sub-zone')
    return Locality(*parts)


def _breadth(place: Locality) -> int:
    """How many parts of the place match anything."""
    return place.count("")


def _number(text: str, most: int) -> int | None:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))):
        return None
    return int(digits) if int(digits) <= most else None
