"""A working directory with what settings can name, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from pilothouse.config.settings import ConfigError, load


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a folder `m` of manifests."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    return tmp_path


@pytest.fixture
def pki(here: Path) -> Path:
    """`tls.crt`, `tls.key` and `ca.crt` that fit, `other.key` that does not, `torn.key` that is cut off."""
    ca = trustme.CA()
    mine, other = ca.issue_cert("pilothouse.test"), ca.issue_cert("other.test")
    mine.private_key_pem.write_to_path(str(here / "tls.key"))
    mine.cert_chain_pems[0].write_to_path(str(here / "tls.crt"))
    other.private_key_pem.write_to_path(str(here / "other.key"))
    ca.cert_pem.write_to_path(str(here / "ca.crt"))
    (here / "map.yaml").write_text("spiffe://mesh.test/ns/{namespace}/*:\nspiffe://mesh.test/vm: shop\n")
    (here / "r.yaml").write_text("a: 1\n")
    (here / "kube.yaml").touch()
    (here / "tokens").touch(mode=0o600)
    (here / "tokens").write_text(f"alice:{'w' * 32}\n")
    (here / "s.yaml").write_text("web: {cert: tls.crt, key: tls.key, namespaces: [shop]}\n")
    (here / "torn.key").write_bytes(mine.private_key_pem.bytes()[:100])
    return here


def refusal(flags: dict[str, object], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        load(flags, environment or {})
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)
