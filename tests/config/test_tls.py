"""Settings of the xDS port: TLS that can work, and who says in which namespace a sidecar is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.config.settings import load

from .conftest import refusal


@pytest.mark.parametrize(
    ("tls", "start"),
    [
        ({"tls_cert": "tls.crt"}, "--tls-cert and --tls-key: one needs the other"),
        ({"tls_key": "tls.key"}, "--tls-cert and --tls-key: one needs the other"),
        (
            {"tls_cert": "tls.crt", "tls_key": "other.key"},
            "--tls-cert and --tls-key: other.key is not the key of tls.crt: ",
        ),
        (
            {"tls_cert": "tls.crt", "tls_key": "torn.key"},
            "--tls-cert and --tls-key: torn.key is not the key of tls.crt: ",
        ),
        (
            {"tls_cert": "tls.crt", "tls_key": "tls.key", "client_ca": "tls.key"},
            "--client-ca: tls.key holds no certificates (PEM)",
        ),
        ({"tls_cert": ""}, "--tls-cert: . is not a file that can be read"),
    ],
)
def test_tls_that_could_not_work_is_refused_at_once(pki: Path, tls: dict[str, str], start: str) -> None:
    assert refusal({"manifests": ["m"], **tls}).startswith(start)


TLS = {"manifests": ["m"], "tls_cert": "tls.crt", "tls_key": "tls.key"}


def test_the_certificate_says_who_a_sidecar_is_wherever_it_has_one(pki: Path) -> None:
    assert load({"manifests": ["m"]}, {}).identity == "metadata"
    assert load(TLS, {}).identity == "metadata"
    assert load({**TLS, "client_ca": "ca.crt"}, {}).identity == "certificate"
    assert load({**TLS, "client_ca": "ca.crt", "identity": "metadata"}, {}).identity == "metadata"


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ({"identity": "certificate"}, "--identity: certificate needs --client-ca"),
        ({"identity": "spiffe", "client_ca": "ca.crt"}, "--identity: "),
        ({"identity_map": "map.yaml"}, "--identity-map: needs --client-ca"),
        (
            {"identity_map": "map.yaml", "client_ca": "ca.crt", "identity": "metadata"},
            "--identity-map: needs --client-ca and --identity certificate",
        ),
        ({"identity_map": "absent", "client_ca": "ca.crt"}, "--identity-map: absent: No such file"),
        ({"identity_map": "m", "client_ca": "ca.crt"}, "--identity-map: m is not a file that can be read"),
        ({"identity_map": "tls.key", "client_ca": "ca.crt"}, "--identity-map: tls.key:1: "),
        (
            {"identity_map": "/proc/self/mem", "client_ca": "ca.crt"},
            "--identity-map: /proc/self/mem: Input/output error",
        ),
    ],
)
def test_an_identity_that_could_not_be_known_is_refused(pki: Path, said: dict[str, str], start: str) -> None:
    assert refusal({**TLS, **said}).startswith(start)


def test_a_map_of_identities_is_found_beside_the_file_that_names_it(pki: Path) -> None:
    (pki / "sub").mkdir()
    (pki / "map.yaml").rename(pki / "sub" / "map.yaml")
    text = "manifests: ../m\ntls_cert: ../tls.crt\ntls_key: ../tls.key\nclient_ca: ../ca.crt\n"
    (pki / "sub" / "p.yaml").write_text(f"{text}identity-map: map.yaml\n")
    assert load({"config": "sub/p.yaml"}, {}).identity_map is not None
