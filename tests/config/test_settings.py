"""Settings: which of several places wins, and that a mistake is named with its place."""

from __future__ import annotations

import inspect
import os
import re
from ipaddress import ip_network
from pathlib import Path

import pydantic
import pytest

from pilothouse.cli import serve
from pilothouse.config.settings import ConfigError, Settings, load, offered
from pilothouse.kubernetes.roots import Root
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.sources.kubernetes.settings import KubernetesSettings
from pilothouse.structures.hostport import HostPort

from .conftest import refusal

XDS = HostPort("127.0.0.1", 18000)


def files(settings: Settings) -> FilesSettings:
    """The section of the first source."""
    section = settings.sources[0]
    assert isinstance(section, FilesSettings)
    return section


def written(text: str | bytes) -> dict[str, object]:
    """The flag that names a file with this text."""
    Path("p.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"config": "p.yaml"}


def test_what_is_not_set_has_a_default_that_only_this_machine_can_reach(here: Path) -> None:
    settings = load({"manifests": ["m"]}, {})
    assert (settings.xds, settings.admin) == (XDS, HostPort("127.0.0.1", 18001))
    assert (settings.log_format, settings.log_level) == ("auto", "info")
    assert settings.cluster_domain == "cluster.local"
    assert (settings.tls_cert, settings.tls_key, settings.client_ca) == (None, None, None)
    assert 60 <= settings.max_connection_age_s <= 3600


@pytest.mark.parametrize(
    ("flag", "variable", "key", "winner"),
    [
        (None, None, None, 18000),
        (None, None, 3, 3),
        (None, 2, None, 2),
        (None, 2, 3, 2),
        (1, None, None, 1),
        (1, None, 3, 1),
        (1, 2, None, 1),
        (1, 2, 3, 1),
    ],
)
def test_flags_beat_variables_which_beat_the_file_which_beats_the_default(
    here: Path, flag: int | None, variable: int | None, key: int | None, winner: int
) -> None:
    environment = {"PILOTHOUSE_XDS": f"127.0.0.1:{variable}"} if variable else {}
    said = written("manifests: m\n" + (f"xds: 127.0.0.1:{key}\n" if key else ""))
    said["xds"] = f"127.0.0.1:{flag}" if flag else None
    assert load(said, environment).xds.port == winner


EVERYTHING = {
    "manifests": "m",
    "kubernetes": "false",
    "kubeconfig": "kube.yaml",
    "context": "test",
    "service_selector": "team=shop",
    "write_status": "true",
    "xds": "[::1]:1",
    "admin": "0.0.0.0:0",
    "tls_cert": "tls.crt",
    "tls_key": "tls.key",
    "client_ca": "ca.crt",
    "identity": "certificate",
    "identity_map": "map.yaml",
    "log_format": "json",
    "log_level": "debug",
    "cluster_domain": "mesh.test",
    "extra_suffixes": ".mesh, .service.test",
    "include_namespaces": "shop,data",
    "exclude_namespaces": "test",
    "default_namespace": "shop",
    "wildcard_namespaces": "ops, data",
    "max_connection_age_s": "1.5",
    "external_names": "false",
    "unknown_host_status": "404",
    "service_cidr": "10.96.0.0/16, fd00::/108",
    "allow_loopback_endpoints": "true",
    "flap_damping": "true",
    "workers": "2",
    "state": "kept",
    "no_state": "false",
    "accept_missing": "true",
    "allow_empty": "true",
    "hold": "7.5",
    "runtime": "r.yaml",
    "secrets": "s.yaml",
    "admin_tokens": "tokens",
    "admin_tls_cert": "tls.crt",
    "admin_tls_key": "tls.key",
    "admin_client_ca": "ca.crt",
    "otel_endpoint": "http://collector:4317",
    "virtual_ips": "240.240.0.0/16, 2001:2::/48",
    "dns": "127.0.0.1:5353",
    "dns_forward": "10.0.0.2:53, corp.example=[fd00::2]:53",
    "dns_pods": "insecure",
}


def test_every_setting_can_be_given_in_each_place_and_means_the_same(pki: Path) -> None:
    assert EVERYTHING.keys() == offered().keys()
    flags = load({**EVERYTHING, "manifests": ["m"]}, {})
    variables = load({}, {f"PILOTHOUSE_{name.upper()}": value for name, value in EVERYTHING.items()})
    keys = load(written("".join(f'{name}: "{value}"\n' for name, value in EVERYTHING.items())), {})
    assert flags == variables == keys
    assert (flags.xds, flags.admin) == (HostPort("::1", 1), HostPort("0.0.0.0", 0))
    assert (flags.tls_key, flags.client_ca) == (Path("tls.key"), Path("ca.crt"))
    assert (flags.admin_tokens, flags.admin_tls_cert) == (Path("tokens"), Path("tls.crt"))
    assert (flags.admin_tls_key, flags.admin_client_ca) == (Path("tls.key"), Path("ca.crt"))
    assert flags.otel_endpoint == "http://collector:4317"
    assert flags.identity == "certificate"
    assert flags.identity_map is not None
    assert [rule.namespace for rule in flags.identity_map.rules] == [None, "shop"]
    assert flags.log_level == "debug"
    assert (flags.log_format, flags.cluster_domain, flags.max_connection_age_s) == ("json", "mesh.test", 1.5)
    assert flags.service_cidr == (ip_network("10.96.0.0/16"), ip_network("fd00::/108"))
    assert flags.virtual_ips == (ip_network("240.240.0.0/16"), ip_network("2001:2::/48"))
    assert flags.flap_damping
    assert (flags.state, flags.no_state, flags.hold) == (Path("kept"), False, 7.5)
    assert flags.accept_missing
    assert files(flags).allow_empty
    assert flags.sources[1] == KubernetesSettings(
        kubeconfig=Path("kube.yaml"), context="test", service_selector=("team=shop",), write_status=True
    )
    assert flags.allow_loopback_endpoints
    assert flags.unknown_host_status == 404
    assert not flags.external_names
    assert flags.extra_suffixes == (".mesh", ".service.test")
    assert (flags.include_namespaces, flags.exclude_namespaces) == (("shop", "data"), ("test",))
    assert (flags.default_namespace, flags.wildcard_namespaces) == ("shop", ("ops", "data"))


def test_settings_that_do_not_go_together_are_all_named_where_they_were_given(here: Path) -> None:
    both = refusal({"manifests": ["m"], "state": "kept", "no_state": True})
    assert both == "--state and --no-state: exclude each other"
    said = written("manifests: m\nadmin: 127.0.0.1:65534\n")
    assert refusal({"context": "c"}) == "--context: is of no use without --kubeconfig"
    alone = refusal({"manifests": ["m"], "write_status": True})
    assert alone == "--write-status: is of no use without --kubernetes or --kubeconfig"
    two = refusal({"kubernetes": True}, {"PILOTHOUSE_KUBECONFIG": "m"})
    assert two == "--kubernetes and PILOTHOUSE_KUBECONFIG: exclude each other"
    mistake = "there are not 3 ports from 127.0.0.1:65534 upwards, one for each"
    assert refusal(said, {"PILOTHOUSE_WORKERS": "3"}) == f"PILOTHOUSE_WORKERS and p.yaml:2: admin: {mistake}"


def test_every_setting_is_a_flag_of_serve() -> None:
    flags = inspect.signature(serve.serve).parameters.keys() - {"config"}
    assert flags == offered().keys()


def test_a_variable_holds_several_paths_as_path_variables_do(here: Path) -> None:
    (here / "a.yaml").touch()
    settings = load({}, {"PILOTHOUSE_MANIFESTS": os.pathsep.join(["m", "", "a.yaml"])})
    assert files(settings).manifests == (Root(Path("m")), Root(Path("a.yaml")))


def test_a_path_has_the_namespace_of_what_states_none(here: Path) -> None:
    (here / "a=b").mkdir()
    written("manifests: [m=shop, a=b]\n")
    found = (Root(Path("m"), "shop"), Root(Path("a=b")))
    assert files(load({"manifests": ["m=shop", "a=b"]}, {})).manifests == found
    assert files(load({}, {"PILOTHOUSE_MANIFESTS": "m=shop:a=b"})).manifests == found
    anchored = (Root(here / "m", "shop"), Root(here / "a=b"))
    assert files(load({"config": str(here / "p.yaml")}, {})).manifests == anchored


def test_several_selectors_are_given_as_several_paths_are(here: Path) -> None:
    wanted = ("team=shop", "team in (office, lab)")
    flags = load({"kubernetes": True, "service_selector": list(wanted)}, {})
    variables = load({}, {"PILOTHOUSE_KUBERNETES": "true", "PILOTHOUSE_SERVICE_SELECTOR": ":".join(wanted)})
    keys = load(written(f"kubernetes: true\nservice-selector: {list(wanted)}\n"), {})
    assert flags == variables == keys
    (section,) = flags.sources
    assert isinstance(section, KubernetesSettings)
    assert section.service_selector == wanted


@pytest.mark.parametrize(
    ("path", "mistake"),
    [
        ("m=Shop", "'m=Shop' is not PATH=NAMESPACE, such as manifests/shop=shop"),
        ("m=", "'m=' is not PATH=NAMESPACE, such as manifests/shop=shop"),
        ("=shop", "'=shop' is not PATH=NAMESPACE, such as manifests/shop=shop"),
        ("n=shop", "n: No such file or directory"),
        ("a=b/m", "a=b/m: No such file or directory"),
    ],
)
def test_a_path_or_namespace_that_makes_no_sense_is_refused(here: Path, path: str, mistake: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"--manifests: {mistake}")):
        load({"manifests": [path]}, {})


