"""A mistake on the command line: exit 2 and one line that names it, never a usage text or a traceback."""

from __future__ import annotations

import pytest

BOOTSTRAP = ("bootstrap", "--node", "web-0", "--namespace", "shop")
WEBHOOK = ("webhook", "--tls-ca-config-map", "ca")
INSTALL = ("capture", "install", "--uid", "1337", "--dry-run")

MISTAKES = [
    (("serve", "--bogus"), "No such option: --bogus"),
    (("bogus",), "No such command 'bogus'."),
    (("serve", "--xds"), "Option '--xds' requires an argument."),
    (
        ("serve",),
        "serve: needs a source: --manifests or --kubernetes, as a flag, a PILOTHOUSE_* variable"
        " or a key of --config",
    ),
    (("serve", "--manifests", "/nowhere"), "--manifests: /nowhere: No such file or directory"),
    (("serve", "--kubeconfig", "/nowhere"), "--kubeconfig: /nowhere: No such file or directory"),
    (
        (*WEBHOOK, "--kubeconfig", "/nowhere"),
        "--kubeconfig: /nowhere: No such file or directory",
    ),
    (
        (*WEBHOOK, "--context", "shop"),
        "--context: is of no use without --kubeconfig",
    ),
    (
        (*WEBHOOK, "--listen", "443"),
        "--listen: '443' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000",
    ),
    (
        WEBHOOK,
        "webhook: this is no pod: KUBERNETES_SERVICE_HOST and _PORT are not set; say --kubeconfig FILE",
    ),
    (("serve", "--context", "shop"), "--context: is of no use without --kubeconfig"),
    (("serve", "--config", "/nowhere"), "--config: /nowhere: No such file or directory"),
    (("validate", "/nowhere"), "Invalid value for 'PATH...': path '/nowhere' does not exist."),
    (("validate",), "Missing argument 'PATH...'."),
    (
        ("validate", "--service-cidr", "10.0.0.1/8", "."),
        "--service-cidr: '10.0.0.1/8' does not begin its network: did you mean 10.0.0.0/8?",
    ),
    (("bootstrap", "--namespace", "shop"), "Missing option '--node'."),
    (("bootstrap", "--node", "web-0"), "Missing option '--namespace'."),
    (("bootstrap", "--node", "", "--namespace", "shop"), "--node: is empty"),
    (("bootstrap", "--node", "web-0", "--namespace", ""), "--namespace: is empty"),
    (("bootstrap", "--node", "web-0", "--namespace", "Shop"), "--namespace: 'Shop' is not a namespace name"),
    (
        (*BOOTSTRAP, "--locality", "r/z/s/x"),
        "--locality: 'r/z/s/x' is not REGION, REGION/ZONE or REGION/ZONE/SUB-ZONE",
    ),
    (
        (*BOOTSTRAP, "--locality", "r//s"),
        "--locality: 'r//s' is not REGION, REGION/ZONE or REGION/ZONE/SUB-ZONE",
    ),
    (
        (*BOOTSTRAP, "--dependency", "data/*", "--dependency", "payments"),
        "--dependency: 'payments' is not namespace/name or namespace/*",
    ),
    ((*BOOTSTRAP, "--dependency", "*/*"), "--dependency: '*/*' is not namespace/name or namespace/*"),
    (
        (*BOOTSTRAP, "--family", "IPv4"),
        "--family: must be a list out of ipv4, ipv6",
    ),
    (
        (*BOOTSTRAP, "--egress", "localhost:1"),
        "--egress: 'localhost:1' is not an IP address and a port such as 127.0.0.1:15001",
    ),
    (
        (*BOOTSTRAP, "--control-plane", "xds"),
        "--control-plane: 'xds' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000",
    ),
    ((*BOOTSTRAP, "--control-plane", "xds:0"), "--control-plane: 'xds:0' has no port"),
    (
        (*BOOTSTRAP, "--tls-ca", "ca", "--tls-cert", "c"),
        "--tls-key: is required: --tls-cert and --tls-key go together",
    ),
    (
        (*BOOTSTRAP, "--tls-ca", "ca", "--tls-key", "k"),
        "--tls-cert: is required: --tls-cert and --tls-key go together",
    ),
    (
        (*BOOTSTRAP, "--tls-cert", "c", "--tls-key", "k"),
        "--tls-ca: is required, to verify the control plane",
    ),
    (
        (*BOOTSTRAP, "--tls-san", "xds"),
        "--tls-ca: is required, to verify the control plane",
    ),
    (
        (*BOOTSTRAP, "--outbound", "registry-only"),
        "--outbound: registry-only takes the capture redirect",
    ),
    (
        (*BOOTSTRAP, "--capture", "redirect", "--egress", "10.0.0.1:15001"),
        "--egress: '10.0.0.1:15001' is not at 127.0.0.1, where the kernel redirects to",
    ),
    (("capture",), "Missing argument 'install|remove'. Choose from: install, remove"),
    (
        ("capture", "install"),
        "--uid: is needed: without it, the connections of Envoy itself would be redirected",
    ),
    ((*INSTALL, "--exclude-port", "http"), "--exclude-port: 'http' is no port between 1 and 65535"),
    ((*INSTALL, "--exclude-port", "9-8"), "--exclude-port: '9-8' ends before it begins"),
    ((*INSTALL, "--exclude-range", "10.0.0.1/8"), "--exclude-range: 10.0.0.1/8 has host bits set"),
    (
        (*INSTALL, "--exclude-port", "1-1023", "--dns-port", "15053"),
        "--exclude-port: holds port 53, which --dns-port redirects",
    ),
    ((*INSTALL, "--family", "IPv6"), "--family: must be a list out of ipv4, ipv6"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=[line[:40] for _, line in MISTAKES])
def test_a_mistake_exits_2_with_one_line(pilothouse, arguments, line) -> None:
    outcome = pilothouse(*arguments)
    assert outcome.refused(line), outcome


@pytest.mark.parametrize(
    "arguments",
    [(*BOOTSTRAP, "--capture", "all"), (*BOOTSTRAP, "--admin-port", "70000"), ("version", "-o", "xml")],
)
def test_a_value_that_the_parser_refuses_is_one_line_that_names_the_flag(pilothouse, arguments) -> None:
    outcome = pilothouse(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1
    assert arguments[-2] in outcome.err


@pytest.mark.parametrize(("arguments", "line"), [MISTAKES[0], MISTAKES[3], MISTAKES[12]])
def test_it_is_the_same_in_a_process_of_its_own(process, arguments, line) -> None:
    outcome = process(*arguments)
    assert outcome.refused(line), outcome


KUBECONFIG = """\
contexts: [{name: shop, context: {cluster: shop}}]
clusters: [{name: shop, cluster: {server: "https://127.0.0.1:1"}}]
"""


@pytest.mark.parametrize(
    ("text", "flags", "line"),
    [
        (KUBECONFIG, ("--context", "office"), '"office" is no context of this file, which has shop'),
        (KUBECONFIG, (), "current-context: is not set; say --context, one of shop"),
        (
            KUBECONFIG.replace("server", "host"),
            ("--context", "shop"),
            "clusters[0].cluster.server: is required",
        ),
    ],
)
def test_a_cluster_that_cannot_be_reached_by_a_kubeconfig_is_a_mistake(
    process, tmp_path, text, flags, line
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    outcome = process("serve", "--no-state", "--kubeconfig", file, *flags)
    assert outcome.refused(f"--kubeconfig: {file}: {line}"), outcome


def test_outside_of_a_pod_there_is_no_cluster(process, monkeypatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    outcome = process("serve", "--no-state", "--kubernetes")
    why = "KUBERNETES_SERVICE_HOST and _PORT are not set; say --kubeconfig FILE"
    assert outcome.refused(f"--kubernetes: this is no pod: {why}"), outcome


def test_a_wrong_variable_is_named(pilothouse, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PILOTHOUSE_ADMIN", "18001")
    outcome = pilothouse("serve", "--manifests", tmp_path)
    assert outcome.refused(
        "PILOTHOUSE_ADMIN: '18001' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000"
    ), outcome


def test_without_a_command_it_lists_them(pilothouse) -> None:
    outcome = pilothouse()
    assert (outcome.status, outcome.err) == (0, "")
    assert all(command in outcome.out for command in ("serve", "bootstrap", "validate", "version"))


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ((), "capture: there is neither nft nor iptables; install one of them"),
        (("--tool", "nft"), "--tool: there is no nft here"),
        (("--tool", "iptables"), "--tool: there is no iptables-save here"),
    ],
)
def test_a_tool_that_is_not_there_is_named(pilothouse, monkeypatch, tmp_path, flags, line) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for action in (("install", "--uid", "1337"), ("remove",)):
        outcome = pilothouse("capture", *action, *flags)
        assert outcome.refused(line), outcome


def test_a_tool_that_fails_is_quoted(pilothouse, monkeypatch, tmp_path) -> None:
    tool = tmp_path / "nft"
    tool.write_text("#!/bin/sh\necho 'Error: No such file' >&2; echo ^^^ >&2; exit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = pilothouse("capture", "remove")
    assert outcome.refused("nft: Error: No such file; if the kernel lacks a module, another --tool may do")
