"""What is installed is pinned, with hashes, and is what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN = DECLARED["project"]["dependencies"]
#: What the image has beside.
IMAGE = DECLARED["project"]["optional-dependencies"]["otel"]
EXTRAS = [each for extra in DECLARED["project"]["optional-dependencies"].values() for each in extra]
LOCKS = {
    "requirements.lock": [*RUN, *IMAGE],
    "requirements-dev.lock": [*RUN, *EXTRAS],
    "requirements-build.lock": DECLARED["build-system"]["requires"],
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)", re.MULTILINE)


def pinned(lock: str) -> dict[str, Version]:
    found = _PIN.findall((ROOT / lock).read_text())
    return {canonicalize_name(name): Version(version) for name, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_pinned_to_a_version_that_is_asked_for(lock: str) -> None:
    pins = pinned(lock)
    wanted = [Requirement(each) for each in LOCKS[lock]]
    lacking = [str(each) for each in wanted if canonicalize_name(each.name) not in pins]
    assert lacking == [], "run make lock"
    old = [str(each) for each in wanted if pins[canonicalize_name(each.name)] not in each.specifier]
    assert old == [], "run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_none_names_a_place_to_take_it_from(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert len(pins) == len(pinned(lock))
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in text


def test_the_tests_run_with_the_versions_of_the_image() -> None:
    run, dev = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert {name: dev[name] for name in run} == run
