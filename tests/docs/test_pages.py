"""Whoever follows a page of the documentation sees what it says, command by command."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from .generated import MAKERS, REFERENCE, anew
from .page import Commands, File, before, steps
from .shell import Shell, isolation

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs/tutorial.md"
PAGES = [ROOT / "README.md", TUTORIAL, *sorted((ROOT / "docs/how-to").glob("*.md"))]

#: All that is not run here: how many blocks of which page, and why. A new one is a decision.
NOT_RUN: Counter[tuple[str, str]] = Counter(
    {
        ("README.md", "makes the environment that this test runs in"): 1,
        ("docs/how-to/secrets-and-runtime.md", "needs certificates of your own"): 1,
        ("docs/how-to/secrets-and-runtime.md", "needs a file of your own"): 1,
        ("README.md", "other tests run the demo and all tests"): 1,
        ("docs/tutorial.md", "makes the environment that this test runs in"): 1,
        ("docs/how-to/compose.md", "needs a container engine"): 3,
        ("docs/how-to/deploy.md", "needs a container engine"): 1,
        ("docs/how-to/dns-agent.md", "needs certificates"): 1,
        ("docs/how-to/dns.md", "needs name servers of your own"): 1,
        ("docs/how-to/deploy.md", "needs systemd"): 1,
        ("docs/how-to/helm.md", "needs a cluster"): 4,
        ("docs/how-to/kubernetes.md", "needs a cluster"): 1,
        ("docs/how-to/secure-the-admin-port.md", "needs a cluster"): 3,
        ("docs/how-to/manifests-from-a-cluster.md", "needs a cluster"): 2,
        ("docs/how-to/traces.md", "needs a collector of your own"): 1,
        ("docs/how-to/traces.md", "needs a container engine"): 1,
        ("docs/how-to/redirect.md", "what is printed depends on /etc/resolv.conf"): 1,
        ("docs/how-to/sidecars-in-pods.md", "needs a cluster"): 11,
    }
)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _followed(page: Path) -> list[File | Commands]:
    """What a test does of a page, and of what comes before it."""
    found = [*before(page, TUTORIAL), *steps(page)]
    return [step for step in found if isinstance(step, File) or not step.not_run]


def _cases() -> Sequence[object]:
    """The pages that have commands; those that start an Envoy have its mark."""
    cases = []
    for page in PAGES:
        texts = [step.text for step in _followed(page) if isinstance(step, Commands)]
        marks = [pytest.mark.envoy] if any("envoy -c" in text for text in texts) else []
        if texts:
            cases.append(pytest.param(page, id=_name(page), marks=marks))
    return cases


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", _cases())
def test_what_a_page_says_happens(page: Path, tmp_path: Path) -> None:
    if "ip addr" in page.read_text() and not isolation():
        pytest.skip("only in a network of its own may a test add addresses")
    if "setpriv" in page.read_text() and (os.geteuid() or not shutil.which("nft")):
        pytest.skip("only root may act for other users, and the rules need nft")
    with Shell(tmp_path) as shell:
        for step in _followed(page):
            if isinstance(step, File):
                shell.save(step.name, step.text)
            else:
                _check(shell, step, _name(page))


def _check(shell: Shell, step: Commands, page: str) -> None:
    place = f"{page}:{step.line}:\n{step.text}"
    if step.shown is None:
        status, out = shell.run(step.text)
        assert status == step.status, f"{place}\n{out}"
    else:
        printed = shell.prints(step.text, step.shown, step.status)
        assert not printed, f"{place}\nshows:\n{step.shown}\nbut printed:\n{printed}"


def test_what_is_not_run_is_known() -> None:
    found = Counter(
        (_name(page), step.not_run)
        for page in PAGES
        for step in steps(page)
        if isinstance(step, Commands) and step.not_run
    )
    assert found == NOT_RUN


@pytest.mark.parametrize("page", MAKERS)
def test_the_reference_is_what_the_code_says(page: str) -> None:
    assert (REFERENCE / page).read_text() == anew(page), "run: .venv/bin/python -m tests.docs.generated"
