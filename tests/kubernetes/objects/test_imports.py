"""ServiceImports of the MCS API: what is read of them, and that they are services of their own."""

from __future__ import annotations

from textwrap import indent

import pytest

from pilothouse.kubernetes.documents import read
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import Key
from pilothouse.kubernetes.parse import parse
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.kubernetes.text.loading import load
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Prefer, Protocol, ServiceName, ServiceSpec

OWN = ServiceName("shop", "payments")
IMPORTED = ServiceName("shop", "payments", imported=True)
PORTS = "ports: [{name: http, port: 80, protocol: TCP}]"
SERVICE = f"apiVersion: v1\nkind: Service\nmetadata: {{name: payments, namespace: shop}}\nspec: {{{PORTS}}}"


def manifest(spec: str, version: str = "v1beta1", annotations: str = "{}") -> str:
    return f"""
apiVersion: multicluster.x-k8s.io/{version}
kind: ServiceImport
metadata: {{name: payments, namespace: shop, annotations: {annotations}}}
spec:
{indent(spec, "  ")}
"""


def slice_of(label: str, address: str, name: str) -> str:
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: shop, labels: {label}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints: [{{addresses: [{address}]}}]
"""


def joined(*texts: str, served: ServedCluster | None = None) -> Cluster:
    cluster = Cluster(served or ServedCluster())
    for text in texts:
        found = parse(Fields(load(text)[0])).object
        assert found is not None
        cluster.apply([found])
    return cluster


def spec_of(*texts: str, served: ServedCluster | None = None) -> ServiceSpec:
    found = joined(*texts, served=served).service(IMPORTED)
    assert found is not None
    return found.spec


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_an_import_is_a_service_of_the_cluster_set(version: str) -> None:
    served = ServedCluster("corp.k8s", suffixes=(".mesh",))
    spec = spec_of(
        manifest(f"type: ClusterSetIP\nips: [10.112.0.7, 'FD00::7']\n{PORTS}", version), served=served
    )
    assert (spec.name, spec.vips, spec.headless) == (IMPORTED, ("10.112.0.7", "fd00::7"), False)
    assert (spec.hostname, spec.suffixes) == ("payments.shop.svc.clusterset.local", ())
    assert [(port.name, port.number, port.protocol) for port in spec.ports] == [("http", 80, Protocol.HTTP)]


def test_a_headless_import_has_no_virtual_ip() -> None:
    spec = spec_of(manifest("type: Headless\nips: [10.112.0.7]\nports: []"))
    assert (spec.headless, spec.vips, spec.ports) == (True, (), ())


def test_an_import_says_where_its_endpoints_are_wanted_as_a_service_does() -> None:
    said = f"type: ClusterSetIP\n{PORTS}\nsessionAffinity: ClientIP\ntrafficDistribution: PreferSameZone"
    spec = spec_of(manifest(said, annotations='{pilothouse.dev/export-to: "., data"}'))
    assert spec.placement.sticky
    assert spec.placement.prefer is Prefer.SAME_ZONE
    assert spec.exported_to == {"shop", "data"}


@pytest.mark.parametrize(
    ("spec", "mistake"),
    [
        (PORTS, "spec.type: is required"),
        ("type: ClusterSetIP", "spec.ports: is required"),
        (f"type: ClusterIP\n{PORTS}", 'spec.type: "ClusterIP" is not one of ClusterSetIP, Headless'),
        (f"type: ClusterSetIP\nips: [None]\n{PORTS}", "spec.ips[0]: "),
        ("type: ClusterSetIP\nports: [{port: 0}]", "spec.ports[0].port: 0 is not in 1..65535"),
    ],
)
def test_what_its_definition_refuses_is_refused(refused, spec: str, mistake: str) -> None:
    assert mistake in refused(manifest(spec))


def test_an_import_and_the_service_of_the_same_name_are_two_services_with_endpoints_of_their_own() -> None:
    of_both = "{multicluster.kubernetes.io/service-name: payments, kubernetes.io/service-name: derived-7}"
    cluster = joined(
        SERVICE,
        slice_of("{kubernetes.io/service-name: payments}", "10.0.0.1", "here"),
        manifest(f"type: ClusterSetIP\nips: [10.112.0.7]\n{PORTS}"),
        slice_of("{multicluster.kubernetes.io/service-name: payments}", "10.9.0.1", "east"),
        slice_of(of_both, "10.9.0.2", "west"),
    )
    own, imported = cluster.service(OWN), cluster.service(IMPORTED)
    assert own
    assert imported
    assert [each.address for each in own.endpoints] == ["10.0.0.1"]
    assert [each.address for each in imported.endpoints] == ["10.9.0.1", "10.9.0.2"]
    assert cluster.apply([], [Key("ServiceImport", "shop", "payments")]) == {IMPORTED}
    assert set(cluster.names) == {OWN}
    assert sorted((omission.reason, omission.what) for omission in cluster.unattached) == [
        (Reason.IMPORTED, "EndpointSlice shop/east"),
        (Reason.IMPORTED, "EndpointSlice shop/west"),
    ]


def test_pods_and_nodes_of_this_cluster_say_nothing_about_endpoints_of_another() -> None:
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: payments-0, namespace: shop, annotations: {pilothouse.dev/weight: "0"}}
"""
    east = slice_of("{multicluster.kubernetes.io/service-name: payments}", "10.9.0.1", "east")
    ours = "], nodeName: n1, targetRef: {kind: Pod, name: payments-0, uid: u1}}]"
    cluster = joined(manifest(f"type: ClusterSetIP\n{PORTS}"), pod, east.replace("]}]", ours))
    imported = cluster.service(IMPORTED)
    assert imported
    (endpoint,) = imported.endpoints
    assert (endpoint.weight, endpoint.node, endpoint.workload) == (1, "", "u1")


