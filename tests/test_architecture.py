"""The rules of the tree: sizes, layers, docstrings, and where failures may be swallowed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from pilothouse.protocol.agenda import Agenda
from pilothouse.protocol.exchange import Exchange
from pilothouse.protocol.holdings import Holdings
from pilothouse.protocol.interest import Interest
from pilothouse.protocol.subscription import Report, Subscription

# Far above what is usual here. Sizes are symptoms: what reaches these has more than one idea in it.
FILE_LINES = 400
FUNCTION_LINES = 60

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xds" / "pilothouse"


def sources(*directories: Path) -> list[Path]:
    """Every Python file that people wrote in the directories."""
    files = (path for directory in directories for path in directory.rglob("*.py"))
    return sorted(path for path in files if "_pb" not in path.relative_to(ROOT).parts)


def found(files: list[Path], search: Callable[[ast.Module], Iterator[ast.AST]]) -> list[str]:
    """`file:line` of every node that the search finds in the files."""
    return [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
        for path in files
        for node in search(ast.parse(path.read_text(), path))
    ]


EVERYTHING = [ROOT / "hatch_build.py", *sources(PACKAGE, ROOT / "tests", ROOT / "benchmarks")]
OURS = sources(PACKAGE)


def test_there_are_sources_to_look_at() -> None:
    assert PACKAGE / "model/services.py" in OURS
    assert Path(__file__).resolve() in EVERYTHING
    assert not [path for path in OURS if path.name.endswith("_pb2.py")]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in EVERYTHING}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    def long_functions(tree: ast.Module) -> Iterator[ast.AST]:
        functions = (
            node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        return (node for node in functions if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES)

    assert found(EVERYTHING, long_functions) == []


def test_every_module_says_what_it_is() -> None:
    def undocumented(tree: ast.Module) -> Iterator[ast.AST]:
        if not ast.get_docstring(tree):
            yield tree

    assert found(OURS, undocumented) == []


def test_only_a_few_places_catch_everything() -> None:
    survivors = {
        PACKAGE / "registry/supervise.py",  # whatever a source does
        PACKAGE / "status/writer.py",  # whatever writing to a cluster does
        PACKAGE / "feeds/feed.py",  # whatever the reading of one file does
        PACKAGE / "sources/files/disk.py",  # whatever the reading of one file does
        PACKAGE / "dns/serving.py",  # whatever the answering of one question does
        PACKAGE / "structures/lane.py",  # and raises it again, after it has waited for a turn
        PACKAGE / "journal/disk.py",  # and raises it again, after it has closed what it opened
        PACKAGE / "structures/threads.py",  # which carries it over to the thread that waits
    }

    def catches_everything(tree: ast.Module) -> Iterator[ast.AST]:
        for handler in ast.walk(tree):
            if isinstance(handler, ast.ExceptHandler):
                caught = ast.walk(handler.type) if handler.type else []
                names = {node.id for node in caught if isinstance(node, ast.Name)}
                if handler.type is None or names & {"Exception", "BaseException"}:
                    yield handler

    assert found([path for path in OURS if path not in survivors], catches_everything) == []
    assert len(found([PACKAGE / "registry/supervise.py"], catches_everything)) <= 1


def test_the_source_root_is_not_a_package() -> None:
    # xds-protos installs a package called xds; ours would shadow it or be shadowed by it.
    assert not (ROOT / "xds" / "__init__.py").exists()


def test_imports_follow_the_layers() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run([linter, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_parts_of_a_subscription_change_by_their_own_methods_only() -> None:
    parts = (Agenda, Exchange, Holdings, Interest, Report, Subscription)
    owned = {each.name for part in parts for each in fields(part)}
    changing = {"add", "append", "clear", "discard", "extend", "pop", "remove", "setdefault", "update"}

    def changed(node: ast.AST) -> ast.expr | None:
        """What a node assigns to, deletes, or calls a method of that changes it."""
        match node:
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                return node
            case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in changing:
                return value
        return None

    def intrusions(tree: ast.Module) -> Iterator[ast.AST]:
        for node in ast.walk(tree):
            match changed(node):
                case ast.Attribute(value=ast.Name(id="self")):
                    pass
                case ast.Attribute(attr=name) if name in owned:
                    yield node

    assert found(sources(PACKAGE / "protocol"), intrusions) == []
