"""Which files are looked at, and which of them are read."""

from __future__ import annotations

import os

import pytest

from pilothouse.sources.files import disk
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
