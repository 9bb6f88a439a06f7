"""Who asks which API server, by a kubeconfig or by the files of a pod."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from pilothouse.apiserver.kubeconfig import Access, Malformed, Plugin, in_cluster, kubeconfig


@pytest.fixture
def config(tmp_path):
    """`config(cluster={...}, user={...})` is a file with one context, whose cluster and user are called a."""

    def write(cluster=None, user=None, **top):
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": "https://10.0.0.1:6443", **(cluster or {})}}],
            "users": [{"name": "a", "user": user or {}}],
            **top,
        }
        file = tmp_path / "config"
        file.write_text(yaml.safe_dump(document))
        return file

    return write


def test_the_current_context_counts_unless_another_one_is_named(config):
    others = {
        "contexts": [
            {"name": "a", "context": {"cluster": "a", "user": "a"}},
            {"name": "b", "context": {"cluster": "b", "user": "a"}},
        ],
        "clusters": [
            {"name": "a", "cluster": {"server": "https://a:1/"}},
            {"name": "b", "cluster": {"server": "https://b:2"}},
        ],
    }
    file = config(**others)
    assert kubeconfig(file) == Access("https://a:1")
    assert kubeconfig(file, "b") == Access("https://b:2")


def test_all_that_a_cluster_says_is_heeded(config, tmp_path):
    file = config(
        {
            "certificate-authority": "ca.crt",
            "tls-server-name": "kubernetes",
            "insecure-skip-tls-verify": True,
            "proxy-url": "http://proxy:3128",
        }
    )
    assert kubeconfig(file) == Access(
        "https://10.0.0.1:6443", tmp_path / "ca.crt", "kubernetes", True, "http://proxy:3128"
    )


def test_what_is_inline_counts_before_the_file(config):
    data = base64.b64encode(b"inline").decode()
    found = kubeconfig(
        config(
            {"certificate-authority": "ca.crt", "certificate-authority-data": data},
            {"client-certificate-data": data, "client-key-data": data, "client-key": "key"},
        )
    )
    assert (found.authority, found.certificate, found.key) == (b"inline", b"inline", b"inline")


def test_a_file_of_a_token_counts_before_the_token(config, tmp_path):
    found = kubeconfig(config(user={"token": "old", "tokenFile": "token"}))
    assert (found.token, found.token_file) == ("", tmp_path / "token")
    assert kubeconfig(config(user={"token": "t"})).token == "t"


def test_a_user_may_act_on_behalf_of_others(config):
    user = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"reason": ["x"]}}
    assert kubeconfig(config(user=user)).headers == (
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-reason", "x"),
    )


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_is_found_beside_the_file_or_on_the_path(config, tmp_path, version):
    exec_ = {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "command": "./bin/login",
        "args": ["--now"],
        "env": [{"name": "A", "value": "b"}],
        "installHint": "get it",
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    plugin = kubeconfig(config({"tls-server-name": "k"}, {"exec": exec_})).plugin
    told = {"server": "https://10.0.0.1:6443", "tls-server-name": "k"}
    assert plugin == Plugin(
        str(tmp_path / "bin/login"),
        ("--now",),
        (("A", "b"),),
        f"client.authentication.k8s.io/{version}",
        "get it",
        told,
    )
    assert kubeconfig(config(user={"exec": {**exec_, "command": "aws"}})).plugin.command == "aws"


EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cluster": {"server": ""}}, "clusters[0].cluster.server: is required"),
        (
            {"cluster": {"server": "10.0.0.1:6443"}},
            "clusters[0].cluster.server: is no URL such as https://HOST:PORT",
        ),
        ({"cluster": {"server": "https://h:99999999"}}, "clusters[0].cluster.server: is no URL"),
        ({"cluster": {"server": 7}}, "clusters[0].cluster.server: is the number 7, not a string"),
        (
            {"cluster": {"proxy-url": "socks5://s3cret@p:1"}},
            "clusters[0].cluster.proxy-url: is no URL such as http:",
        ),
        (
            {"cluster": {"insecure-skip-tls-verify": "yes"}},
            "clusters[0].cluster.insecure-skip-tls-verify: is the string",
        ),
        (
            {"cluster": {"certificate-authority-data": "%"}},
            "clusters[0].cluster.certificate-authority-data: is not base64",
        ),
        ({"user": {"client-key-data": "%"}}, "users[0].user.client-key-data: is not base64"),
        ({"user": {"token": "a\nb"}}, "users[0].user.token: has characters that cannot be in a header"),
        (
            {"user": {"auth-provider": {"name": "gcp"}}},
            "users[0].user.auth-provider: is not supported any more",
        ),
        ({"user": {"exec": {"command": "x"}}}, "users[0].user.exec.apiVersion: is required"),
        (
            {"user": {"exec": {**EXEC, "apiVersion": "v2"}}},
            'users[0].user.exec.apiVersion: "v2" is none of client.',
        ),
        (
            {"user": {"exec": {**EXEC, "interactiveMode": "Always"}}},
            "users[0].user.exec.interactiveMode: is Always",
        ),
        ({"user": {"exec": {**EXEC, "command": ""}}}, "users[0].user.exec.command: is required"),
        ({"current-context": ""}, "current-context: is not set; say --context, one of a"),
        ({"current-context": "z"}, '"z" is no context of this file, which has a'),
        (
            {"contexts": [{"name": "a", "context": {"cluster": "z"}}]},
            'contexts[0].context.cluster: "z" is no cluster',
        ),
        (
            {"contexts": [{"name": "a", "context": {"cluster": "a", "user": "z"}}]},
            'contexts[0].context.user: "z" is no',
        ),
        ({"contexts": "a"}, 'contexts: is the string "a", not a list'),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(config, change, message):
    file = config(**change)
    with pytest.raises(Malformed) as raised:
        kubeconfig(file)
    assert str(raised.value).startswith(f"{file}: {message}")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", ":1: not YAML:"),
        ("a: \x07", ": not YAML:"),
        ("- a", ": is a list, not a mapping of fields"),
        ("", ": is null, not a mapping of fields"),
        ("[" * 5000, ": not YAML:"),
    ],
)
def test_what_is_no_kubeconfig_is_named_with_its_file(tmp_path, text, message):
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(Malformed) as raised:
        kubeconfig(file)
    assert str(raised.value).startswith(f"{file}{message}")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Malformed, match=r"/nowhere: No such file or directory"):
        kubeconfig(tmp_path / "nowhere")


def test_a_pod_has_its_account_in_files_and_its_server_in_the_environment(tmp_path):
    environment = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    for name in ("token", "ca.crt"):
        (tmp_path / name).touch()
    found = in_cluster(environment, tmp_path)
    assert found == Access("https://10.96.0.1:443", tmp_path / "ca.crt", token_file=tmp_path / "token")
    assert (
        in_cluster({**environment, "KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).server
        == "https://[fd00::1]:443"
    )


def test_the_namespace_is_that_of_the_pod_or_of_the_context(config, tmp_path):
    (tmp_path / "token").touch()
    (tmp_path / "ca.crt").touch()
    environment = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"}
    assert in_cluster(environment, tmp_path).namespace == "default"
    (tmp_path / "namespace").write_text("mesh\n")
    assert in_cluster(environment, tmp_path).namespace == "mesh"
    assert in_cluster({**environment, "POD_NAMESPACE": "other"}, tmp_path).namespace == "other"
    context = {"cluster": "a", "user": "a", "namespace": "shop"}
    assert kubeconfig(config(contexts=[{"name": "a", "context": context}])).namespace == "shop"
    assert kubeconfig(config()).namespace == "default"


def test_outside_of_a_pod_it_is_said_what_is_missing(tmp_path):
    with pytest.raises(Malformed, match=r"KUBERNETES_SERVICE_HOST and _PORT are not set; .* --kubeconfig"):
        in_cluster({})
    environment = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(Malformed, match=r"/token is not there: the pod needs a service account"):
        in_cluster(environment, Path(tmp_path))
