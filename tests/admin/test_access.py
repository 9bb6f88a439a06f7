"""Who may ask the admin port: the tokens of a file, and the rules as a table."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from pilothouse.admin.access.callers import NOBODY, Caller
from pilothouse.admin.access.credentials import TokenFile
from pilothouse.admin.access.gate import Gate, caller
from pilothouse.admin.access.rules import Asked, Refusal, Terms, judged
from pilothouse.admin.access.tokens import Tokens, Unreadable, read
from pilothouse.admin.http import admin
from pilothouse.config.settings import ConfigError, load

from .conftest import asked as answering

WRITER, READER = "w" * 32, "r" * 32
TOKENS = read(f"# who may\n\nalice:{WRITER}\n  dashboard:{READER}:read\n")
LOCAL = Terms("127.0.0.1")
ANYWHERE = Terms("0.0.0.0")
GUARDED = Terms("0.0.0.0", TOKENS, certificates=True)
LOCAL_GUARDED = Terms("127.0.0.1", TOKENS)
ALICE, DASHBOARD = Caller("alice", may_write=True), Caller("dashboard")
CERTIFICATE = {
    "subject": ((("commonName", "bob"),),),
    "subjectAltName": (("DNS", "a.example"), ("URI", "spiffe://mesh.example/ops/bob")),
}


def asked(method: str = "GET", path: str = "/api/v1/status", **said: Any) -> Asked:
    peer, scheme = said.pop("peer", "127.0.0.1"), said.pop("scheme", "http")
    certificate = said.pop("certificate", None)
    headers = {"host": "127.0.0.1:18001", **said.pop("headers", {})}
    return Asked(method, path, peer, {k: (v,) for k, v in headers.items()}, scheme, certificate)


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def basic(name: str, token: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{name}:{token}".encode()).decode()}


@pytest.mark.parametrize(
    ("terms", "said", "caller"),
    [
        (LOCAL, asked(), NOBODY),
        (LOCAL, asked(headers={"host": "localhost:18001"}), NOBODY),
        (LOCAL, asked(headers={"host": "[::1]:18001"}, peer="::1"), NOBODY),
        (LOCAL_GUARDED, asked(), Caller(could_prove=True)),
        (LOCAL_GUARDED, asked(headers=bearer(WRITER)), ALICE),
        (ANYWHERE, asked(), NOBODY),
        (ANYWHERE, asked(peer="::ffff:127.0.0.1"), NOBODY),
        (Terms("box.example"), asked(headers={"host": "box.example:18001"}), NOBODY),
        (ANYWHERE, asked(path="/readyz", peer="10.1.2.3", headers={"host": "pod:1"}), NOBODY),
        (GUARDED, asked(path="/metrics", peer="10.1.2.3", headers={"host": "pod:1"}), NOBODY),
        (GUARDED, asked(headers=bearer(READER), peer="10.1.2.3"), DASHBOARD),
        (GUARDED, asked(headers=basic("alice", WRITER), peer="10.1.2.3"), ALICE),
        (GUARDED, asked(headers=basic("", WRITER), peer="10.1.2.3"), ALICE),
        (
            GUARDED,
            asked(certificate=CERTIFICATE, peer="10.1.2.3"),
            Caller("spiffe://mesh.example/ops/bob", may_write=True),
        ),
        (
            GUARDED,
            asked(certificate={"subject": CERTIFICATE["subject"]}, peer="10.1.2.3"),
            Caller("bob", may_write=True),
        ),
        (
            GUARDED,
            asked(
                "POST",
                headers=bearer(WRITER, origin="https://127.0.0.1:18001"),
                scheme="https",
                peer="10.1.2.3",
            ),
            ALICE,
        ),
        (LOCAL_GUARDED, asked("POST", headers=bearer(WRITER, **{"sec-fetch-site": "same-origin"})), ALICE),
    ],
)
def test_who_may_ask_is_known(terms: Terms, said: Asked, caller: Caller) -> None:
    assert judged(terms, said) == caller


@pytest.mark.parametrize(
    ("terms", "said", "status", "why"),
    [
        (LOCAL, asked(headers={"host": "evil.example:18001"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"host": "127.0.0.1.evil.example"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"host": "[broken"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"host": "evil.example@127.0.0.1"}), 403, "'evil.example@127.0.0.1', which is"),
        (LOCAL, asked(headers={"host": "127.0.0.1/evil.example"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"host": "127.0.0.1:80:80"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"host": "127.0.0.1?x"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"host": "localhost\n"}), 403, "not a name of this machine"),
        (LOCAL, asked(headers={"x-forwarded-for": "10.1.2.3"}), 403, "only requests of this machine"),
        (LOCAL, asked(headers=bearer(WRITER)), 401, "the token is not known"),
        (LOCAL, asked("POST", headers={"origin": "http://evil.example"}), 403, "Origin"),
        (LOCAL, asked("POST", headers={"origin": "null"}), 403, "Origin"),
        (LOCAL, asked("POST", headers={"sec-fetch-site": "cross-site"}), 403, "Sec-Fetch-Site"),
        (LOCAL, asked("POST", headers={"sec-fetch-site": "same-site"}), 403, "Sec-Fetch-Site"),
        (ANYWHERE, asked(peer="10.1.2.3"), 403, "--admin-tokens"),
        (ANYWHERE, asked(path="/console/", peer="10.1.2.3"), 403, "--admin-tokens"),
        (ANYWHERE, asked("POST", "/readyz", peer="10.1.2.3"), 403, "--admin-tokens"),
        (GUARDED, asked(), 401, "needs a token"),
        (GUARDED, asked(peer="10.1.2.3"), 401, "needs a token"),
        (GUARDED, asked(path="/healthz/../api/v1/status", peer="10.1.2.3"), 401, "needs a token"),
        (GUARDED, asked(path="//healthz", peer="10.1.2.3"), 401, "needs a token"),
        (GUARDED, asked(path="/debug/syncz", peer="10.1.2.3"), 401, "needs a token"),
        (GUARDED, asked(headers=bearer("x" * 32), peer="10.1.2.3"), 401, "the token is not known"),
        (GUARDED, asked(headers=bearer(""), peer="10.1.2.3"), 401, "the token is not known"),
        (GUARDED, asked(headers=bearer("\xe9" * 32), peer="10.1.2.3"), 401, "the token is not known"),
        (GUARDED, asked(headers=basic("bob", WRITER), peer="10.1.2.3"), 401, "the token is not known"),
        (
            GUARDED,
            asked(headers={"authorization": "Basic ???"}, peer="10.1.2.3"),
            401,
            "the token is not known",
        ),
        (GUARDED, asked(headers={"authorization": WRITER}, peer="10.1.2.3"), 401, "Bearer TOKEN"),
        (
            GUARDED,
            asked(headers=bearer("x" * 32), certificate=CERTIFICATE, peer="10.1.2.3"),
            401,
            "the token is not known",
        ),
        (GUARDED, asked(certificate={"subject": ()}, peer="10.1.2.3"), 401, "has no name"),
        (Terms("0.0.0.0", TOKENS), asked(certificate=CERTIFICATE, peer="10.1.2.3"), 401, "needs a token"),
        (
            GUARDED,
            asked(
                "POST", certificate=CERTIFICATE, headers={"origin": "https://evil.example"}, scheme="https"
            ),
            403,
            "Origin",
        ),
    ],
)
def test_who_may_not_ask_is_told_why(terms: Terms, said: Asked, status: int, why: str) -> None:
    found = judged(terms, said)
    assert isinstance(found, Refusal)
    assert found.status == status
    assert why in found.why


def test_two_authorizations_are_none() -> None:
    said = Asked("GET", "/api", "127.0.0.1", {"authorization": (f"Bearer {WRITER}", f"Bearer {READER}")})
    assert isinstance(judged(LOCAL_GUARDED, said), Refusal)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "holds no token"),
        ("# nobody\n", "holds no token"),
        ("alice\n", "line 1: must be NAME:TOKEN"),
        ("\nal ice:" + WRITER, "line 2: must be NAME:TOKEN"),
        (WRITER + "\n", "line 1: must be NAME:TOKEN"),
        (WRITER + ":alice", "line 1: the token must be"),
        ("alice:short", "line 1: the token must be 16 to 512"),
        ("alice:" + "x" * 20 + "!", "line 1: the token must be 16 to 512"),
        (f"alice:{WRITER}:admin", "line 1: after the token there can only be `:read`"),
        (f"alice:{WRITER}\nbob:{WRITER}:read", "line 2: the token is there twice"),
    ],
)
def test_a_mistake_in_the_tokens_is_named_without_them(text: str, mistake: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert str(refused.value).startswith(mistake)
    assert WRITER not in str(refused.value)


def test_a_name_may_have_two_tokens_while_they_are_exchanged() -> None:
    tokens = read(f"alice:{WRITER}\nalice:{READER}:read")
    assert [tokens.caller(each) for each in (WRITER, READER)] == [ALICE, Caller("alice")]
    assert WRITER not in repr(tokens)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "tokens"
    found.write_text(f"alice:{WRITER}\n")
    found.chmod(0o640)
    return found


def test_a_new_version_of_the_tokens_is_in_force_when_it_is_looked_at(file: Path) -> None:
    followed = TokenFile(file)
    file.write_text(f"bob:{READER}\n")
    followed.refresh()
    assert followed.tokens.caller(WRITER) is None
    assert followed.tokens.caller(READER) == Caller("bob", may_write=True)


@pytest.mark.parametrize("text", ["", "alice", "\xff\xfe"])
def test_a_broken_version_of_the_tokens_changes_nothing_and_is_a_warning(file: Path, text: str) -> None:
    followed = TokenFile(file)
    file.write_text(text, encoding="latin-1")
    with structlog.testing.capture_logs() as logs:
        followed.refresh()
        followed.refresh()
    assert followed.tokens.caller(WRITER) == ALICE
    [warning] = followed.warnings
    assert str(file) in warning
    assert len(logs) == 1
    file.write_text(f"alice:{WRITER}\n")
    followed.refresh()
    assert followed.warnings == []


@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_tokens_that_everybody_can_read_are_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(Unreadable, match=r"is open to every user, with mode 06\d\d; chmod o="):
        TokenFile(file)


@pytest.mark.parametrize(
    ("flags", "mistake"),
    [
        ({"admin": "0.0.0.0:18001"}, "--admin-tokens: would be sent in plain text to 0.0.0.0:18001"),
        ({"admin_client_ca": "ca.crt"}, "--admin-client-ca"),
        ({"admin_tls_cert": "a.crt"}, "--admin-tls-cert: a.crt: No such file or directory"),
        ({"admin_tokens": "nothing"}, "--admin-tokens: nothing: No such file or directory"),
    ],
)
def test_settings_that_would_give_secrets_away_stop_the_start(file: Path, flags: Any, mistake: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({"manifests": [str(file.parent)], "admin_tokens": str(file), **flags}, {})
    assert str(refused.value).startswith(mistake)


def guarded(terms: Callable[[], Terms], busy: Any, peer: str = "10.1.2.3") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=Gate(admin(lambda: busy, answering), terms), client=(peer, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://pilothouse", verify=False)


async def test_a_refusal_is_json_with_a_challenge_and_a_line_in_the_log(busy: Any) -> None:
    with structlog.testing.capture_logs() as logs:
        async with guarded(lambda: GUARDED, busy) as client:
            refused = await client.get("/api/v1/openapi.json", headers=bearer("nonsense"))
            open_pages = [(await client.get(each)).status_code for each in ("/", "/healthz", "/metrics")]
            known = await client.get("/api/v1/openapi.json", headers=bearer(READER))
    assert refused.status_code == 401
    assert refused.json() == {"error": "the token is not known here"}
    assert [each.split()[0] for each in refused.headers.get_list("www-authenticate")] == ["Bearer", "Basic"]
    assert open_pages == [200, 200, 200]
    assert known.status_code == 200
    [line] = logs
    assert (line["event"], line["peer"], line["status"]) == ("request refused", "10.1.2.3", 401)
    assert "nonsense" not in str(line)


async def test_a_script_is_not_answered_with_a_challenge_that_opens_a_dialog_of_the_browser(
    busy: Any,
) -> None:
    async with guarded(lambda: GUARDED, busy) as client:
        refused = await client.get("/api/v1/openapi.json", headers={"sec-fetch-dest": "empty"})
    assert [each.split()[0] for each in refused.headers.get_list("www-authenticate")] == ["Bearer"]


async def test_a_token_that_is_removed_is_refused_at_once(busy: Any) -> None:
    present = GUARDED
    async with guarded(lambda: present, busy) as client:
        assert (await client.get("/api/v1/openapi.json", headers=bearer(READER))).status_code == 200
        present = Terms("0.0.0.0", Tokens())
        assert (await client.get("/api/v1/openapi.json", headers=bearer(READER))).status_code == 401


def test_without_a_gate_nobody_is_known() -> None:
    assert caller({"type": "http"}) == NOBODY
