"""The files of the console: what they may do in a browser, how they are kept, and that none is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from pilothouse.admin.status import Status

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "xds/pilothouse/admin/console/static"
OURS = sorted(path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts)
_IMPORTED = re.compile(r"(?:from |import\(|^import )'([^']+)'", re.MULTILINE)
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def idle() -> Status:
    return Status("1.2.3", 1_700_000_000.0)


async def test_a_browser_is_sent_to_the_console_and_a_program_to_the_index(ask, idle) -> None:
    async with ask(idle) as client:
        person = await client.get("/", headers=HTML)
        program = await client.get("/", headers={"accept": "*/*"})
        without_slash = await client.get("/console")
    assert (person.status_code, person.headers["location"]) == (307, "console/")
    assert (program.status_code, program.json()["name"]) == (200, "pilothouse")
    assert person.headers["vary"] == program.headers["vary"] == "Accept"
    assert (without_slash.status_code, without_slash.headers["location"]) == (307, "console/")


async def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(ask, idle) -> None:
    async with ask(idle) as client:
        answer = await client.get("/console/")
    policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
    found = _IMPORT_MAP.search(answer.text)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["style-src"] == policy["connect-src"] == policy["img-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_file_that_the_browser_has_is_not_sent_again(ask, idle) -> None:
    async with ask(idle) as client:
        first = await client.get("/console/app.js")
        again = await client.get("/console/app.js", headers={"if-none-match": first.headers["etag"]})
        other = await client.get("/console/app.js", headers={"if-none-match": '"other"'})
    assert (again.status_code, again.content, other.status_code) == (304, b"", 200)
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_a_library_is_kept_for_good_because_its_folder_names_its_version(ask, idle) -> None:
    async with ask(idle) as client:
        answer = await client.get("/console/vendor/preact-11.2.0/preact.mjs")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["none.js", "../http.py", "%2e%2e/files.py", "vendor", "pages/", "//etc/passwd"]
)
async def test_only_the_files_of_the_console_are_served(ask, idle, path) -> None:
    async with ask(idle) as client:
        answer = await client.get(f"http://admin/console/{path}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


async def test_a_file_cannot_be_written(ask, idle) -> None:
    async with ask(idle) as client:
        answer = await client.post("/console/app.js")
    assert answer.status_code == 405


def test_every_module_that_is_imported_is_there() -> None:
    page = (STATIC / "index.html").read_text()
    found = _IMPORT_MAP.search(page)
    assert found
    known = json.loads(found[1])["imports"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert [each for each in [*known.values(), *named] if not (STATIC / each).is_file()] == []
    missing = [
        f"{module.relative_to(STATIC)}: {each}"
        for module in OURS
        if module.suffix == ".js"
        for each in _IMPORTED.findall(module.read_text())
        if not (each in known or (each.startswith(".") and (module.parent / each).is_file()))
    ]
    assert missing == []


def test_no_text_becomes_markup_or_code_and_nothing_is_elsewhere() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|dangerously|document\.write|\beval\(|new Function"
    )
    elsewhere = re.compile(r"https?://(?!www\.w3\.org/2000/svg|html\.spec\.whatwg\.org)")
    inline = re.compile(r" on[a-z]+=\"| style=\"")
    for path in OURS:
        text = path.read_text()
        assert not forbidden.search(text), path
        assert not elsewhere.search(text), path
        assert not inline.search(text), path
