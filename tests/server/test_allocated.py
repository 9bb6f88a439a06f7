"""What is kept of virtual IPs, whatever becomes of the file."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pilothouse.model.services import ServiceName
from pilothouse.registry.allocation import Wish
from pilothouse.server.allocated import Allocations

RANGES = [ip_network("240.240.0.0/16")]


def name(text: str) -> ServiceName:
    return ServiceName("shop", text)


DB, CART, PAY = map(name, ("db", "cart", "pay"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "addresses"


@pytest.fixture
def kept(folder: Path) -> Allocations:
    return Allocations(folder, RANGES)


def give(kept: Allocations, *names: ServiceName) -> list[str]:
    settled = kept.settle(Wish(names))
    return [", ".join(settled.addresses[each]) for each in names]


def loaded(folder: Path) -> dict[ServiceName, tuple[str, ...]]:
    return Allocations(folder, RANGES).load()


def test_vip_stable_restart(kept: Allocations, folder: Path) -> None:
    assert kept.load() == {}
    assert give(kept, DB, CART) == ["240.240.0.1", "240.240.0.2"]
    assert loaded(folder) == {DB: ("240.240.0.1",), CART: ("240.240.0.2",)}
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600


def test_another_process_reads_first_what_this_one_has_written(kept: Allocations, folder: Path) -> None:
    other = Allocations(folder, RANGES)
    kept.load(), other.load()
    assert give(kept, DB) == ["240.240.0.1"]
    assert give(other, CART, DB) == ["240.240.0.2", "240.240.0.1"]
    assert give(kept, CART, PAY) == ["240.240.0.2", "240.240.0.3"]
    other.settle(Wish((), [DB]))
    assert give(kept, DB) == ["240.240.0.1"]
    assert loaded(folder) == {
        DB: ("240.240.0.1",),
        CART: ("240.240.0.2",),
        PAY: ("240.240.0.3",),
    }


def _worked(folder: Path, first: int) -> dict[ServiceName, tuple[str, ...]]:
    """What one process gives to services that all know, in an order of its own."""
    kept, found = Allocations(folder, RANGES), {}
    kept.load()
    for number in range(40):
        each = name(f"s{(number * 7 + first) % 40}")
        found[each] = kept.settle(Wish([each])).addresses[each]
    return found


def test_many_at_once_agree_and_give_no_address_twice(folder: Path) -> None:
    with ThreadPoolExecutor() as pool:  # each has its own lock, as a process has
        answers = [*pool.map(_worked, [folder] * 3, (0, 13, 27))]
    assert answers[0] == answers[1] == answers[2] == loaded(folder)
    assert len(set(answers[0].values())) == 40


def test_one_decides_only_after_the_other_has_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting, met, write = threading.Barrier(2), list[bool](), os.write

    def meet(descriptor: int, data: bytes) -> int:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(0.3)
            met.append(True)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", meet)
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(give, Allocations(folder, RANGES), each) for each in (DB, CART)]
        assert sorted(each.result()[0] for each in both) == ["240.240.0.1", "240.240.0.2"]
    assert met == []


def test_a_line_that_lacks_its_end_only_is_whole(kept: Allocations, folder: Path) -> None:
    give(kept, DB, CART)
    kept.file.write_bytes(kept.file.read_bytes()[:-1])
    with capture_logs() as logs:
        assert give(Allocations(folder, RANGES), CART, PAY) == ["240.240.0.2", "240.240.0.3"]
        assert len(loaded(folder)) == 3
    assert logs == []


@pytest.mark.parametrize("cut", [2, 9, 60])
def test_a_line_that_was_cut_is_left_out_and_the_next_one_is_whole(
    kept: Allocations, folder: Path, cut: int
) -> None:
    give(kept, DB, CART)
    kept.file.write_bytes(kept.file.read_bytes()[:-cut])
    with capture_logs() as logs:
        found = give(Allocations(folder, RANGES), PAY)
    assert [(each["file"], each["lines"]) for each in logs] == [(f"{kept.file}:2", 1)]
    assert found == (["240.240.0.3"] if cut < 60 else ["240.240.0.2"]), "unless its address was cut as well"
    assert loaded(folder) == {DB: ("240.240.0.1",), PAY: (found[0],)}


@pytest.mark.parametrize("garbage", [b"\x00\xff\n" * 3, b"{}\n\n00000000 \nx\n", b"7 [1]\n\xc3\x28\n 3\n"])
def test_damaged_lines_are_one_warning_and_the_rest_is_known(
    kept: Allocations, folder: Path, garbage: bytes
) -> None:
    give(kept, DB, CART)
    first, second = kept.file.read_bytes().splitlines(keepends=True)
    changed = first + garbage + second.replace(b"240.240.0.2", b"240.240.0.9")
    kept.file.write_bytes(changed)
    with capture_logs() as logs:
        found = loaded(folder)
    assert found == {DB: ("240.240.0.1",)}
    assert [(each["log_level"], each["file"], each["lines"]) for each in logs] == [
        ("warning", f"{kept.file}:2", 4)
    ]
    assert kept.file.with_suffix(".damaged").read_bytes() == changed
    with capture_logs() as logs:
        assert give(Allocations(folder, RANGES), CART) == ["240.240.0.2"]
    assert logs == [], "the file was written anew"
    others = give(kept, *(name(f"s{n}") for n in range(20)))
    assert "240.240.0.9" not in others, "somebody may have it"


def test_a_file_of_changes_is_short_again_after_a_restart(kept: Allocations, folder: Path) -> None:
    for _ in range(10):
        give(kept, DB)
        kept.settle(Wish((), [DB]))
    give(kept, CART)
    assert len(kept.file.read_bytes().splitlines()) == 21
    assert loaded(folder) == {CART: ("240.240.0.2",)}
    assert len(kept.file.read_bytes().splitlines()) == 2
    assert give(kept, DB, PAY) == ["240.240.0.1", "240.240.0.3"], "it was read anew"


def test_a_file_that_was_deleted_is_written_again(kept: Allocations, folder: Path) -> None:
    give(kept, DB, CART)
    kept.file.unlink()
    assert give(kept, PAY) == ["240.240.0.3"]
    assert loaded(folder) == {DB: ("240.240.0.1",), CART: ("240.240.0.2",), PAY: ("240.240.0.3",)}


@pytest.mark.parametrize("damage", [b"", b"\xff" * 50, b"\xff\n" * 5000])
def test_what_is_in_force_is_kept_again_if_the_file_loses_it(
    kept: Allocations, folder: Path, damage: bytes
) -> None:
    other = Allocations(folder, RANGES)
    give(kept, DB)
    give(other, CART)
    os.replace(kept.file, folder / "moved")
    kept.file.write_bytes(damage)
    assert give(other, PAY) == ["240.240.0.3"]
    assert give(kept, DB) == ["240.240.0.1"]
    assert loaded(folder) == {DB: ("240.240.0.1",), CART: ("240.240.0.2",), PAY: ("240.240.0.3",)}


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_what_cannot_be_kept_is_not_given_and_nothing_known_is_lost(
    kept: Allocations, folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    give(kept, DB)
    before = kept.file.read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises(OSError, match="No space left"):
            give(kept, CART)
    assert kept.file.read_bytes() == before
    assert give(kept, PAY, CART, DB) == ["240.240.0.2", "240.240.0.3", "240.240.0.1"]


def test_what_was_given_is_kept_again_if_the_file_goes_after_it_could_not_be_written(
    kept: Allocations, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(kept, DB, CART)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            kept.settle(Wish([PAY], [CART]))
    kept.file.unlink()
    assert give(kept, PAY) == ["240.240.0.3"]
    assert loaded(folder) == {DB: ("240.240.0.1",), CART: ("240.240.0.2",), PAY: ("240.240.0.3",)}


@pytest.mark.parametrize("names", [[name("xx")], [name("xx"), name("yy")]])
def test_a_file_that_is_written_over_in_place_is_read_anew(
    kept: Allocations, tmp_path: Path, names: list[ServiceName]
) -> None:
    """It has as many bytes as what was read, or more."""
    other = Allocations(tmp_path / "other", RANGES)
    give(kept, name("aa"))
    give(other, *names)
    inode = kept.file.stat().st_ino
    kept.file.write_bytes(other.file.read_bytes())
    assert kept.file.stat().st_ino == inode
    assert kept.load() == other.load()


def test_a_line_that_the_disk_takes_only_in_part_is_taken_back(
    kept: Allocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(kept, DB)
    before, write = kept.file.read_bytes(), os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
        with pytest.raises(OSError, match="the disk is full"):
            give(kept, CART)
    assert kept.file.read_bytes() == before


def test_what_is_no_file_is_an_error_and_nobody_waits_for_it(kept: Allocations, folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(kept.file)
    with pytest.raises(OSError, match="regular file"):
        kept.load()
    kept.file.unlink()
    kept.file.mkdir()
    with pytest.raises(OSError, match="regular file"):
        give(kept, DB)
