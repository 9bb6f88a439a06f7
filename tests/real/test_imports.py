"""ServiceImports with the definitions of the MCS API itself."""

from __future__ import annotations

from pilothouse.model.services import ServiceName, State

from .cluster import Cluster
from .gateway_api import Crds
from .namespace import Namespace
from .served import following, put


async def test_imports_of_definitions_installed_late_are_served_until_these_are_removed(
    cluster: Cluster, namespace: Namespace, mcs_api: Crds, eventually
) -> None:
    namespace.service("cart", selector=None)
    put(namespace, "cart", "10.7.0.1")
    imported = ServiceName(str(namespace), "cart", imported=True)
    async with following(cluster.kubeconfig, namespace) as served:
        mcs_api.install()
        await eventually(mcs_api.served, within=60)
        spec = {"type": "ClusterSetIP", "ips": ["10.112.0.7"], "ports": [{"name": "http", "port": 80}]}
        version = "multicluster.x-k8s.io/v1beta1"
        namespace.api.apply(namespace.object("ServiceImport", "cart", version, spec=spec))
        namespace.api.apply(namespace.object("ServiceExport", "cart", version))
        put(namespace, "cart", "10.9.0.1", name="east", label="multicluster.kubernetes.io/service-name")
        await eventually(lambda: imported in served.sink.services, within=60)
        await eventually(lambda: served.sink.services[imported].endpoints)
        found = served.sink.services[imported]
        assert found.spec.vips == ("10.112.0.7",)
        assert [each.address for each in found.endpoints] == ["10.9.0.1"]
        assert served.states("cart") == {"10.7.0.1": State.READY}
        mcs_api.remove()
        await eventually(lambda: imported not in served.sink.services, within=60)
        assert served.states("cart") == {"10.7.0.1": State.READY}
        assert not served.stale
    await eventually(mcs_api.gone, within=60)
