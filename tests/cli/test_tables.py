"""Tables fit the terminal, and lose nothing in a pipe."""

from __future__ import annotations

import sys

import pytest

from pilothouse.admin.api import views
from pilothouse.cli import changes, proxies
from pilothouse.cli.tables import short, table

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


def test_a_reason_that_does_not_fit_is_whole_in_lines_of_its_own() -> None:
    why = "not-ready: the endpoint is not ready, and has not been for as long as anybody can remember"
    rows = [("shop/cart", "10.1.7.8:8080", why), ("shop/cart", "10.1.7.9:8080", "-")]
    lines = table(("SERVICE", "ADDRESS", "WHY"), rows, 80, below=True).splitlines()
    assert lines[0].split() == ["SERVICE", "ADDRESS", "WHY"]
    assert lines[1].split() == ["shop/cart", "10.1.7.8:8080"]
    assert " ".join(line.strip() for line in lines[2:-1]) == why
    assert lines[-1].split() == ["shop/cart", "10.1.7.9:8080"]
    assert max(map(len, lines)) <= 80
    beside = table(("SERVICE", "ADDRESS", "WHY"), rows, 200, below=True).splitlines()
    assert len(beside) == 3
    assert beside[1].endswith(why)


def test_the_first_columns_that_are_firm_are_not_cut() -> None:
    rows = [("12345", "01-31 02:14:05", *[LONG] * 5)]
    line = table(("CHANGE", "AT", *"ABCDE"), rows, 80, firm=2).splitlines()[1]
    assert line.startswith("12345   01-31 02:14:05  a-")
    assert len(line) <= 80


def test_of_a_path_that_is_cut_the_end_stays() -> None:
    rows = [(LONG, f"/srv/{LONG}/cart.yaml:12")]
    assert table(("NAME", "PLACE"), rows, 40).splitlines()[1].endswith("/cart.yaml:12")


def test_a_time_in_a_table_has_the_day_and_the_second() -> None:
    assert short("2026-01-31T02:14:05.123Z") == "01-31 02:14:05"
    assert short("2026-01-31T02:14:05.123Z", wide=True) == "2026-01-31T02:14:05.123Z"
    assert short(None) == "-"


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
        acknowledged=990,
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
    assert LONG in printed.replace(" ", "").replace("\n", ""), "the text of a rejection is whole"
    assert "01-31 02:14:00" in printed
    assert max(map(len, printed.splitlines())) <= int(columns)
    assert "…" in printed
    assert "\x1b" not in printed