def test_an_endpoint_is_of_the_cluster_that_its_slice_names() -> None:
    of_east = (
        "{multicluster.kubernetes.io/service-name: payments, multicluster.kubernetes.io/source-cluster: East}"
    )
    cluster = joined(
        manifest(f"type: Headless\n{PORTS}"),
        slice_of(of_east, "10.9.0.1", "east"),
        slice_of("{multicluster.kubernetes.io/service-name: payments}", "10.9.0.2", "west"),
    )
    imported = cluster.service(IMPORTED)
    assert imported
    assert [each.cluster for each in imported.endpoints] == ["east", ""]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_an_export_is_known_and_has_no_effect(version: str) -> None:
    text = f"apiVersion: multicluster.x-k8s.io/{version}\nkind: ServiceExport\nmetadata: {{name: payments}}\n"
    contents = read(text.encode())
    assert (contents.declared, contents.errors, contents.warnings) == ((), (), ())
    (ignored,) = contents.ignored
    assert ignored.omission.reason is Reason.UNSUPPORTED_KIND


def route(refs: str, parents: str = '[{group: "", kind: Service, name: payments}]') -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r, namespace: shop}}
spec:
  parentRefs: {parents}
  rules:
  - backendRefs: {refs}
"""


def grant(group: str, kind: str) -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {{name: g, namespace: data}}
spec:
  from: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}}]
  to: [{{group: "{group}", kind: {kind}}}]
"""


IMPORT = "group: multicluster.x-k8s.io, kind: ServiceImport"


@pytest.mark.parametrize(
    ("grants", "granted"),
    [
        ([], False),
        ([grant("", "Service")], False),
        ([grant("multicluster.x-k8s.io", "ServiceImport")], True),
    ],
)
def test_a_route_leads_to_an_import_if_that_is_granted(grants: list[str], granted: bool) -> None:
    refs = f"[{{{IMPORT}, namespace: data, name: ledger, port: 80}}]"
    found = joined(SERVICE, route(refs), *grants).service(OWN)
    assert found
    (backend,) = found.spec.routes[0].backends
    assert ServiceName.behind(backend) == ServiceName("data", "ledger", imported=True)
    assert (backend.granted, str(backend)) == (granted, "ServiceImport data/ledger:80")


def test_a_route_of_an_import_is_none_of_the_service_of_the_same_name() -> None:
    parents = f"[{{{IMPORT}, name: payments}}]"
    text = route("[{name: payments, port: 80}]", parents)
    cluster = joined(SERVICE, manifest(f"type: ClusterSetIP\n{PORTS}"), text)
    own, imported = cluster.service(OWN), cluster.service(IMPORTED)
    assert own
    assert not own.spec.routes
    assert imported
    assert [ServiceName.behind(each) for each in imported.spec.routes[0].backends] == [OWN]


def test_a_backend_of_another_group_is_no_import() -> None:
    text = route("[{group: example.com, kind: ServiceImport, name: ledger, port: 80}]")
    found = joined(SERVICE, text).service(OWN)
    assert found
    assert "ServiceImport of example.com" in found.spec.routes[0].backends[0].unsupported
