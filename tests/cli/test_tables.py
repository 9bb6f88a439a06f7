"""Tables fit the terminal, and lose nothing in a pipe."""

from __future__ import annotations

import sys

import pytest

from pilothouse.admin.api import views
from pilothouse.cli import changes, proxies
from pilothouse.cli.tables import table

NOW = "2026-01-31T02:14:00.000Z"
LONG = "a-rather-long-name-of-something-that-nobody-would-have-chosen"
ROWS = [(LONG, "12", LONG * 2), ("short", "1", "-")]


def test_at_80_columns_the_widest_columns_are_cut_and_the_others_are_whole() -> None:
    lines = table(("NAME", "COUNT", "WHY"), ROWS, 80).splitlines()
    assert max(map(len, lines)) == 80
    assert lines[0].split() == ["NAME", "COUNT", "WHY"]
    name, count, why = lines[1].split()
    assert (name[-1], count, why[-1]) == ("…", "12", "…")
    assert LONG.startswith(name[:-1])
    assert lines[2].split() == ["short", "1", "-"]


@pytest.mark.parametrize("width", [200, None])
def test_with_room_nothing_is_cut(width) -> None:
    assert "…" not in table(("NAME", "COUNT", "WHY"), ROWS, width)


def test_a_cell_of_several_lines_stays_in_its_row() -> None:
    assert len(table(("A",), [("one\ntwo",)], 80).splitlines()) == 2


def test_no_rows_are_a_sentence() -> None:
    assert table(("A",), [], none="nothing is rejected") == "nothing is rejected"
    assert table(("A",), [("1",)], none="nothing is rejected").split() == ["A", "1"]


def test_a_wide_table_has_more_columns_and_cuts_nothing() -> None:
    narrow = table(("NAME", "COUNT", "WHY"), ROWS, 80, more=1).splitlines()
    assert narrow[0].split() == ["NAME", "COUNT"]
    wide = table(("NAME", "COUNT", "WHY"), ROWS, 80, wide=True, more=1).splitlines()
    assert wide[1].split() == [LONG, "12", LONG * 2]


def change() -> views.ChangeView:
    told = views.ToldView(
        at=NOW,
        proxies=1000,
        answers=2000,
        acknowledged=1990,
        rejected=3,
        left=0,
        outstanding=7,
        rejected_by=(f"{LONG}-1", f"{LONG}-2"),
    )
    what = "2 endpoints -> 0 endpoints; 10.1.7.8 and 1 more removed"
    said = views.ChangedView(f"shop/{LONG}", None, what)
    return views.ChangeView(12345, NOW, "files", 1, (said,), f"/srv/manifests/{LONG}.yaml:123", told)


def proxy() -> views.ProxyRow:
    types = tuple(views.SubscriptionState(type, "STALE") for type in ("CDS", "EDS", "LDS", "RDS"))
    return views.ProxyRow(LONG, "10.1.2.3:45678", "shop", "delta", "ADS", "STALE", NOW, types)


def gone() -> views.ProxyRow:
    reason = "the client ended it or is gone"
    who = "web-1", "10.1.2.3:45678", "shop", "delta", "ADS"
    return views.ProxyRow(*who, "GONE", NOW, gone=NOW, reason=reason)


def test_each_column_of_the_proxies_means_one_thing() -> None:
    head, open, ended = proxies._listed(views.ProxyList((proxy(), gone())), wide=True).splitlines()
    cell = lambda line, name: line[head.index(name) :].split("  ")[0]  # noqa: E731
    assert (cell(open, "GONE FOR"), cell(open, "REASON")) == ("-", "-")
    assert cell(ended, "GONE FOR") == cell(ended, "CONNECTED") == cell(open, "CONNECTED") != "-"
    assert cell(ended, "REASON") == "the client ended it or is gone"
    assert cell(open, "PEER") == cell(ended, "PEER") == "10.1.2.3:45678"


def nack() -> views.NackRow:
    about = (views.BlamedView(f"shop/{LONG}", True, "files", f"/srv/manifests/{LONG}.yaml:123"),)
    return views.NackRow(LONG, "10.1.2.3:45678", "CDS", LONG * 3, NOW, "7", None, about)


@pytest.mark.parametrize("columns", ["80", "200"])
def test_what_the_commands_print_fits_a_terminal(columns, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, lists in (("changes", views.ChangeList((change(),))), ("nacks", views.NackList((nack(),)))):
        monkeypatch.setattr(changes, "every", lambda *_, **__: {})
        monkeypatch.setattr(changes, "read", lambda *_, found=lists: found)
        getattr(changes, name)(admin="127.0.0.1:1")
    printed = capsys.readouterr().out
    printed += proxies._listed(views.ProxyList((proxy(),)))
    assert len(printed.splitlines()) == 6
    assert max(map(len, printed.splitlines())) <= int(columns)
    assert "…" in printed
    assert "\x1b" not in printed