def test_an_empty_variable_and_a_key_without_a_value_count_as_absent(here: Path) -> None:
    settings = load(written("manifests: [m]\nxds:\n"), {"PILOTHOUSE_XDS": "", "PILOTHOUSE_TLS_CERT": ""})
    assert (settings.xds, settings.tls_cert) == (XDS, None)


def test_variables_that_kubernetes_sets_beside_a_service_of_our_name_do_no_harm(here: Path) -> None:
    kubernetes = {"PILOTHOUSE_PORT": "tcp://10.96.0.7:18000", "PILOTHOUSE_SERVICE_HOST": "10.96.0.7"}
    assert load({"manifests": ["m"]}, kubernetes).xds == XDS


def test_the_file_can_be_named_by_a_variable_and_a_flag_names_another(here: Path) -> None:
    (here / "other.yaml").write_text("manifests: m\nxds: 127.0.0.1:2\n")
    flag = written("manifests: m\nxds: 127.0.0.1:1\n")
    variable = {"PILOTHOUSE_CONFIG": "other.yaml"}
    assert load({}, variable).xds.port == 2
    assert load(flag, variable).xds.port == 1


def test_paths_in_the_file_are_relative_to_it(pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written("manifests: [m, /tmp]\ntls-cert: tls.crt\ntls-key: tls.key\n")
    monkeypatch.chdir("/")
    settings = load({"config": str(pki / "p.yaml")}, {})
    assert files(settings).manifests == (Root(pki / "m"), Root(Path("/tmp")))
    assert (settings.tls_cert, settings.tls_key) == (pki / "tls.crt", pki / "tls.key")


def test_settings_cannot_be_changed(here: Path) -> None:
    settings = load({"manifests": ["m"]}, {})
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.xds = HostPort("0.0.0.0", 1)


WRONG = [
    ("xds", "nope", "'nope' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000"),
    (
        "admin",
        "127.0.0.1:70000",
        "'127.0.0.1:70000' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000",
    ),
    ("log_format", "xml", "must be 'auto', 'human' or 'json', not xml"),
    ("log_level", "loud", "must be 'debug', 'info', 'warning' or 'error', not loud"),
    ("cluster_domain", "Mesh", "'Mesh' is not a DNS name in lower case, such as cluster.local"),
    ("cluster_domain", "clusterset.local", "'clusterset.local' is a domain of cluster sets"),
    ("extra_suffixes", ".svc.clusterset.local", "'.svc.clusterset.local' is a domain of cluster sets"),
    ("default_namespace", "a.b", "'a.b' is not a namespace"),
    (
        "service_cidr",
        "10.96.0.0/12, x",
        "'x' is not a network; write ADDRESS/BITS",
    ),
    ("wildcard_namespaces", "a,B", "'B' is not a namespace"),
    (
        "service_selector",
        "team in (shop",
        "'team in (shop' is not a label selector such as 'team in (shop, office)': at character 14: "
        'there has to be ")", but the selector ends',
    ),
    ("max_connection_age_s", "0", "must be more than 0, not 0"),
    ("max_connection_age_s", "2000001", "must be 2000000 or less, not 2000001"),
    ("max_connection_age_s", "nan", "must be a finite number, not nan"),
    ("hold", "soon", "must be a number, not soon"),
    ("workers", "1.5", "must be a whole number, not 1.5"),
    ("flap_damping", "perhaps", "must be true or false, not perhaps"),
    ("hold", "-1", "must be 0 or more, not -1"),
    ("workers", "65", "must be 64 or less, not 65"),
    ("unknown_host_status", "200", "must be 400 or more, not 200"),
    ("tls_cert", "absent.crt", "absent.crt: No such file or directory"),
    ("tls_cert", "m", "m is not a file that can be read"),
    ("client_ca", "p.yaml", "needs --tls-cert and --tls-key"),
]


@pytest.mark.parametrize(("name", "value", "mistake"), WRONG)
def test_a_wrong_value_is_named_with_its_flag_its_variable_or_its_line(
    here: Path, name: str, value: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "p.yaml").touch()
    flag = "--" + name.replace("_", "-")
    assert refusal({"manifests": ["m"], name: value}) == f"{flag}: {mistake}"
    variable = f"PILOTHOUSE_{name.upper()}"
    assert refusal({"manifests": ["m"]}, {variable: value}) == f"{variable}: {mistake}"
    assert refusal(written(f"manifests: m\n\n{name}: '{value}'\n")) == f"p.yaml:3: {name}: {mistake}"


KINDS = [
    "[1, 2]",
    "[[a]]",
    "{a: b}",
    "12",
    "1.5",
    "true",
    "'x y'",
    "2026-01-01",
    "1e400",
    "9" * 30,
    "9" * 5000,
]


@pytest.mark.parametrize("name", offered())
def test_a_value_of_another_kind_is_refused_in_our_words(here: Path, name: str) -> None:
    others = "" if name == "manifests" else "manifests: m\n"
    for value in KINDS:
        try:
            load(written(f"{others}{name}: {value}\n"), {})
        except ConfigError as refused:
            said = str(refused)
            assert said.startswith(f"p.yaml:{2 if others else 1}: {name}: "), said
            assert not re.search(r"Input|valid|datetime|<class|True|\['|{'|another kind", said), said


UNREADABLE = [
    ("xdss: 1\n", "p.yaml:1: xdss: no such setting; there are manifests, allow_empty, kubernetes, "),
    ("manifests: m\nxds: a:1\nxds: b:1\n", "p.yaml:3: xds: is set twice"),
    ("manifests: m\ntls-key: k\ntls_key: k\n", "p.yaml:3: tls_key: is set twice"),
    ("manifests: m\nxds: [::1]:18000\n", "p.yaml:2: not YAML: "),
    ("manifests: m\n---\nxds: a:1\n", "p.yaml:2: not YAML: "),
    ("manifests: !!python/name:os.system\n", "p.yaml:1: not YAML: could not determine a constructor"),
    ("- m\n", "p.yaml:1: is not a mapping of settings"),
    ("manifests: m\n!!bool maybe: 1\n", "p.yaml:2: is neither a text nor a number nor a date"),
    ('manifests: ["\\ud800x"]\n', "p.yaml:1: manifests: is not valid Unicode"),
    ("manifests: m\n!!timestamp x: 1\n", "p.yaml:2: is neither a text nor a number nor a date"),
    ("manifests: m\n!!float '': 1\n", "p.yaml:2: is neither a text nor a number nor a date"),
    ("manifests: m\nhold: 2026-02-31\n", "p.yaml:2: hold: is neither a text nor a number nor a date"),
    ("manifests: {m: m}\n", "p.yaml:1: manifests: must be a text or a list of texts, not a mapping"),
    ("manifests: [[m]]\n", "p.yaml:1: manifests: must be a path, not a list"),
    ("manifests: m\nstate: true\n", "p.yaml:2: state: must be a path, not true"),
    ("manifests: m\nhold: [1]\n", "p.yaml:2: hold: must be a number, not a list"),
    ("manifests: m\nexternal_names: 1.5\n", "p.yaml:2: external_names: must be true or false, not 1.5"),
    ("manifests: m\ndefault_namespace: 12\n", "p.yaml:2: default_namespace: must be a text, not 12"),
    ("manifests: m\nworkers: {}\n", "p.yaml:2: workers: must be a whole number, not a mapping"),
    ("manifests: [m, q]\n", "p.yaml:1: manifests: q: No such file or directory"),
    ("\n\nmanifests: []\n", "serve: needs a source: --manifests or --kubernetes"),
    ("", "serve: needs a source: --manifests or --kubernetes"),
    (b"\xff\xfe\x01", "p.yaml: not YAML: "),
    (b"xds: \x07", "p.yaml: not YAML: "),
]


@pytest.mark.parametrize(("text", "start"), UNREADABLE)
def test_a_file_that_makes_no_sense_is_refused_with_its_line(
    here: Path, text: str | bytes, start: str
) -> None:
    assert refusal(written(text)).startswith(start)


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("PILOTHOUSE_FLAP_DAMPING", "\udcff", "must be a text, not \udcff"),
        ("PILOTHOUSE_WORKERS", "9" * 5000, "must be a smaller number, not 999"),
    ],
)
def test_a_variable_that_no_parser_takes_is_refused_in_our_words(
    here: Path, variable: str, value: str, wanted: str
) -> None:
    assert refusal({"manifests": ["m"]}, {variable: value}).startswith(f"{variable}: {wanted}")


def test_a_file_that_is_not_there_is_named_by_who_named_it(here: Path) -> None:
    assert refusal({"config": "no.yaml"}) == "--config: no.yaml: No such file or directory"
    assert refusal({}, {"PILOTHOUSE_CONFIG": "m"}) == "PILOTHOUSE_CONFIG: m: Is a directory"


def test_a_mistake_quotes_no_more_than_a_person_reads(here) -> None:
    assert len(refusal({"manifests": ["m"], "service_cidr": "x" * 100_000})) < 2100
