"""Routes of a namespace for its own sidecars: where they lead without a grant, and where they do not."""

from __future__ import annotations

import pytest

from .manifests import service
from .routes import Teller, request, route, to

pytestmark = pytest.mark.envoy

GRANT = {
    "apiVersion": "gateway.networking.k8s.io/v1beta1",
    "kind": "ReferenceGrant",
    "metadata": {"name": "tills", "namespace": "shop"},
    "spec": {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "tills"}],
        "to": [{"group": "", "kind": "Service"}],
    },
}


async def test_a_route_of_the_clients_leads_where_they_may_go_and_past_that_by_a_grant(
    mesh, eventually
) -> None:
    private = {"metadata": {"annotations": {"pilothouse.dev/export-to": "."}}}
    for name, fields in (("web", {}), ("ledger", private)):
        backend = await mesh.backend(name, kind=Teller)
        document = service(name)
        document["metadata"] |= fields.get("metadata", {})
        mesh.manifests.save(name, document, backend.slice(name))
    seen = {
        "type": "ResponseHeaderModifier",
        "responseHeaderModifier": {"set": [{"name": "x-seen-by", "value": "tills"}]},
    }
    rules = (
        {"filters": [seen], "backendRefs": [to("web") | {"namespace": "shop"}]},
        {
            "matches": [{"path": {"value": "/ledger"}}],
            "backendRefs": [to("ledger") | {"namespace": "shop"}],
        },
    )
    found = route(*rules)
    found["metadata"]["namespace"] = "tills"
    found["spec"]["parentRefs"][0]["namespace"] = "shop"
    mesh.manifests.save("route", found)
    control_plane = await mesh.serve()
    tills = await mesh.sidecar(control_plane.port, namespace="tills")
    shop = await mesh.sidecar(control_plane.port)

    answer = await request(tills, "web.shop")
    assert (answer.status, answer.backend, "x-seen-by: tills" in answer.head) == (200, "web", True)
    assert "x-seen-by" not in (await request(shop, "web")).head
    refused = await request(tills, "web.shop", "/ledger")
    assert refused.status == 500
    assert refused.text == "pilothouse: HTTPRoute tills/web-httproute has no backend that can be called\n"
    assert (await request(tills, "ledger.shop")).status == 503

    mesh.manifests.save("grant", GRANT)

    async def granted() -> bool:
        return (await request(tills, "web.shop", "/ledger")).backend == "ledger"

    await eventually(granted)
    assert (await request(tills, "ledger.shop")).status == 503
    assert await tills.rejected() == {}
