"""How an API server is reached: by which certificate, under which name, through which proxy."""

from __future__ import annotations

import ssl

import pytest
import trustme

from pilothouse.apiserver.answers import Unreadable
from pilothouse.apiserver.client import Client, Refused, Unreachable
from pilothouse.apiserver.credentials import Credentials
from pilothouse.apiserver.kubeconfig import Access

from ..sources.kubernetes.backend import service
from .fake import FakeApi

SERVICES = "/api/v1/services"


async def listed(access):
    """How many Services there are."""
    async with Client(access, Credentials(access), quiet_s=5.0) as client:
        return sum([len(page.items) async for page in client.list(SERVICES, {})])


@pytest.fixture
def secured():
    """An API server with a certificate for `cluster.test`, and the CA that has signed it."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("cluster.test").configure_cert(context)
    api = FakeApi(tls=context)
    api.put("Service", "a", **service())
    yield api, ca.cert_pem.bytes()
    api.close()


async def test_a_certificate_has_to_be_of_the_authority_and_of_the_name_that_is_asked_for(secured):
    api, authority = secured
    assert await listed(Access(api.url, authority, server_name="cluster.test")) == 1
    assert await listed(Access(api.url, insecure=True)) == 1
    with pytest.raises(Unreachable, match=r"localhost.*: its certificate is not accepted: Hostname mismatch"):
        await listed(Access(api.url, authority))
    other = trustme.CA().cert_pem.bytes()
    with pytest.raises(Unreachable, match=r"its certificate is not accepted: "):
        await listed(Access(api.url, other, server_name="cluster.test"))


async def test_a_server_is_asked_through_its_proxy_or_that_of_the_environment(api, monkeypatch):
    api.put("Service", "a", **service())
    assert await listed(Access("http://cluster.test", proxy=api.url)) == 1
    monkeypatch.setenv("http_proxy", api.url)
    assert await listed(Access("http://cluster.test")) == 1
    monkeypatch.setenv("no_proxy", "cluster.test")
    with pytest.raises(Unreachable, match=r"^http://cluster.test: cannot be reached"):
        await listed(Access("http://cluster.test"))


async def test_headers_say_who_asks_and_for_whom(api):
    await listed(Access(api.url, token="t", headers=(("Impersonate-User", "jane"),)))
    said = api.headers[0]
    assert said["Authorization"] == "Bearer t"
    assert said["Impersonate-User"] == "jane"
    assert said["User-Agent"].startswith("pilothouse/")


async def test_a_refusal_says_what_the_server_says_in_one_line(api):
    api.broken, api.retry_after_s = 503, 7
    with pytest.raises(Refused, match=rf"^{api.url}: 503: the storage is broken$") as raised:
        await listed(Access(api.url))
    assert (raised.value.status, raised.value.retry_after_s, raised.value.expired) == (503, 7.0, False)


async def test_what_is_no_api_server_is_told_so(api):
    access = Access(api.url)
    async with Client(access, Credentials(access), quiet_s=5.0) as client:
        with pytest.raises(Refused, match="404: "):
            await anext(client.list("/somewhere", {}))
        api.installed = {"HTTPRoute"}
        assert await client.kinds("gateway.networking.k8s.io") == {"v1": ["HTTPRoute"]}
        api.nonsense = True
        with pytest.raises(Unreadable, match="the list cannot be read"):
            await anext(client.list(SERVICES, {}))
        with pytest.raises(Unreachable, match="is not answered as an API server does"):
            await client.kinds("gateway.networking.k8s.io")


async def test_an_object_is_created_read_replaced_and_applied(api):
    leases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
    access = Access(api.url)
    async with Client(access, Credentials(access), quiet_s=5.0) as client:
        with pytest.raises(Refused) as raised:
            await client.get(f"{leases}/one")
        assert raised.value.status == 404
        made = await client.create(leases, {"metadata": {"name": "one"}, "spec": {"a": 1}})
        with pytest.raises(Refused) as raised:
            await client.create(leases, {"metadata": {"name": "one"}})
        assert raised.value.status == 409
        await client.replace(f"{leases}/one", {**made, "spec": {"a": 2}})
        with pytest.raises(Refused) as raised:
            await client.replace(f"{leases}/one", {**made, "spec": {"a": 3}})
        assert raised.value.status == 409
        await client.apply(f"{leases}/one", {"spec": {"b": 4}}, "me")
        assert (await client.get(f"{leases}/one"))["spec"] == {"a": 2, "b": 4}
    assert [method for method, _ in api.writes] == ["POST", "PUT", "PATCH"]
    assert "fieldManager=me" in api.requests[-2]
