"""The documentation names all that there is, and nothing that there is not."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from pilothouse.model.reasons import Reason

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FRONT = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
CODE = "\n".join(path.read_text() for path in sorted((ROOT / "xds/pilothouse").rglob("*.py")))
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def reference(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def test_every_reason_is_explained() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", reference("reasons.md"), re.MULTILINE)
    assert rows == [reason.value for reason in Reason]


def test_every_annotation_is_explained() -> None:
    known = set(re.findall(r'"(pilothouse\.dev/[a-z-]+)"', CODE))
    assert known == set(
        re.findall(r"^\| `(pilothouse\.dev/[a-z-]+)`", reference("annotations.md"), re.MULTILINE)
    )


def test_every_log_event_is_explained() -> None:
    logged = set(re.findall(r'(?:log\.(?:info|warning|error)[(,]|_say\()\s*"([^"]+)"', CODE))
    kinds = {f"{kind} in a manifest{end}" for kind in ("fault", "warning") for end in ("", " is mended")}
    explained = re.findall(
        r"^\| (`[^|]+`) \| (?:info|warning|error) \|", reference("log-events.md"), re.MULTILINE
    )
    assert logged | kinds == {event for cell in explained for event in re.findall(r"`([^`]+)`", cell)}


def test_every_key_of_the_metadata_of_a_node_is_explained() -> None:
    from pilothouse.mesh import audience

    rows = re.findall(r"^\| `metadata\.pilothouse\.(\w+)` \|", reference("node-metadata.md"), re.MULTILINE)
    assert set(rows) == audience._KEYS


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=str)
def test_no_page_has_the_marks_of_a_merge(page: Path) -> None:
    assert not re.search(r"^(<{7}|>{7}) ", page.read_text(), re.MULTILINE)


def test_no_page_names_a_metric_that_is_not_there() -> None:
    pages = reference("metrics.md") + reference("dns-agent.md")
    there = set(re.findall(r"`(pilothouse_\w+)`", pages))
    for page in [*PAGES, *FRONT]:
        named = set(re.findall(r"\b(pilothouse_(?!state\b)[a-z_]*[a-z])(?![a-z_(*])", page.read_text()))
        assert {re.sub("_(bucket|count|sum)$", "", name) for name in named} <= there, page


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in _links(page):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), f"{target}#{anchor}"


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_example_can_be_read(page: Path) -> None:
    readers: dict[str, Callable[[str], object]] = {
        "yaml": lambda text: [*yaml.safe_load_all(text)],
        "json": json.loads,
        "python": ast.parse,
    }
    for language, text in re.findall(r"^```(\w+).*\n((?:.*\n)*?)```$", page.read_text(), re.MULTILINE):
        if language in readers:
            readers[language](text)


def test_the_site_and_the_front_page_lead_to_every_page() -> None:
    in_site = set(
        re.findall(r"[\w/-]+\.md", yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    )
    pages = {str(page.relative_to(DOCS)) for page in PAGES}
    decisions = {page for page in pages if page.startswith("decisions/") and page != "decisions/README.md"}
    assert in_site == pages - decisions
    from_readme = {target for target, _ in _links(ROOT / "README.md")}
    assert {f"docs/{page}" for page in in_site - {"index.md"}} <= from_readme


def test_the_page_about_conformance_says_what_the_report_of_the_suite_says() -> None:
    folder = DOCS / "conformance"
    (report,) = folder.glob("*.yaml")
    written = yaml.safe_load(report.read_text())
    version = written["implementation"]["version"]
    assert report.name == f"{written['gatewayAPIChannel']}-{version}-{written['mode']}-report.yaml"
    rows = []
    for profile in written["profiles"]:
        results = [profile[level]["statistics"] for level in ("core", "extended") if level in profile]
        passed = [each["Passed"] for each in results] + [0] * (2 - len(results))
        wrong = [sum(each[how] for each in results) for how in ("Failed", "Skipped")]
        rows.append(f"| `{profile['name']}` | {' | '.join(map(str, passed + wrong))} |")
    page = (folder / "README.md").read_text()
    assert sorted(rows) == sorted(re.findall(r"^\| `MESH-.*\|$", page, re.MULTILINE))


def _links(page: Path) -> Iterator[tuple[str, str]]:
    """File and anchor of each link within the project."""
    for link in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", page.read_text())):
        if "://" not in link:
            target, _, anchor = link.partition("#")
            yield target, anchor


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
