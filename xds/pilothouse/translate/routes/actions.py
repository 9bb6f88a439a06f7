"""Envoy's routes for the three actions of a rule: forward, redirect, refuse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from pilothouse._pb.envoy.config.core.v3.base_pb2 import HeaderValueOption
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import (
    RedirectAction,
    Route,
    RouteAction,
    WeightedCluster,
)
from pilothouse.model.routing import Backend, HeaderChange, Match, PathChange, PathKind, Redirect, Rule
from pilothouse.translate.connection_manager import to_cluster
from pilothouse.translate.routes.cors import allow
from pilothouse.translate.routes.matches import fraction, matched
from pilothouse.translate.routes.sessions import keep
from pilothouse.translate.subsets import by_labels

_STATUS = {
    301: RedirectAction.MOVED_PERMANENTLY,
    302: RedirectAction.FOUND,
    303: RedirectAction.SEE_OTHER,
    307: RedirectAction.TEMPORARY_REDIRECT,
    308: RedirectAction.PERMANENT_REDIRECT,
}
_USUAL = {"http": 80, "https": 443}
_ON_CODES = "retriable-status-codes"
# Envoy itself answers with these codes if an attempt gets no answer: the answer was not HTTP, the connection
# failed or broke, or the attempt timed out. Its retry policy calls all of these by one name.
_OWN_CODES = frozenset({502, 503, 504})
_ON_NO_ANSWER = "reset"
_LONGEST = 200  # the longest reason in an answer, in characters
_DAY_MS = 86_400_000  # Envoy refuses times of centuries
_BACKOFFS = 10  # the longest pause between retries, as a multiple of the shortest: Envoy's default


_Headed: TypeAlias = Route | WeightedCluster.ClusterWeight


def refuse(match: Match, status: int, why: str) -> Route:
    """A direct answer. Its body says why, in one line."""
    route = Route(match=matched(match))
    route.direct_response.status = status
    # Not `body_format`: the reason may contain a percent sign, which begins a variable there.
    route.direct_response.body.inline_string = f"pilothouse: {_line(why)}\n"
    return route


def _line(text: str) -> str:
    """Printable and short text. Envoy refuses all routes if one has a body of more than 4096 bytes."""
    # Escaping makes no character shorter, so one more character than fits is enough to look at.
    seen = text[: _LONGEST + 1]
    line = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in seen)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def redirects(match: Match, rule: Rule, said: Redirect, asked: int, hosts: Iterable[str]) -> list[Route]:
    """The routes of a redirect. The client asked for one of `hosts` at the port `asked`.

    The Location omits the default port of its scheme. But Envoy keeps the port of the request's host, and can
    replace host and port only together. So each host that a client may state with this port has its own
    route.
    """
    usual = _USUAL[said.scheme or "http"]
    port = said.port or (usual if said.scheme else asked)
    found = []
    if not said.host and port == usual and not _dropped(said, asked):
        for host in hosts:
            route = _redirect(match, rule, said._replace(host=host), 0)
            authority = route.match.headers.add(name=":authority").string_match
            authority.exact, authority.ignore_case = f"{host}:{asked}", True
            found.append(route)
    return [*found, _redirect(match, rule, said, _written(said, port, usual, asked))]


def _dropped(said: Redirect, asked: int) -> bool:
    """Whether Envoy itself drops the port of the request's host, as it does from http to https."""
    return said.scheme == "https" and asked == _USUAL["http"]


def _written(said: Redirect, port: int, usual: int, asked: int) -> int:
    """The port in the Location, 0 for none. The port of the request's host must not remain there."""
    if not (said.port or said.scheme or said.host):
        return 0
    left_over = not said.host and asked != _USUAL["http"]
    return port if port != usual or left_over else 0


def _redirect(match: Match, rule: Rule, said: Redirect, port: int) -> Route:
    route = Route(match=matched(match))
    action = route.redirect
    action.response_code = _STATUS[said.status]
    if said.scheme:
        action.scheme_redirect = said.scheme
    if said.host:
        action.host_redirect = said.host
    action.port_redirect = port
    if said.path is not None and said.path.whole:
        action.path_redirect = said.path.value
    elif said.path is not None:
        _replace_prefix(action, match, said.path.value)
    _change_headers(route, rule.filters.request, rule.filters.response)
    return route


