"""Which files are looked at, and which of them are read."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from pilothouse.sources.files import disk, tree
from pilothouse.sources.files.disk import Look, look

NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: %s}\n"
LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def write(tmp_path):
    def write_text(name, text=NODE % "n", when=LONG_AGO):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, when)
        return path

    return write_text


def found(*roots, before=None):
    return look(roots, before or Look())


def errors(look_, path):
    return [error.message for error in look_.files[str(path)].contents.errors]


def test_a_folder_is_read_with_all_below_it_except_what_is_hidden_or_left_over(tmp_path, write):
    ours = {write(name) for name in ("a.yaml", "b.yml", "c.json", "in/side/d.yaml", "x.yaml.d/e.yaml")}
    for name in (
        ".a.yaml",
        ".git/a.yaml",
        "a.yaml~",
        "#a.yaml#",
        ".#a.yaml",
        "a.yaml.swp",
        "a.txt",
        "~$a.yaml",
    ):
        write(name)
    assert set(found(tmp_path).files) == {str(path) for path in ours}


def test_a_file_that_is_named_is_read_whatever_its_name(write):
    path = write("mesh.txt")
    assert list(found(path).files) == [str(path)]


def test_a_file_that_is_named_twice_is_one_file(tmp_path, write):
    path = write("a.yaml")
    assert list(found(tmp_path, path, tmp_path).files) == [str(path)]


def test_links_are_followed_but_not_in_circles(tmp_path, write):
    write("in/a.yaml")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "zz").symlink_to(tmp_path / "in")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "in" / "a.yaml")
    assert list(found(tmp_path).files) == [str(tmp_path / "b.yaml"), str(tmp_path / "in" / "a.yaml")]


def test_a_link_that_points_nowhere_is_a_fault_and_not_a_deletion(tmp_path):
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    (tmp_path / "b.yaml").symlink_to("b.yaml")
    seen = found(tmp_path)
    assert errors(seen, tmp_path / "a.yaml") == ["cannot be read: no such file or directory"]
    assert errors(seen, tmp_path / "b.yaml") == ["cannot be read: too many levels of symbolic links"]


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    assert errors(found(tmp_path), tmp_path / "a.yaml") == ["is not a regular file"]


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert errors(found(tmp_path), tmp_path / "a.yaml") == ["is larger than 64 MiB"]


def test_a_root_that_is_missing_is_named_and_hides_what_is_below(tmp_path):
    seen = found(tmp_path / "nowhere")
    assert seen.unreadable == {str(tmp_path / "nowhere"): "cannot be read: no such file or directory"}
    assert seen.hides(str(tmp_path / "nowhere" / "a.yaml"))
    assert not seen.hides(str(tmp_path / "nowhere2" / "a.yaml"))


def test_a_folder_that_cannot_be_listed_is_named_and_the_others_are_read(tmp_path, write, monkeypatch):
    # Permissions would not stop a test that is run by root.
    def scandir(path, real=os.scandir):
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(disk.os, "scandir", scandir)
    write("locked/a.yaml")
    open_ = write("open/b.yaml")
    seen = found(tmp_path)
    assert list(seen.files) == [str(open_)]
    assert seen.unreadable == {str(tmp_path / "locked"): "cannot be read: permission denied"}


def test_what_did_not_change_is_not_read_again(tmp_path, write):
    path = write("a.yaml")
    before = found(tmp_path)
    # Same size, same time: to look at it, nothing happened.
    path.write_text(NODE % "m")
    os.utime(path, LONG_AGO)
    after = found(tmp_path, before=before)
    assert after.files[str(path)] is before.files[str(path)]


def test_what_was_written_a_moment_ago_is_read_again(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(NODE % "n")
    before = found(tmp_path)
    stamp = path.stat()
    path.write_text(NODE % "m")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = found(tmp_path, before=before)
    assert [one.object.name for one in after.files[str(path)].contents.declared] == ["m"]


def test_a_file_that_was_only_touched_says_the_same(tmp_path, write):
    path = write("a.yaml")
    before = found(tmp_path)
    os.utime(path, (1_000_000_001, 1_000_000_001))
    after = found(tmp_path, before=before)
    assert after.files[str(path)].contents is before.files[str(path)].contents


def test_a_file_that_cannot_be_read_is_the_same_fault_at_every_look(tmp_path):
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    before = found(tmp_path)
    after = found(tmp_path, before=before)
    assert after.files[str(tmp_path / "a.yaml")] is before.files[str(tmp_path / "a.yaml")]


def test_a_file_that_becomes_a_pipe_before_it_is_opened_is_not_waited_for(write, monkeypatch):
    path = write("mesh.yaml")

    def stat(name, *args, real=os.stat, **options):
        status = real(name, *args, **options)
        if name == str(path) and not path.is_fifo():
            path.unlink()
            os.mkfifo(path)
        return status

    monkeypatch.setattr(os, "stat", stat)
    assert errors(found(path), path) == ["is not a regular file"]


def test_sockets_devices_and_folders_in_place_of_a_file_are_not_read(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a.yaml"))
    (tmp_path / "b.yaml").symlink_to("/dev/zero")
    (tmp_path / "c.yaml").mkdir()
    seen = found(tmp_path)
    assert errors(seen, tmp_path / "a.yaml") == ["is not a regular file"]
    assert errors(seen, tmp_path / "b.yaml") == ["is not a regular file"]
    assert str(tmp_path / "c.yaml") not in seen.files


def test_a_file_that_grows_while_it_is_read_is_read_up_to_a_bound(write, monkeypatch):
    path = write("a.yaml")
    monkeypatch.setattr(disk, "_MAX_SIZE", 10 << 20)

    def read_while_it_grows(descriptor, size, real=os.read):
        with path.open("ab") as file:
            file.write(b" " * size)
        return real(descriptor, size)

    monkeypatch.setattr(disk.os, "read", read_while_it_grows)
    assert errors(found(path), path) == ["is larger than 10 MiB"]


def test_all_files_together_are_read_up_to_a_bound(tmp_path, write, monkeypatch):
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        write(name, "#" * 1000)
    write("small.yaml")
    monkeypatch.setattr(disk, "_MAX_TOTAL", 2500)
    seen = found(tmp_path)
    assert errors(seen, tmp_path / "c.yaml") == ["is not read: all manifests together are larger than 0 MiB"]
    assert errors(seen, tmp_path / "small.yaml") == []


def test_whatever_goes_wrong_with_one_file_costs_that_file_and_names_it(tmp_path, write, monkeypatch):
    def read(data, *rest, real=disk.read):
        empty: dict[str, Any] = {}
        return empty["a\nkey"] if b"evil" in data else real(data, *rest)

    monkeypatch.setattr(disk, "read", read)
    evil, good = write("evil.yaml", NODE % "evil"), write("good.yaml")
    seen = found(tmp_path)
    assert errors(seen, evil) == ["cannot be read: KeyError: 'a\\nkey'"]
    assert [one.object.name for one in seen.files[str(good)].contents.declared] == ["n"]
    again = found(tmp_path, before=seen)
    assert again.files[str(evil)] is seen.files[str(evil)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"caf\xe9.yaml", "caf\\xe9.yaml"),
        (b"two\nlines.yaml", "two\\x0alines.yaml"),
        (b"\x1b[31mred.yaml", "\\x1b[31mred.yaml"),
        (b"back\\slash.yaml", "back\\x5cslash.yaml"),
        ("käse.yaml".encode(), "käse.yaml"),
    ],
)
def test_any_name_is_told_in_one_line_of_text_and_read_like_the_others(tmp_path, write, name, told):
    write(os.fsdecode(name))
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    write(os.fsdecode(b"\xff/") + "a.yaml")
    seen = found(tmp_path)
    assert list(seen.files) == [f"{tmp_path}/{told}", f"{tmp_path}/\\xff/a.yaml"]
    assert not any(one.contents.errors for one in seen.files.values())


def test_a_tree_that_is_too_large_is_named_and_hidden_and_what_is_near_is_read(tmp_path, write, monkeypatch):
    monkeypatch.setattr(tree, "_MOST_ENTRIES", 50)
    huge = tmp_path / "huge"
    for number in range(200):
        (huge / f"x{number // 20}" / f"y{number}").mkdir(parents=True)
    manifests = tmp_path / "manifests"
    near = {write(f"manifests/{name}") for name in ("a.yaml", "in/b.yaml", "zz.yaml")}
    (manifests / "all").symlink_to(huge)
    seen = found(manifests)
    assert {str(path) for path in near} <= set(seen.files)
    reason = "is not read completely: there are more than 50 files and folders"
    assert seen.unreadable == {str(manifests / "all"): reason}
    assert seen.hides(str(manifests / "all" / "x1" / "c.yaml"))


def test_one_folder_with_too_much_in_it_leaves_room_for_the_others(tmp_path, write, monkeypatch):
    monkeypatch.setattr(tree, "_MOST_ENTRIES", 50)
    for number in range(100):
        write(f"a/{number}.yaml")
    other = write("b/c/d/e.yaml")
    seen = found(tmp_path)
    assert list(seen.files) == [str(other)]
    assert list(seen.unreadable) == [str(tmp_path / "a")]


def test_a_folder_may_be_as_deep_as_the_system_lets_it(tmp_path, write):
    deep = tmp_path
    for _ in range(1100):
        deep /= "d"
        deep.mkdir()
    path = write(str(deep.relative_to(tmp_path) / "a.yaml"))
    assert list(found(tmp_path).files) == [str(path)]
    path.unlink()
    while deep != tmp_path:  # which is too deep for what removes the folders of tests
        deep.rmdir()
        deep = deep.parent


def test_on_request_a_file_is_read_that_seems_unchanged(tmp_path, write):
    path = write("a.yaml")
    before = found(tmp_path)
    path.write_text(NODE % "m")
    os.utime(path, LONG_AGO)
    after = found(tmp_path, before=before.unstamped())
    assert [one.object.name for one in after.files[str(path)].contents.declared] == ["m"]


def test_the_folders_that_were_listed_are_told_and_those_around_what_is_no_folder(tmp_path, write):
    inner = write("in/a.yaml").parent
    lone = write("beside/lone.yaml")
    seen = found(inner, lone, tmp_path / "nowhere")
    assert set(seen.folders) == {str(inner), str(lone.parent), str(tmp_path)}


def test_a_text_that_is_in_several_files_is_understood_once(tmp_path, write):
    paths = [str(write(name)) for name in ("a.yaml", "b.yaml")]
    files = found(tmp_path).files
    assert files[paths[0]].contents.declared
    assert files[paths[0]].contents is files[paths[1]].contents
