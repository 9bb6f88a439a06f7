"""Gateway API documents: read, refused by field, and attached to Services."""

from __future__ import annotations

from textwrap import indent

import pytest

from pilothouse.kubernetes.fields import FieldError
from pilothouse.kubernetes.join import Cluster
from pilothouse.model.reasons import Reason
from pilothouse.model.routing import (
    Backend,
    Cors,
    Field,
    HeaderChange,
    Match,
    Mirror,
    Origin,
    Path,
    PathChange,
    PathKind,
    Redirect,
    Retry,
    RouteKind,
    Session,
)
from pilothouse.model.services import ServiceName

WEB = ServiceName("shop", "web")
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 9090}]}
"""


def http_route(
    rule="", parents='[{group: "", kind: Service, name: web}]', name="r", namespace="shop", created=""
):
    stamp = f", creationTimestamp: '{created}'" if created else ""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: {namespace}{stamp}}}
spec:
  parentRefs: {parents}
  rules:
  - backendRefs: [{{name: blue, port: 80}}]
{indent(rule, "    ")}
"""


GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: data}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: "", kind: Service}]
"""


@pytest.fixture
def rule(parsed):
    def read(text):
        return parsed(http_route(text)).object.rules[0]

    return read


@pytest.fixture
def attached(parsed):
    """The service that these documents make up."""

    def join(*texts):
        cluster = Cluster()
        cluster.apply([parsed(text).object for text in (SERVICE, *texts)])
        return cluster.service(WEB)

    return join


def test_matches_are_read_as_they_are_meant(rule):
    found = rule(
        """
matches:
- path: {type: Exact, value: /a}
  method: GET
- headers: [{name: X-A, value: "1"}, {name: x-a, value: "2"}, {name: b, type: RegularExpression, value: c}]
  queryParams: [{name: q, value: "1"}, {name: q, value: "2"}]
"""
    )
    headers = (Field("x-a", "1"), Field("b", "c", regex=True))
    assert found.matches == (
        Match(Path(PathKind.EXACT, "/a"), "GET"),
        Match(Path(), "", headers, (Field("q", "1"),)),
    )
    assert found.backends == (Backend("shop", "blue", 80),)


def test_filters_timeouts_and_retries_are_read(rule):
    found = rule(
        """
filters:
- {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: "1"}], remove: [B]}}
- {type: URLRewrite, urlRewrite: {hostname: x.example, path: {type: ReplaceFullPath, replaceFullPath: /z}}}
- type: RequestMirror
  requestMirror: {backendRef: {name: m, port: 81}, fraction: {numerator: 1, denominator: 4}}
timeouts: {request: 1m30s, backendRequest: 500ms}
retry: {codes: [503], attempts: 2, backoff: 1s}
"""
    )
    assert found.filters.request == HeaderChange(set=(("a", "1"),), remove=("b",))
    assert (found.filters.host, found.filters.path) == ("x.example", PathChange("/z", whole=True))
    assert found.filters.mirrors == (Mirror(Backend("shop", "m", 81), 250_000),)
    assert (found.timeout_ms, found.attempt_timeout_ms) == (90_000, 500)
    assert found.retry == Retry((503,), 2, 1_000)


def test_a_redirect_is_read(rule):
    found = rule("filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]")
    assert found.filters.redirect == Redirect(301, "https")


@pytest.mark.parametrize(
    "text",
    [
        "filters: [{type: ExtensionRef}]",
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: a}]}}]",
        "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [':status']}}]",
    ],
)
def test_what_cannot_be_done_is_kept_as_such(rule, text):
    assert rule(text).unsupported


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("filters: [{type: Other}]", "filters[0].type"),
        (
            "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [a, 'a b']}}]",
            "filters[0].requestHeaderModifier.remove",
        ),
        (
            "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: X}]}}]",
            "filters[0].requestHeaderModifier.set[0].value",
        ),
        (
            "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: X}}}]",
            "filters[0].urlRewrite.path.replaceFullPath",
        ),
        (
            "filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, PRE: a}}}]",
            "filters[0].requestRedirect.path.replacePrefixMatch",
        ),
        (
            'filters: [{type: RequestRedirect, requestRedirect: {hostname: "a\\0b"}}]',
            "filters[0].requestRedirect.hostname",
        ),
        ("filters: [{type: CORS, cors: {allowOrigins: [www.example.com]}}]", "filters[0].cors.allowOrigins"),
        ("filters: [{type: CORS, cors: {exposeHeaders: ['a b']}}]", "filters[0].cors.exposeHeaders"),
        (
            "filters: [{type: CORS, cors: {}}, {type: RequestRedirect, requestRedirect: {}}]",
            "filters",
        ),
        ("retry: {attempts: -1}", "retry.attempts"),
        ("sessionPersistence: {idleTimeout: 1h}", "sessionPersistence.idleTimeout"),
        ("sessionPersistence: {type: Header, absoluteTimeout: 1h}", "sessionPersistence.absoluteTimeout"),
        ("sessionPersistence: {sessionName: a b}", "sessionPersistence.sessionName"),
    ],
)
def test_what_an_api_server_takes_and_envoy_does_not_costs_the_rule_and_names_its_field(parsed, text, field):
    text = text.replace(": X}", ': "/\\n"}').replace("PRE:", "replacePrefixMatch:")
    found = parsed(http_route(text))
    assert [each.field for each in found.warnings] == [f"spec.rules[0].{field}"]
    rule = found.object.rules[0]
    assert rule.unsupported == str(found.warnings[0])
    assert rule.backends == ()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{kind: Bucket, group: storage.example, name: blue}", "kind"),
        ("{name: blue, port: 80, filters: [{type: URLRewrite}]}", "filters[0].type"),
        (
            'NAMED, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: "a b"}]}}]}',
            "filters[0].requestHeaderModifier.set[0].name",
        ),
    ],
)
def test_a_backend_that_cannot_be_had_costs_itself(parsed, text, field):
    text = text.replace("NAMED", "{name: blue, port: 80")
    found = parsed(http_route().replace("{name: blue, port: 80}", f"{text}, {{name: green, port: 80}}"))
    assert [each.field for each in found.warnings] == [f"spec.rules[0].backendRefs[0].{field}"]
    rule = found.object.rules[0]
    assert [backend.unsupported for backend in rule.backends] == [str(found.warnings[0]), ""]
    assert rule.unsupported == ""


def test_each_part_of_a_rule_that_cannot_be_had_is_named(parsed):
    text = """
