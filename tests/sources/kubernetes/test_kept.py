"""What a source of a cluster knows after a restart, before the API server answers it."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.apiserver.kubeconfig import Access
from pilothouse.kubernetes.gateway.backends import MULTICLUSTER
from pilothouse.model.services import ServiceName
from pilothouse.sources import Common, Misconfigured
from pilothouse.sources.kubernetes.factory import kubernetes
from pilothouse.sources.kubernetes.kept import Kept
from pilothouse.sources.kubernetes.settings import KubernetesSettings
from pilothouse.sources.kubernetes.source import KubernetesSource
from pilothouse.structures.state import StateFolder

from ..conftest import RecordingSink
from .backend import HURRIED, PORTS, service, slice_of

ROUTE = {
    "spec": {
        "parentRefs": [{"kind": "Service", "group": "", "name": "payments", "port": 80}],
        "rules": [{"backendRefs": [{"name": "payments", "port": 80}], "timeouts": {"request": "5s"}}],
    }
}


@pytest.fixture
def keeping(api, tmp_path):
    """A source with a state folder, as the next process would make it."""

    def make(hold_s=120.0, **fields):
        kept = Kept(StateFolder(tmp_path / "state"), hold_s, pause_s=0.05)
        return KubernetesSource(Access(api.url), kept=kept, pace=HURRIED, **fields)

    return make


def fill(api):
    api.installed = {"HTTPRoute"}
    api.put("Service", "payments", **service())
    api.put("EndpointSlice", "payments-1", **slice_of("payments", "10.1.0.1"))
    api.put("HTTPRoute", "r", **ROUTE)
    api.put("Service", "gone", **service())


async def restored(source):
    """What it hands over when nobody answers."""
    sink = RecordingSink()
    with pytest.raises(OSError, match="cannot be reached"):
        await asyncio.wait_for(source.run(sink), 20)
    return sink


def files(tmp_path):
    return len([*(tmp_path / "state").glob("*.state")])


async def test_without_an_api_server_what_was_in_force_is_so_again(
    api, keeping, running, eventually, tmp_path
):
    fill(api)
    async with running(keeping()) as sink:
        await eventually(lambda: sink.reports and files(tmp_path) == 3)
        before = dict(sink.services)
    api.stop()
    sink = await restored(keeping())
    assert [report[0] for report in sink.reports] == ["restore"]
    assert sink.services == before
    assert sink.services[ServiceName("shop", "payments")].spec.routes


async def test_an_import_and_what_leads_to_it_are_kept_as_well(api, keeping, running, eventually, tmp_path):
    imported = {"group": MULTICLUSTER, "kind": "ServiceImport", "name": "ledger", "port": 80}
    fill(api)
    api.installed |= {"ServiceImport"}
    api.put("ServiceImport", "ledger", spec={"type": "ClusterSetIP", "ips": ["10.112.0.7"], "ports": PORTS})
    api.put("HTTPRoute", "r", spec=ROUTE["spec"] | {"rules": [{"backendRefs": [imported]}]})
    async with running(keeping()) as sink:
        await eventually(lambda: sink.reports and files(tmp_path) == 4)
        before = dict(sink.services)
    assert before[ServiceName("shop", "ledger", imported=True)].spec.vips == ("10.112.0.7",)
    api.stop()
    assert (await restored(keeping())).services == before


async def test_what_is_gone_meanwhile_is_gone_with_the_first_list(
    api, keeping, running, eventually, tmp_path
):
    fill(api)
    async with running(keeping()) as sink:
        await eventually(lambda: sink.reports and files(tmp_path) == 3)
    api.delete("Service", "gone")
    async with running(keeping()) as sink:
        await eventually(lambda: len(sink.reports) == 2)
        assert [report[0] for report in sink.reports] == ["restore", "replace"]
        assert [name.name for name in sink.services] == ["payments"]


async def test_what_was_deleted_is_not_kept(api, keeping, running, eventually, tmp_path):
    fill(api)
    async with running(keeping()) as sink:
        await eventually(lambda: sink.reports and files(tmp_path) == 3)
        for name in ("payments", "gone"):
            api.delete("Service", name)
        await eventually(lambda: files(tmp_path) == 2)
    api.stop()
    assert (await restored(keeping())).services == {}


async def test_what_a_list_lacks_is_kept_for_as_long_as_that_may_be_doubted(
    api, keeping, running, eventually, tmp_path
):
    fill(api)
    async with running(keeping()) as sink:
        await eventually(lambda: sink.reports and files(tmp_path) == 3)
    for name in ("payments", "gone"):
        api.delete("Service", name)
    async with running(keeping()) as sink:
        await eventually(lambda: not sink.services and sink.reports)
        api.put("Node", "n1")
        await eventually(lambda: files(tmp_path) == 4)
    api.stop()
    assert len((await restored(keeping())).services) == 2
    api.start()
    async with running(keeping(hold_s=0.1)) as sink:
        await eventually(lambda: files(tmp_path) == 3)


async def test_who_accepts_what_is_missing_is_given_nothing_of_before(
    api, keeping, running, eventually, tmp_path
):
    fill(api)
    async with running(keeping()) as sink:
        await eventually(lambda: sink.reports and files(tmp_path) == 3)
    api.stop()
    assert (await restored(keeping(accept_missing=True))).reports == []


async def test_kept_state_that_makes_no_sense_is_told_and_counts_as_absent(api, keeping, tmp_path):
    folder = StateFolder(tmp_path / "state")
    folder.save(
        {"Service/shop": [b'[{"nonsense": 1}]'], "Strange/shop": [b"[]"], "Node/": [b'[{"name": "n"}]']}
    )
    api.stop()
    source = keeping()
    await restored(source)
    assert len(source.faults) == 2
    assert all("kept state: holds nothing that is known here" in fault.message for fault in source.faults)


async def test_a_folder_that_cannot_be_written_is_told_and_stops_nothing(
    api, keeping, running, eventually, tmp_path
):
    (tmp_path / "state").write_text("a file")
    fill(api)
    source = keeping()
    async with running(source) as sink:
        await eventually(lambda: sink.reports and source.faults)
        assert "the state folder cannot be written" in source.faults[0].message
        (tmp_path / "state").unlink()
        await eventually(lambda: not source.faults)


KUBECONFIG = """\
current-context: a
contexts: [{name: a, context: {cluster: a}}]
clusters: [{name: a, cluster: {server: "SERVER"}}]
"""


async def test_the_settings_make_a_source_that_keeps_the_state_of_each_cluster_apart(
    api, running, eventually, tmp_path
):
    fill(api)
    file = tmp_path / "config"
    file.write_text(KUBECONFIG.replace("SERVER", api.url))
    settings = KubernetesSettings(kubeconfig=file)
    with_state = Common(state=tmp_path / "state")
    async with running(settings.source(with_state)) as sink:
        await eventually(lambda: sink.services)
    (tmp_path / "other").write_text("a file")
    with pytest.raises(Misconfigured, match=r"--state: .*/other/kubernetes/"):
        kubernetes(settings, Common(state=tmp_path / "other", wanted=True))
    file.write_text(KUBECONFIG.replace("current-context: a", ""))
    with pytest.raises(Misconfigured, match=r"--kubeconfig: .*/config: current-context: is not set"):
        kubernetes(settings, Common())
    with pytest.raises(Misconfigured, match=r"--kubernetes: this is no pod"):
        kubernetes(KubernetesSettings(kubernetes=True), Common())