def forward(
    match: Match, rule: Rule, found: Sequence[tuple[str, Backend]], mirrors: Iterable[tuple[str, int]]
) -> Route:
    """A route to clusters by weight. Retries and limits are the usual ones unless the rule states its own."""
    route = to_cluster(found[0][0])
    route.match.CopyFrom(matched(match))
    _choose(route, rule, found)
    _rewrite(route.route, match, rule)
    _limit(route.route, rule)
    allow(route, rule.filters.cors)
    keep(route, rule.session)
    if rule.subset:
        route.route.metadata_match.CopyFrom(by_labels(rule.subset))
    for cluster, parts_per_million in mirrors:
        mirror = route.route.request_mirror_policies.add(cluster=cluster)
        mirror.runtime_fraction.CopyFrom(fraction(parts_per_million))
        mirror.disable_shadow_host_suffix_append = True
    return route


def split(route: Route, match: Match, path: PathChange | None) -> list[Route]:
    """The route, or two routes if a prefix is to be removed: one for the prefix alone, one for paths below
    it.

    Both then leave exactly one slash. One regular expression would do for both, but Envoy refuses it for
    prefixes of a hundred characters.
    """
    prefix = match.path.value.rstrip("/")
    goes = path is not None and not path.whole and not path.value.rstrip("/")
    if not goes or not prefix or match.path.kind is not PathKind.PREFIX:
        return [route]
    alone, below = Route(), Route()
    for each in (alone, below):
        each.CopyFrom(route)
    alone.match.path, below.match.prefix = prefix, f"{prefix}/"
    return [alone, below]


def _choose(route: Route, rule: Rule, found: Sequence[tuple[str, Backend]]) -> None:
    """Enter shares and changes of headers. A rule's changes come first, so a backend's changes win.

    Envoy applies them in the opposite order. So if any backend has its own changes, both are combined.
    """
    request, response = rule.filters.request, rule.filters.response
    if len(found) == 1:
        backend = found[0][1]
        _change_headers(route, request.then(backend.request), response.then(backend.response))
        return
    alike = not any(any(backend.request) or any(backend.response) for _, backend in found)
    if alike:
        _change_headers(route, request, response)
    for cluster, backend in found:
        share = route.route.weighted_clusters.clusters.add(name=cluster)
        share.weight.value = backend.weight
        if not alike:
            _change_headers(share, request.then(backend.request), response.then(backend.response))


def _change_headers(headed: _Headed, request: HeaderChange, response: HeaderChange) -> None:
    """Add changes of headers to those that are already entered."""
    headed.request_headers_to_add.extend(_added(request))
    headed.request_headers_to_remove.extend(request.remove)
    headed.response_headers_to_add.extend(_added(response))
    headed.response_headers_to_remove.extend(response.remove)


def _added(change: HeaderChange) -> Iterable[HeaderValueOption]:
    actions = HeaderValueOption.HeaderAppendAction
    for pairs, action in (
        (change.set, actions.OVERWRITE_IF_EXISTS_OR_ADD),
        (change.add, actions.APPEND_IF_EXISTS_OR_ADD),
    ):
        for name, value in pairs:
            option = HeaderValueOption(append_action=action, keep_empty_value=True)
            option.header.key = name
            option.header.value = value.replace("%", "%%")  # a single % begins a variable in Envoy
            yield option


def _rewrite(action: RouteAction, match: Match, rule: Rule) -> None:
    if rule.filters.host:
        action.host_rewrite_literal = rule.filters.host
    path = rule.filters.path
    if path is None:
        return
    if path.whole:
        action.regex_rewrite.pattern.regex = "^.*$"
        action.regex_rewrite.substitution = path.value.replace("\\", "\\\\")
    else:
        _replace_prefix(action, match, path.value)


def _replace_prefix(action: RouteAction | RedirectAction, match: Match, by: str) -> None:
    """Replace whole segments, so that no slash is doubled or lost, whether or not the prefixes end in one."""
    by, everything = by.rstrip("/"), not match.path.value.rstrip("/")
    action.prefix_rewrite = f"{by}/" if everything else by or "/"


def _limit(action: RouteAction, rule: Rule) -> None:
    if rule.timeout_ms:
        action.timeout.FromMilliseconds(rule.timeout_ms)
    if rule.attempt_timeout_ms:
        action.retry_policy.per_try_timeout.FromMilliseconds(rule.attempt_timeout_ms)
    retry = rule.retry
    if retry is None:
        return
    if retry.codes:
        action.retry_policy.retry_on += f",{_ON_CODES}"
        action.retry_policy.retriable_status_codes.extend(retry.codes)
    if not retry.codes or _OWN_CODES.intersection(retry.codes):
        action.retry_policy.retry_on += f",{_ON_NO_ANSWER}"
    action.retry_policy.num_retries.value = retry.attempts
    if retry.backoff_ms:
        pause = action.retry_policy.retry_back_off
        pause.base_interval.FromMilliseconds(retry.backoff_ms)
        pause.max_interval.FromMilliseconds(max(retry.backoff_ms, min(retry.backoff_ms * _BACKOFFS, _DAY_MS)))
