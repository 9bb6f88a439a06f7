"""What is believed of what was found, at times that the tests choose."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.documents import Contents, Place, Remark, read
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import ServiceName
from pilothouse.sources import Standing, Unknown
from pilothouse.sources.files.disk import Look, Manifest, manifests_of
from pilothouse.sources.files.last_good import DOUBT_S, LastGood
from pilothouse.sources.files.left_out import LeftOut

A, B = ServiceName("shop", "a"), ServiceName("shop", "b")
SOON, LATER = DOUBT_S / 2, DOUBT_S * 6


@pytest.fixture
def last_good():
    return LastGood()


@pytest.fixture
def found(manifest):
    """What is on the disk: the text of each file, or the services that it declares."""

    def find(unreadable=None, **files):
        manifests = {f"{name}.yaml": as_manifest(said) for name, said in files.items()}
        return Look(manifests, unreadable or {}, {"": (1, 1)})

    def as_manifest(said):
        text = said if isinstance(said, str) else "---\n".join(manifest(name, *said[name]) for name in said)
        return Manifest(text.encode(), read(text.encode()), data=text.encode())

    return find


def names(last_good):
    return [service.name for service in last_good.services]


def test_what_is_new_is_believed_at_once(last_good, found):
    assert last_good.take_in(found(f={"a": ["10.0.0.1"]}), 0) == {A}
    assert last_good.take_in(found(f={"a": ["10.0.0.1"]}, g={"b": []}), SOON) == {B}
    assert names(last_good) == [A, B]
    assert not last_good.in_doubt


def test_a_file_that_is_missing_is_gone_when_that_has_lasted(last_good, found):
    last_good.take_in(found(f={"a": []}, g={"b": []}), 0)
    assert last_good.take_in(found(g={"b": []}), 10) == frozenset()
    assert last_good.in_doubt
    assert last_good.take_in(found(g={"b": []}), 10 + SOON) == frozenset()
    assert last_good.take_in(found(g={"b": []}), 10 + LATER) == {A}
    assert names(last_good) == [B]
    assert not last_good.in_doubt


def test_a_file_that_is_back_in_time_was_never_gone(last_good, found):
    last_good.take_in(found(f={"a": []}), 0)
    for when in range(1, 10):
        assert last_good.take_in(found(), when) == frozenset()
        assert last_good.in_doubt
        assert last_good.take_in(found(f={"a": []}), when + SOON) == frozenset()
        assert not last_good.in_doubt
    assert names(last_good) == [A]


def test_a_document_that_is_missing_is_gone_when_that_has_lasted(last_good, found):
    last_good.take_in(found(f={"a": [], "b": []}), 0)
    without = found(f={"b": []})
    assert last_good.take_in(without, 10) == frozenset()
    assert last_good.take_in(without, 10 + SOON) == frozenset()
    assert names(last_good) == [A, B]
    assert last_good.take_in(without, 10 + LATER) == {A}
    assert names(last_good) == [B]


def test_a_file_that_is_still_growing_loses_nothing(last_good, found):
    last_good.take_in(found(f={"a": [], "b": [], "c": []}), 0)
    assert last_good.take_in(found(f={"a": []}), 10) == frozenset()
    # The doubt begins anew with each change.
    assert last_good.take_in(found(f={"a": [], "b": []}), 10 + LATER) == frozenset()
    whole = found(f={"a": ["10.0.0.1"], "b": [], "c": []})
    assert last_good.take_in(whole, 10 + LATER + SOON) == {A}
    assert len(last_good.services) == 3


def test_a_document_that_moves_to_another_file_is_no_change(last_good, found):
    last_good.take_in(found(f={"a": [], "b": []}, g="{apiVersion: v1, kind: List, items: []}"), 0)
    moved = found(f={"a": []}, g={"b": []})
    assert last_good.take_in(moved, 10) == frozenset()
    assert last_good.faults == ()
    assert last_good.take_in(moved, 10 + LATER) == frozenset()
    assert names(last_good) == [A, B]
    assert last_good.faults == ()


@pytest.mark.parametrize("folder", ["f.yaml", "in"])
def test_what_is_out_of_reach_is_not_gone(last_good, manifest, folder):
    path = "f.yaml" if folder == "f.yaml" else "in/side/f.yaml"
    text = manifest("a").encode()
    last_good.take_in(Look({path: Manifest(text, read(text))}), 0)
    hidden = Look({}, {folder: "cannot be read: permission denied"})
    for when in (10, 10 + LATER, 3600):
        assert last_good.take_in(hidden, when) == frozenset()
        assert not last_good.in_doubt
    assert [str(fault) for fault in last_good.faults] == [f"{folder}: cannot be read: permission denied"]
    assert names(last_good) == [A]


def test_a_folder_of_a_similar_name_hides_nothing(last_good, manifest):
    text = manifest("a").encode()
    last_good.take_in(Look({"inside/f.yaml": Manifest(text, read(text))}), 0)
    last_good.take_in(Look({}, {"in": "gone"}), 10)
    assert last_good.take_in(Look({}, {"in": "gone"}), 10 + LATER) == {A}


def test_a_broken_file_keeps_what_it_said_and_is_complete(last_good, found):
    last_good.take_in(found(f={"a": ["10.0.0.1"]}), 0)
    broken = found(f="a: [")
    assert last_good.take_in(broken, 10) == frozenset()
    assert last_good.take_in(broken, 10 + LATER) == frozenset()
    assert last_good.take_in(broken, 3600) == frozenset()
    assert names(last_good) == [A]
    assert last_good.complete
    assert [fault.place for fault in last_good.faults] == ["f.yaml:1"]


def test_a_file_that_is_broken_for_a_moment_is_not_worth_a_fault(last_good, found):
    last_good.take_in(found(f={"a": ["10.0.0.1"]}), 0)
    last_good.take_in(found(f=""), 10)
    assert last_good.in_doubt
    assert last_good.faults == ()
    last_good.take_in(found(f={"a": ["10.0.0.2"]}), 10 + SOON)
    assert not last_good.in_doubt
    assert last_good.faults == ()


def test_a_fault_stays_while_it_is_being_mended(last_good, found):
    for when in (0, LATER):
        last_good.take_in(found(f="a: ["), when)
    (fault,) = last_good.faults
    last_good.take_in(found(f=""), 10)
    assert last_good.faults == (fault,)
    last_good.take_in(found(f="a: *b"), 11)
    last_good.take_in(found(f="a: *b"), 11 + LATER)
    assert len(last_good.faults) == 1
    assert last_good.faults != (fault,)
    last_good.take_in(found(f={"a": []}), 20)
    assert last_good.faults == ()


def test_without_patience_everything_is_told_at_once(found):
    last_good = LastGood(doubt_s=0)
    last_good.take_in(found(f="a: ["), 0)
    assert len(last_good.faults) == 1


def test_a_file_that_breaks_while_it_is_in_doubt_keeps_what_it_said(last_good, found):
    last_good.take_in(found(f={"a": [], "b": []}), 0)
    last_good.take_in(found(f={"a": []}), 10)
    last_good.take_in(found(f="a: ["), 10 + SOON)
    assert last_good.take_in(found(f={"a": []}), 10 + LATER) == frozenset()
    assert names(last_good) == [A, B]


def test_a_broken_file_that_is_deleted_takes_its_last_good_contents_along(last_good, found):
    last_good.take_in(found(f={"a": []}), 0)
    last_good.take_in(found(f="a: ["), 10)
    last_good.take_in(found(), 20)
    assert last_good.take_in(found(), 30) == {A}
    assert last_good.faults == ()


def test_without_a_good_reading_it_is_not_complete(last_good, found):
    last_good.take_in(found(f="a: [", g={"b": []}), 0)
    assert not last_good.complete
    assert names(last_good) == [B]
    last_good.take_in(found(f={"a": []}, g={"b": []}), 1)
    assert last_good.complete
    last_good.take_in(Look({}, {"in": "gone"}), 2)
    assert not last_good.complete


def test_a_warning_keeps_nothing_back(last_good):
    text = b"apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
    warning = Remark(Place(3, 1, "metadata"), "is odd")
    last_good.take_in(Look({"n.yaml": Manifest(text, Contents(read(text).declared, (), (warning,)))}), 0)
    assert last_good.complete
    assert [str(fault) for fault in last_good.faults] == ["n.yaml:3: metadata: is odd"]


def test_documents_that_play_no_part_are_told_with_their_place_and_reason(last_good, found):
    other = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    last_good.take_in(found(f=other + other, e={"a": []}), 0)
    omission = Omission(Reason.UNSUPPORTED_KIND, "ConfigMap of v1", "plays no part in routing")
    assert [*last_good.left_out] == [LeftOut("f.yaml", 2, 1, omission), LeftOut("f.yaml", 6, 2, omission)]


@pytest.mark.parametrize(
    "served", [ServedCluster(included=frozenset({"shop"})), ServedCluster(excluded=frozenset({"test"}))]
)
def test_what_is_in_a_namespace_that_is_not_served_is_not_there(found, served):
    last_good = LastGood(served)
    meta = "metadata: {name: x, namespace: test}\n"
    other = f"---\napiVersion: v1\nkind: Service\n{meta}spec: {{ports: [{{port: 80}}]}}\n"
    last_good.take_in(found(f=other, e={"a": []}), 0)
    assert names(last_good) == [A]
    omission = Omission(Reason.EXCLUDED_NAMESPACE, "Service test/x")
    assert [*last_good.left_out] == [LeftOut("f.yaml", 2, 1, omission)]
    assert last_good.complete
    assert not last_good.in_doubt


def bad(manifest, name):
    """The manifest of a service with a port that is none; its slice is as it should be."""
    return manifest(name, "10.0.9.9").replace("port: 80,", "port: 80000,")


def addresses(last_good, name):
    return [endpoint.address for endpoint in last_good.service(ServiceName("shop", name)).endpoints]


def test_a_document_that_cannot_be_read_costs_itself(last_good, found, manifest):
    last_good.take_in(found(f={"a": ["10.0.0.1"], "b": ["10.0.1.1"], "c": []}), 0)
    text = f"{manifest('a', '10.0.0.2')}---\n{bad(manifest, 'b')}---\nkind: Serv\n"
    for when in (10, 10 + LATER):
        last_good.take_in(found(f=text), when)
    assert addresses(last_good, "a") == ["10.0.0.2"]
    assert names(last_good) == [A, B, ServiceName("shop", "c")]  # one of the broken documents may be `c`
    assert {fault.standing for fault in last_good.faults} == {Standing.LAST_GOOD}
    assert last_good.complete


def test_of_a_new_file_with_a_broken_document_the_rest_is_taken_in_and_it_is_unknown(
    last_good, found, manifest
):
    text = f"{manifest('a')}---\nkind: Serv\n"
    for when in (0, LATER):
        last_good.take_in(found(f=text), when)
    assert names(last_good) == [A]
    assert last_good.unknown == {"f.yaml"}
    assert last_good.unknown_with_services() == Unknown(("f.yaml",), frozenset({A}))
    assert [fault.standing for fault in last_good.faults] == [Standing.UNKNOWN]
    last_good.take_in(found(f={"a": []}), 10)
    assert last_good.unknown == frozenset()


def test_what_is_in_force_in_place_of_an_annotation_is_said_by_the_message(last_good):
    text = b"apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {pilothouse.dev/weight: heavy}}\n"
    last_good.take_in(Look({"p.yaml": Manifest(text, read(text))}), 0)
    assert [fault.standing for fault in last_good.faults] == [Standing.STATED]


@pytest.mark.parametrize(
    ("left", "folders", "implied"),
    [
        (["d/g.yaml"], {"d": (1, 1)}, ()),  # one file of several was removed
        ([], {"d": (1, 1)}, ("d/e.yaml", "d/f.yaml")),  # the folder is empty
        (["e/g.yaml"], {"e": (1, 2)}, ("d/e.yaml", "d/f.yaml")),  # or gone
        (["d/e/g.yaml"], {"d": (1, 1), "d/e": (1, 2)}, ()),
        (["d/h.yaml"], {"d": (1, 7)}, ("d/e.yaml", "d/f.yaml")),  # another folder has taken its place
        (["d/h.yaml", "d/i.yaml"], {"d": (1, 7)}, ()),  # with as many files, as a checkout does it
    ],
)
def test_a_loss_is_implied_where_a_folder_went_with_it(last_good, manifest, left, folders, implied):
    texts = {"d/e.yaml": manifest("a"), "d/f.yaml": manifest("b"), **dict.fromkeys(left, "a: [")}
    files = {path: Manifest(text.encode(), read(text.encode())) for path, text in texts.items()}
    before = Look(files, folders={"d": (1, 1), "d/e": (1, 2), "e": (1, 2)})
    after = Look({path: files[path] for path in left}, folders=folders)
    for when, found in ((0, before), (LATER, before), (10, after)):
        last_good.take_in(found, when)
    assert last_good.take_in(after, 10 + LATER) == {A, B}
    assert last_good.implied_losses == implied
    last_good.take_in(after, 20)
    assert last_good.implied_losses == ()


def test_while_more_and_more_of_a_folder_goes_none_of_it_is_gone(last_good, found):
    files = {f"f{number}": {f"s{number}": []} for number in range(10)}
    last_good.take_in(found(**files), 0)
    for number in range(10):
        del files[f"f{number}"]
        assert last_good.take_in(found(**files), 10 + number * DOUBT_S * 3) == frozenset()
    last_good.take_in(found(), 20)
    assert len(last_good.implied_losses) == 10


def test_a_broken_file_under_another_name_keeps_what_it_said(last_good, found):
    last_good.take_in(found(f={"a": ["10.0.0.1"]}), 0)
    for when in (10, 10 + LATER):
        last_good.take_in(found(f="a: ["), when)
    for when in (20, 20 + LATER, 30):
        assert last_good.take_in(found(g="a: ["), when) == frozenset()
    assert addresses(last_good, "a") == ["10.0.0.1"]
    assert last_good.unknown == frozenset()
    assert [dict(fault.parts)["file"] for fault in last_good.faults] == ["g.yaml"]


def test_a_file_that_was_never_good_is_unknown_until_it_has_been_gone_for_a_while(last_good, found):
    for when in (0, LATER):
        last_good.take_in(found(f="a: [", g={"b": []}), when)
    last_good.take_in(found(g={"b": []}), 10)
    assert last_good.unknown == {"f.yaml"}
    last_good.take_in(found(h="b: [", g={"b": []}), 10 + SOON)
    assert last_good.unknown == {"f.yaml", "h.yaml"}
    last_good.take_in(found(g={"b": []}), 20)
    last_good.take_in(found(g={"b": []}), 30)
    assert last_good.unknown == frozenset()


def test_what_the_next_process_has_to_know_is_the_last_text_without_errors_and_what_was_taken_in_since(
    last_good, found, manifest
):
    def saved():
        texts, last_good.unsaved = last_good.unsaved, {}
        return texts

    def take(text, when):
        for moment in (when, when + LATER):
            last_good.take_in(found(f=text), moment)

    good = f"{manifest('a', '10.0.0.1')}---\n{manifest('b', '10.0.1.1')}"
    take(good, 0)
    assert saved() == {"f.yaml": (good.encode(),)}
    first = f"{manifest('a', '10.0.0.2')}---\n{bad(manifest, 'b')}"
    take(first, 10)
    assert saved() == {"f.yaml": (good.encode(), first.encode())}
    second = f"{manifest('a', '10.0.0.3')}---\n{bad(manifest, 'b')}# again\n"
    take(second, 20)  # everything that `first` added is newer here
    assert saved() == {"f.yaml": (good.encode(), second.encode())}
    take("a: [", 30)
    assert saved() == {}

    later = LastGood()
    later.recover("f.yaml", manifests_of([good.encode(), second.encode()]))
    for when in (0, LATER):
        later.take_in(found(f="a: ["), when)
    assert later.services == last_good.services
    assert later.complete
    take(good, 40)
    assert saved() == {"f.yaml": (good.encode(),)}
    for when in (50, 50 + LATER):
        last_good.take_in(found(g="a: ["), when)
    assert saved() == {"f.yaml": None}


def test_of_a_file_that_stays_broken_few_texts_are_kept(last_good, found, manifest):
    take = [f"{manifest(f's{number}')}---\nkind: Serv{number}\n" for number in range(50)]
    for number, text in enumerate(take):
        for when in (number * 10, number * 10 + LATER):
            last_good.take_in(found(f=text), when)
    texts = last_good.unsaved["f.yaml"]
    assert len(texts) == 8
    assert texts[0] == take[0].encode()
    assert texts[-1] == take[-1].encode()


def test_where_empty_folders_are_allowed_no_loss_is_implied(found):
    last_good = LastGood(allow_empty=True)
    last_good.take_in(found(f={"a": []}), 0)
    for when in (10, 10 + LATER):
        last_good.take_in(found(), when)
    assert names(last_good) == []
    assert last_good.implied_losses == ()
    assert last_good.unsaved == {"f.yaml": None}


def test_nothing_is_kept_of_files_that_came_and_went(last_good, found):
    for number in range(5):
        last_good.take_in(found(**{f"f{number}": {f"s{number}": []}}), number * LATER)
    last_good.take_in(found(), 9 * LATER)
    last_good.take_in(found(), 10 * LATER)
    assert (last_good._homes, last_good._applied, last_good._remarks) == ({}, {}, {})
