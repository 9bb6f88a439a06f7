"""What is shown to an API server: tokens, certificates, and what plugins say."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import stat
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from pilothouse.apiserver.credentials import Credentials, NoCredentials
from pilothouse.apiserver.kubeconfig import Access, Plugin

SERVER = "http://h"


def authorization(shown):
    return dict(shown.headers).get("Authorization")


def plugin(tmp_path, script, **fields):
    file = tmp_path / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return Plugin(str(file), **fields)


def says(version="v1", **status):
    credential = {
        "kind": "ExecCredential",
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "status": status,
    }
    return f"echo run >> $RUNS\ncat <<'END'\n{json.dumps(credential)}\nEND"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """How often the plugin has run."""
    file = tmp_path / "runs"
    monkeypatch.setenv("RUNS", str(file))
    return lambda: file.read_text().count("run") if file.exists() else 0


async def test_a_token_is_shown_and_a_file_of_one_is_read_each_time(tmp_path):
    assert authorization(await Credentials(Access(SERVER, token="t")).shown()) == "Bearer t"
    file = tmp_path / "token"
    file.write_text("one\n")
    credentials = Credentials(Access(SERVER, token_file=file))
    assert authorization(await credentials.shown()) == "Bearer one"
    file.write_text("two")
    assert authorization(await credentials.shown()) == "Bearer two"


async def test_who_has_a_password_shows_that_and_who_has_nothing_shows_nothing():
    assert authorization(await Credentials(Access(SERVER, basic=("u", "p"))).shown()) == "Basic dTpw"
    shown = await Credentials(
        Access(SERVER, headers=(("Impersonate-Group", "a"), ("Impersonate-Group", "b")))
    ).shown()
    assert shown.headers == (("Impersonate-Group", "a"), ("Impersonate-Group", "b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "No such file or directory"), ("", "is empty"), (" \n", "is empty"), ("a\x00b", "is no token")],
)
async def test_a_file_that_holds_no_token_is_named(tmp_path, text, message):
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NoCredentials, match=rf"/token: {message}"):
        await Credentials(Access(SERVER, token_file=file)).shown()


async def test_tls_is_made_anew_only_when_what_it_is_made_of_has_changed(tmp_path):
    ca, other = trustme.CA(), trustme.CA()
    file = tmp_path / "ca.crt"
    ca.cert_pem.write_to_path(file)
    credentials = Credentials(Access("https://h", file))
    first = (await credentials.shown()).tls
    assert (await credentials.shown()).tls is first
    other.cert_pem.write_to_path(file)
    assert (await credentials.shown()).tls is not first


async def test_a_client_certificate_and_its_key_may_be_in_files_or_inline(tmp_path):
    ca = trustme.CA()
    issued = ca.issue_cert("client")
    pem = issued.cert_chain_pems[0].bytes()
    key = issued.private_key_pem.bytes()
    (tmp_path / "crt").write_bytes(pem)
    (tmp_path / "key").write_bytes(key)
    for certificate, private in ((pem, key), (tmp_path / "crt", tmp_path / "key")):
        shown = await Credentials(
            Access("https://h", ca.cert_pem.bytes(), certificate=certificate, key=private)
        ).shown()
        assert isinstance(shown.tls, ssl.SSLContext)
    with pytest.raises(NoCredentials, match="crt: is no certificate with its key in PEM"):
        await Credentials(Access("https://h", certificate=tmp_path / "crt", key=b"rubbish")).shown()
    with pytest.raises(NoCredentials, match="certificate-authority-data: holds no certificate"):
        await Credentials(Access("https://h", b"rubbish")).shown()


async def test_a_server_may_go_unchecked():
    shown = await Credentials(Access("https://h", insecure=True)).shown()
    assert (shown.tls.check_hostname, shown.tls.verify_mode) == (False, ssl.CERT_NONE)


async def test_a_plugin_is_asked_once_until_it_is_refused(tmp_path, runs):
    credentials = Credentials(Access(SERVER, plugin=plugin(tmp_path, says(token="t"))))
    for _ in range(3):
        assert authorization(await credentials.shown()) == "Bearer t"
    assert runs() == 1
    credentials.refused()
    await asyncio.gather(*(credentials.shown() for _ in range(5)))
    assert runs() == 2


async def test_a_plugin_is_asked_again_when_what_it_said_is_about_to_expire(tmp_path, runs):
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    credentials = Credentials(
        Access(SERVER, plugin=plugin(tmp_path, says(token="t", expirationTimestamp=soon)))
    )
    await credentials.shown()
    await credentials.shown()
    assert runs() == 2


async def test_a_plugin_may_say_a_certificate(tmp_path, runs):
    issued = trustme.CA().issue_cert("client")
    script = says(
        clientCertificateData=issued.cert_chain_pems[0].bytes().decode(),
        clientKeyData=issued.private_key_pem.bytes().decode(),
    )
    shown = await Credentials(Access("https://h", plugin=plugin(tmp_path, script))).shown()
    assert shown.tls
    assert authorization(shown) is None


async def test_a_plugin_is_told_what_it_needs_and_gets_its_own_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FROM_HERE", "1")
    script = (
        f'printf \'%s|%s|%s|%s\' "$KUBERNETES_EXEC_INFO" $FROM_HERE $ITS_OWN "$1" > {tmp_path}/told; exit 1'
    )
    asked = plugin(
        tmp_path,
        script,
        arguments=("a $(b)",),
        env=(("ITS_OWN", "2"),),
        version="client.authentication.k8s.io/v1beta1",
        cluster={"server": "https://h"},
    )
    with pytest.raises(NoCredentials, match="plugin ended with status 1"):
        await Credentials(Access(SERVER, plugin=asked)).shown()
    info, *others = (tmp_path / "told").read_text().split("|")
    assert others == ["1", "2", "a $(b)"]
    assert json.loads(info) == {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://h"}},
    }


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo s3cret; exit 3", "ended with status 3"),
        ("echo s3cret", "wrote no ExecCredential: JSON is malformed"),
        (
            'echo \'{"kind": "s3cret", "apiVersion": "v1", "status": {}}\'',
            "wrote no ExecCredential of client.",
        ),
        (says("v1beta1", token="s3cret"), "wrote no ExecCredential of client.authentication.k8s.io/v1"),
        (says(), "said neither a token nor a certificate"),
        (says(clientKeyData="s3cret"), "said neither a token nor a certificate"),
        (says(token="s3cret\n"), "said a token with characters"),
        (says(token=7), "wrote no ExecCredential: Expected `str`, got `int`"),
        (says(token="t", expirationTimestamp="s3cret"), "wrote no ExecCredential: Invalid RFC3339"),
    ],
)
async def test_what_a_plugin_does_wrong_is_told_and_not_what_it_wrote(tmp_path, runs, script, message):
    with pytest.raises(NoCredentials) as raised:
        await Credentials(Access(SERVER, plugin=plugin(tmp_path, script))).shown()
    assert f"{tmp_path}/plugin {message}" in str(raised.value)
    assert "s3cret" not in str(raised.value)


async def test_a_plugin_that_is_not_there_is_told_with_its_hint():
    missing = Plugin("no-such-plugin", hint="get it\nfrom us")
    with pytest.raises(
        NoCredentials, match="no-such-plugin cannot be run: No such file or directory; get it from us"
    ):
        await Credentials(Access(SERVER, plugin=missing)).shown()


async def test_a_plugin_that_hangs_is_ended_with_all_that_it_has_started(tmp_path, eventually):
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    begun = time.monotonic()
    with pytest.raises(NoCredentials, match=r"plugin has not answered within 0.5 s"):
        await Credentials(Access(SERVER, plugin=plugin(tmp_path, script)), patience_s=0.5).shown()
    assert time.monotonic() - begun < 30
    child = int((tmp_path / "child").read_text())
    await eventually(lambda: not alive(child))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False


async def test_whoever_waits_for_a_plugin_that_fails_is_told_at_once_and_later_it_is_asked_again(
    tmp_path, runs
):
    credentials = Credentials(Access(SERVER, plugin=plugin(tmp_path, "echo run >> $RUNS; exit 3")))
    told = await asyncio.gather(*(credentials.shown() for _ in range(8)), return_exceptions=True)
    assert {str(each) for each in told} == {f"the plugin {tmp_path}/plugin ended with status 3"}
    assert runs() == 1
    with pytest.raises(NoCredentials, match="ended with status 3"):
        await credentials.shown()
    assert runs() == 2


async def test_a_plugin_that_fills_its_output_is_not_read_for_ever(tmp_path):
    flood = plugin(tmp_path, "exec yes s3cret")
    with pytest.raises(NoCredentials, match=r"has not answered|wrote no ExecCredential|ended with status"):
        await Credentials(Access(SERVER, plugin=flood), patience_s=1.0).shown()


async def test_no_file_of_a_key_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    issued = trustme.CA().issue_cert("client")
    pem, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    await Credentials(Access("https://h", certificate=pem, key=key)).shown()
    assert os.listdir(tmp_path / "tmp") == []