matches: [{path: {type: RegularExpression, value: "("}, headers: [{name: a b, value: c}]}]
filters: [{type: Other}]
sessionPersistence: {idleTimeout: 1h}
retry: {attempts: -1}
"""
    found = [each.field.removeprefix("spec.rules[0].") for each in parsed(http_route(text)).warnings]
    assert found == [
        "matches[0].path.value",
        "matches[0].headers[0].name",
        "filters[0].type",
        "sessionPersistence.idleTimeout",
        "retry.attempts",
    ]


def test_sessions_are_read(rule, parsed):
    assert rule("sessionPersistence: {sessionName: Basket}").session == Session("Basket")
    assert rule("sessionPersistence: {type: Header, sessionName: X-B}").session == Session(
        "x-b", by_header=True
    )
    permanent = "{absoluteTimeout: 1s500ms, cookieConfig: {lifetimeType: Permanent}}"
    named = rule(f"sessionPersistence: {permanent}").session
    assert (named.name.startswith("session-"), named.lifetime_s) == (True, 2)
    assert named.name == rule(f"sessionPersistence: {permanent}").session.name
    other = parsed(http_route("sessionPersistence: {}", name="other")).object.rules[0].session
    assert other.name != named.name
    text = http_route("sessionPersistence: {type: Header}").replace(
        "[{name: blue,", "[{name: a, port: 1}, {name: blue,"
    )
    assert "several backends" in parsed(text).object.rules[0].unsupported


def test_a_cors_filter_is_read(rule):
    said = "{allowOrigins: ['https://A.example:443', 'http://*.b'], allowMethods: [PUT]}"
    found = rule(f"filters: [{{type: CORS, cors: {said}}}]")
    origins = (Origin("https://a.example"), Origin(r"http://.*\.b", regex=True))
    assert found.filters.cors == Cors(origins, ("PUT",))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("sessionPersistence: {type: Url}", "spec.rules[0].sessionPersistence.type"),
        (
            "sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}",
            "spec.rules[0].sessionPersistence.absoluteTimeout",
        ),
        ("filters: [{type: CORS}]", "spec.rules[0].filters[0].cors"),
        ("filters: [{type: CORS, cors: {maxAge: 0}}]", "spec.rules[0].filters[0].cors.maxAge"),
        ("matches: [{path: {type: Glob}}]", "spec.rules[0].matches[0].path.type"),
        ("matches: [{path: {value: a}}]", "spec.rules[0].matches[0].path.value"),
        (
            "matches: [{headers: [{name: a, type: RegularExpression}]}]",
            "spec.rules[0].matches[0].headers[0].value",
        ),
        ("matches: [{path: {value: '/a?b'}}]", "spec.rules[0].matches[0].path.value"),
        ("matches: [{method: FETCH}]", "spec.rules[0].matches[0].method"),
        ("matches: [{headers: [{value: a}]}]", "spec.rules[0].matches[0].headers[0].name"),
        ("timeouts: {request: soon}", "spec.rules[0].timeouts.request"),
        ("retry: {codes: [200]}", "spec.rules[0].retry.codes"),
        ("filters: [{}]", "spec.rules[0].filters[0].type"),
        ("filters: [{type: URLRewrite}]", "spec.rules[0].filters[0].urlRewrite"),
        (
            "filters: [{type: RequestRedirect, requestRedirect: {statusCode: 200}}]",
            "spec.rules[0].filters[0].requestRedirect.statusCode",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(parsed, text, field):
    with pytest.raises(FieldError) as refused:
        parsed(http_route(text))
    assert refused.value.field == field


@pytest.mark.parametrize(
    "backend", ["{name: blue}", "{name: blue, port: 0}", "{name: blue, port: 80, weight: -1}"]
)
def test_a_backend_that_makes_no_sense_is_refused(parsed, backend):
    with pytest.raises(FieldError):
        parsed(http_route().replace("{name: blue, port: 80}", backend))


def test_a_route_of_gateways_plays_no_part(parsed):
    found = parsed(http_route(parents="[{name: gateway}]"))
    assert (found.object, found.ignored.reason) == (None, Reason.NO_SUCH_PARENT)


def test_methods_of_grpc_are_paths(parsed):
    text = http_route().replace("HTTPRoute", "GRPCRoute")
    methods = "[{method: {service: a.B, method: C}}, {method: {service: a.B}}, {method: {method: C}}]"
    found = parsed(text + f"    matches: {methods}\n").object
    assert found.kind is RouteKind.GRPC
    assert [match.path for match in found.rules[0].matches] == [
        Path(PathKind.EXACT, "/a.B/C"),
        Path(PathKind.PREFIX, "/a.B/"),
        Path(PathKind.REGEX, "/[^/]+/C"),
    ]
    assert [match.call for match in found.rules[0].matches] == [(3, 1), (3, 0), (0, 1)]


def test_routes_are_attached_in_the_order_of_their_age(attached):
    found = attached(
        http_route(name="young", created="2026-01-02T00:00:00Z"),
        http_route(name="old", created="2026-01-01T00:00:00Z"),
        http_route(name="a"),
    )
    assert [route.name for route in found.spec.routes] == ["old", "young", "a"]


@pytest.mark.parametrize(
    ("parent", "port"),
    [("port: 9090", 9090), ("sectionName: admin", 9090), ("sectionName: http, port: 80", 80)],
)
def test_a_route_is_attached_to_a_port(attached, parent, port):
    found = attached(http_route(parents=f'[{{group: "", kind: Service, name: web, {parent}}}]'))
    assert [route.port for route in found.spec.routes] == [port]


def test_a_port_that_is_not_there_is_told(attached):
    found = attached(http_route(parents='[{group: "", kind: Service, name: web, port: 81}]'))
    assert found.spec.routes == ()
    assert [omission.reason for omission in found.left_out] == [Reason.NO_SUCH_PARENT]


def test_a_route_of_requests_may_be_in_another_namespace_and_one_of_connections_not(attached):
    parents = '[{group: "", kind: Service, name: web, namespace: shop}]'
    abroad = http_route(parents=parents, namespace="front")
    assert [route.namespace for route in attached(abroad).spec.routes] == ["front"]
    found = attached(abroad.replace("HTTPRoute", "TCPRoute"))
    assert found.spec.routes == ()
    assert [omission.reason for omission in found.left_out] == [Reason.CONSUMER_ROUTE]


def test_a_grant_that_comes_and_goes_is_known_of_its_backends(parsed):
    cluster = Cluster()
    abroad = http_route().replace("{name: blue, port: 80}", "{name: blue, namespace: data, port: 80}")
    cluster.apply([parsed(text).object for text in (SERVICE, abroad)])
    grant = parsed(GRANT).object

    def granted():
        return cluster.service(WEB).spec.routes[0].rules[0].backends[0].granted

    assert not granted()
    assert cluster.apply([grant]) == {WEB}
    assert granted()
    assert cluster.apply([], [grant.key]) == {WEB}
    assert not granted()


def test_a_route_that_goes_is_gone(parsed):
    cluster = Cluster()
    route = parsed(http_route()).object
    cluster.apply([parsed(SERVICE).object, route])
    assert cluster.service(WEB).spec.routes
    assert cluster.apply([], [route.key]) == {WEB}
    assert cluster.service(WEB).spec.routes == ()
