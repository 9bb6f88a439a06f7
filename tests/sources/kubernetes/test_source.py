"""What the source makes of what an API server says."""

from __future__ import annotations

from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Locality, ServiceName
from pilothouse.sources import Standing

from .backend import service, slice_of

PAYMENTS = ServiceName("shop", "payments")


def declare(api, name="payments", *addresses, namespace="shop", **fields):
    api.put("Service", name, namespace, **service())
    return api.put("EndpointSlice", f"{name}-1", namespace, **slice_of(name, *addresses, **fields))


def names(sink):
    return sorted(name.name for name in sink.services)


async def test_endpoints_have_places_and_weights_by_their_nodes_and_pods(api, source, running, eventually):
    declare(api)
    zoned = slice_of("payments", "10.1.0.1")
    zoned["endpoints"][0] |= {
        "nodeName": "n1",
        "zone": "a",
        "targetRef": {"kind": "Pod", "name": "p-1", "namespace": "shop", "uid": "u-1"},
    }
    api.put("EndpointSlice", "payments-1", **zoned)
    api.put("Node", "n1", metadata={"labels": {"topology.kubernetes.io/region": "eu"}})
    api.put("Pod", "p-1", metadata={"annotations": {"pilothouse.dev/weight": "7"}})
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        (endpoint,) = sink.services[PAYMENTS].endpoints
        assert (endpoint.locality, endpoint.weight, endpoint.workload) == (Locality("eu", "a"), 7, "u-1")
        api.put("Pod", "p-1", metadata={"annotations": {"pilothouse.dev/weight": "0"}})
        await eventually(lambda: sink.services[PAYMENTS].endpoints[0].weight == 0)
        api.put("Pod", "p-1")
        await eventually(lambda: sink.services[PAYMENTS].endpoints[0].weight == 1)


async def test_only_metadata_is_asked_for_of_pods_nodes_and_namespaces(api, source, running, eventually):
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
    asked = {
        request.split("?")[0]: head["Accept"] for request, head in zip(api.requests, api.headers, strict=True)
    }
    metadata = {path for path, accept in asked.items() if "PartialObjectMetadata" in accept}
    assert metadata == {"/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces"}


async def test_labels_of_pods_are_known_from_the_moment_that_a_service_is_divided_by_them(
    api, source, running, eventually
):
    declare(api)
    of_a_pod = slice_of("payments", "10.1.0.1")
    of_a_pod["endpoints"][0]["targetRef"] = {"kind": "Pod", "name": "p-1", "namespace": "shop", "uid": "u-1"}
    api.put("EndpointSlice", "payments-1", **of_a_pod)
    api.put("Pod", "p-1", metadata={"labels": {"version": "v2", "app": "payments"}})
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        assert sink.services[PAYMENTS].endpoints[0].labels == ()
        divided = {"metadata": {"annotations": {"pilothouse.dev/subset-labels": "version"}}}
        api.put("Service", "payments", **{**service(), **divided})
        await eventually(lambda: sink.services[PAYMENTS].endpoints[0].labels == (("version", "v2"),))


