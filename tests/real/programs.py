"""The programs that these tests start: built from Go modules once, and kept outside of the checkout.

    python -m tests.real.programs kube kwok    # builds what is not there yet

$PILOTHOUSE_KUBE_BIN names a folder with ready ones: `kubetest`, `kwok`, `coredns`, `conformance.test`,
`crds/` and `deploy/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_MODULES = Path(__file__).parent / "go"
_SMALL = ["-buildvcs=false", "-trimpath"]
_STRIPPED = "-s -w"
#: Where an unset version shows, clients warn of it.
_VERSION = "k8s.io/component-base/version"
_HELM = "helm.sh/helm/v3/pkg/chartutil"


class Missing(Exception):
    """A program is not there and cannot be made; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Part:
    """A Go module of `go/` and what is made of it: `product`, a file or a folder."""

    module: str
    product: str
    make: Callable[[Path, Path], None]

    def find(self) -> Path | None:
        """The product, or None if it has to be built."""
        ready = os.environ.get("PILOTHOUSE_KUBE_BIN")
        place = (Path(ready) if ready else self._kept()) / self.product
        return place.resolve() if place.exists() else None

    def build(self) -> Path:
        """The product, made if it is not there yet. Raises Missing.

        Another process that builds the same is waited for.
        """
        if found := self.find():
            return found
        if "PILOTHOUSE_KUBE_BIN" in os.environ:
            raise Missing(f"no {self.product} in $PILOTHOUSE_KUBE_BIN")
        if not shutil.which("go"):
            raise Missing(f"{self.product} is built with Go, which is not installed")
        kept = self._kept()
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                self._into(kept)
        return kept / self.product

    def _into(self, kept: Path) -> None:
        """In a folder beside, which is renamed: a build that was interrupted is no build."""
        with tempfile.TemporaryDirectory(dir=kept.parent) as beside:
            made = Path(beside) / "made"
            made.mkdir()
            try:
                self.make(_MODULES / self.module, made)
            except subprocess.CalledProcessError as error:
                raise Missing(f"{self.product} cannot be built: {error.stderr.strip()[-2000:]}") from error
            made.rename(kept)

    def _kept(self) -> Path:
        """A folder whose name changes with the module."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        digest = hashlib.sha256()
        for file in sorted((_MODULES / self.module).iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return cache / f"pilothouse-{self.module}-{digest.hexdigest()[:16]}"


def _go(module: Path, *args: str | Path) -> str:
    """What `go ARGS` prints in a module. Raises CalledProcessError."""
    environment = os.environ | {"CGO_ENABLED": "0"}
    done = subprocess.run(
        ["go", *args], cwd=module, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def _make_kubetest(module: Path, into: Path) -> None:
    release = _required(module, "k8s.io/kubernetes")
    major, minor, _ = release.removeprefix("v").split(".")
    said = {"gitVersion": release, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = [_STRIPPED, *(f"-X {_VERSION}.{name}={value}" for name, value in said.items())]
    _go(module, "build", *_SMALL, "-ldflags", " ".join(flags), "-o", into / "kubetest", ".")


def _make_tool(name: str, module: Path, into: Path) -> None:
    tool = _go(module, "list", "tool").strip()
    _go(module, "build", *_SMALL, "-ldflags", _STRIPPED, "-o", into / name, tool)


def _make_conformance(module: Path, into: Path) -> None:
    # vet would read all 700 packages again.
    flags = ["-c", "-vet=off", *_SMALL, "-ldflags", _STRIPPED]
    _go(module, "test", *flags, "-o", into / "conformance.test", ".")


def _make_deploy(module: Path, into: Path) -> None:
    folder = into / "deploy"
    folder.mkdir()
    # For which Kubernetes helm renders, if nothing else is said.
    _, minor, _ = _required(module, "k8s.io/client-go").split(".")
    said = {f"{_HELM}.k8sVersionMajor": "1", f"{_HELM}.k8sVersionMinor": minor}
    flags = [_STRIPPED, *(f"-X {name}={value}" for name, value in said.items())]
    _go(module, "build", *_SMALL, "-ldflags", " ".join(flags), "-o", f"{folder}{os.sep}", "tool")


def _make_crds(module: Path, into: Path) -> None:
    """Copies, because who has the programs need not have Go."""
    for required, folders in (
        ("sigs.k8s.io/gateway-api", ("standard", "experimental")),
        ("sigs.k8s.io/mcs-api", (".",)),
    ):
        found = json.loads(_go(module, "mod", "download", "-json", required))
        crds = Path(found["Dir"]) / "config/crd"
        for folder in folders:
            target = into / "crds" / Path(required).name / folder
            target.mkdir(parents=True)
            for file in (crds / folder).glob("*.yaml"):
                (target / file.name).write_bytes(file.read_bytes())


def _required(module: Path, name: str) -> str:
    listed = _go(module, "list", "-m", "-f", "{{.Version}}", name)
    return listed.strip()


#: etcd, kube-apiserver and kube-controller-manager in one program, whose first argument says which.
KUBE = Part("kube", "kubetest", _make_kubetest)
#: Kubelets of a fleet that does not exist.
KWOK = Part("kwok", "kwok", partial(_make_tool, "kwok"))
#: Answers names in nearly every cluster.
COREDNS = Part("coredns", "coredns", partial(_make_tool, "coredns"))
#: The conformance suite of the Gateway API.
CONFORMANCE = Part("conformance", "conformance.test", _make_conformance)
#: CustomResourceDefinitions: `gateway-api/standard`, `gateway-api/experimental`, `mcs-api`.
CRDS = Part("crds", "crds", _make_crds)

#: What people install with: `deploy/helm` and `deploy/kustomize`.
DEPLOY = Part("deploy", "deploy", _make_deploy)

PARTS = (KUBE, KWOK, COREDNS, CONFORMANCE, CRDS, DEPLOY)


def main(names: list[str]) -> int:
    """Build the parts of these names, or all; print where each is."""
    try:
        for part in PARTS:
            if not names or part.module in names:
                print(f"{part.module}: {part.build()}", flush=True)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
