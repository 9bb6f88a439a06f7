"""The page of a toy client: who answered, and what failed, which no browser may take for well."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType

import pytest


@pytest.fixture
def client(project) -> ModuleType:
    spec = importlib.util.spec_from_file_location("compose_client", project / "compose" / "client.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_paints_an_answer_green_and_a_failure_red(client, monkeypatch) -> None:
    found = [client.Answer("payments-1", failed=False), client.Answer("503 no <b> upstream", failed=True)]
    monkeypatch.setattr(client, "shares", lambda _: dict.fromkeys(found, 50))
    rows = client.page("payments").partition("<table>")[2].split("<tr")[1:]
    well, failed = sorted(rows, key=lambda row: "503" in row)
    assert "<td>payments-1<td>" in well
    assert not {"failed", "optimum"} & set(well.replace('"', " ").replace("=", " ").split())
    assert '<td>503 no &lt;b&gt; upstream<td><meter max="100" low="0" high="0" optimum="0" ' in failed
    assert failed.startswith(' class="failed"')


@pytest.mark.parametrize(
    ("status", "body", "text", "failed"),
    [(200, b"payments-1\n", "payments-1", False), (503, b"no\n", "503 no", True)],
)
def test_only_200_is_an_answer(client, monkeypatch, status, body, text, failed) -> None:
    class Connection:
        def __init__(self, *_: object, **__: object) -> None:
            self.status = status

        def request(self, *_: object, **__: object) -> None:
            """Nobody is asked."""

        def getresponse(self) -> Connection:
            return self

        def read(self) -> bytes:
            return body

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(client, "HTTPConnection", Connection)
    assert client.answer("payments") == (text, failed)


def test_where_nobody_listens_it_failed(client, monkeypatch) -> None:
    def refused(*_: object, **__: object) -> object:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(client.HTTPConnection, "request", refused)
    assert client.answer("payments") == ("no answer: refused", True)


def test_shares_are_the_same_as_json(client, monkeypatch) -> None:
    monkeypatch.setattr(client, "answer", lambda _: client.Answer("503 no", failed=True))
    replies: list[str] = []
    handler = client.Client.__new__(client.Client)
    handler.path, handler.service = "/shares", "payments"
    monkeypatch.setattr(handler, "_reply", lambda _, text: replies.append(text), raising=False)
    handler.do_GET()
    assert json.loads(replies[0]) == {"503 no": 100}