async def test_a_change_is_told_with_its_object_and_its_version(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        version = declare(api, "payments", "10.1.0.2")
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.2"])
        assert sink.causes[-1].place == f"EndpointSlice shop/payments-1@{version}"
        api.delete("Service", "payments")
        await eventually(lambda: not sink.services)
        assert sink.causes[-1].place.startswith("Service shop/payments@")


async def test_kinds_that_are_installed_later_are_followed_and_are_gone_when_the_server_says_so(
    api, source, running, eventually
):
    declare(api, "payments", "10.1.0.1")
    route = {
        "spec": {
            "parentRefs": [{"kind": "Service", "group": "", "name": "payments", "port": 80}],
            "rules": [],
        }
    }
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        api.put("HTTPRoute", "r", **route)
        api.installed = {"HTTPRoute", "ReferenceGrant"}
        await eventually(lambda: sink.services[PAYMENTS].spec.routes)
        api.broken = 503
        await eventually(lambda: any("503" in each for each in sink.staleness))
        assert sink.services[PAYMENTS].spec.routes
        api.broken = 0
        await eventually(lambda: sink.staleness[-1] == "")
        api.installed = {"ReferenceGrant"}
        await eventually(lambda: not sink.services[PAYMENTS].spec.routes)


async def test_imports_come_and_go_with_their_definition(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    imported = ServiceName("shop", "payments", imported=True)
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        label = {"labels": {"multicluster.kubernetes.io/service-name": "payments"}}
        api.put("EndpointSlice", "east", **slice_of("payments", "10.9.0.1") | {"metadata": label})
        spec = {"type": "ClusterSetIP", "ips": ["10.112.0.7"], "ports": [{"name": "http", "port": 80}]}
        api.put("ServiceImport", "payments", spec=spec)
        api.installed = {"ServiceImport"}
        await eventually(lambda: imported in sink.services)
        assert [each.address for each in sink.services[imported].endpoints] == ["10.9.0.1"]
        assert sink.addresses("payments") == ["10.1.0.1"]
        api.installed = {"ServiceImport", "HTTPRoute"}
        api.put("ServiceImport", "payments", spec=spec | {"ips": ["10.112.0.8"]})
        await eventually(lambda: sink.services[imported].spec.vips == ("10.112.0.8",))
        api.installed = {"HTTPRoute"}
        await eventually(lambda: imported not in sink.services)
        assert sink.addresses("payments") == ["10.1.0.1"]


async def test_of_some_namespaces_each_is_asked_for_by_itself(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    declare(api, "other", "10.1.0.2", namespace="elsewhere")
    served = ServedCluster(included=frozenset({"shop", "office"}))
    api.put("Namespace", "shop", metadata={"annotations": {"pilothouse.dev/export-to": "."}})
    async with running(source(served)) as sink:
        await eventually(lambda: sink.reports)
        assert names(sink) == ["payments"]
        assert sink.services[PAYMENTS].spec.exported_to == {"shop"}
    paths = {each.split("?")[0] for each in api.requests}
    assert "/api/v1/services" not in paths
    assert "/api/v1/namespaces/office/pods" in paths
    assert any("fieldSelector=metadata.name" in each for each in api.requests if "/namespaces?" in each)


async def test_only_services_with_some_labels_are_asked_for_if_an_operator_says_so(
    api, source, running, eventually
):
    declare(api, "other", "10.1.0.2")
    of_shop = {"team": "shop"}
    api.put("Service", "payments", **service(), metadata={"labels": of_shop})
    labels = {**of_shop, "kubernetes.io/service-name": "payments"}
    api.put(
        "EndpointSlice", "payments-1", **{**slice_of("payments", "10.1.0.1"), "metadata": {"labels": labels}}
    )
    async with running(source(selectors=("team=shop",))) as sink:
        await eventually(lambda: sink.reports)
        assert names(sink) == ["payments"]
        assert sink.addresses("payments") == ["10.1.0.1"]
    assert not any("labelSelector" in each for each in api.requests if "pods" in each)


async def test_objects_of_excluded_namespaces_are_counted_and_left_out(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    declare(api, "dns", "10.1.0.2", namespace="kube-system")
    running_source = source(ServedCluster(excluded=frozenset({"kube-system"})))
    async with running(running_source) as sink:
        await eventually(lambda: sink.reports)
        assert names(sink) == ["payments"]
        assert running_source.left_out[Reason.EXCLUDED_NAMESPACE] == 2


async def test_an_object_that_cannot_be_read_keeps_its_last_good_version(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    made = source()
    async with running(made) as sink:
        await eventually(lambda: sink.reports)
        version = api.put("Service", "payments", **service(type="Strange"))
        await eventually(lambda: made.faults)
        (fault,) = made.faults
        assert str(fault).startswith(f'Service shop/payments@{version}: spec.type: "Strange" is not one of')
        assert fault.standing is Standing.LAST_GOOD
        assert dict(fault.parts)["resourceVersion"] == version
        api.put("Service", "new", **service(type="Strange"))
        await eventually(lambda: len(made.faults) == 2)
        assert made.faults[0].standing is Standing.ABSENT
        assert names(sink) == ["payments"]
        api.delete("Service", "payments")
        await eventually(lambda: not sink.services)
        api.delete("Service", "new")
        await eventually(lambda: not made.faults)


async def test_what_was_broken_from_the_start_is_unknown_until_it_can_be_read(
    api, source, running, eventually
):
    declare(api, "payments", "10.1.0.1")
    version = api.put("Service", "new", **service(type="Strange"))
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        assert sink.places == (f"Service shop/new@{version}",)
        api.put("Service", "new", **service())
        await eventually(lambda: sink.places == ())


async def test_a_strange_annotation_is_a_warning_and_stops_nothing(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    api.put(
        "EndpointSlice",
        "payments-1",
        **{
            **slice_of("payments", "10.1.0.1"),
            "metadata": {
                "labels": {"kubernetes.io/service-name": "payments"},
                "annotations": {"pilothouse.dev/weight": "heavy"},
            },
        },
    )
    made = source()
    async with running(made) as sink:
        await eventually(lambda: sink.reports)
        (warning,) = made.faults
        assert warning.warning
        assert "heavy" in warning.message
        assert sink.addresses("payments") == ["10.1.0.1"]
