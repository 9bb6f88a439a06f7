"""Serves the console's files. Their headers let them load nothing from elsewhere and run nothing inline."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

PATH = "/console/"
_START = "index.html"
_VENDOR = "vendor/"
_IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)
_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served. `headers` has its ETag, and how long it may be kept."""

    body: bytes
    headers: Mapping[str, str]


def routes() -> list[Route]:
    """The routes of the console. The files are read once, here."""
    assets = dict(_assets())

    async def asset(request: Request) -> Response:
        found = assets.get(request.path_params["path"] or _START)
        if found is None:
            raise HTTPException(404)
        known = (each.strip() for each in request.headers.get("if-none-match", "").split(","))
        if found.headers["etag"] in known:
            return Response(status_code=304, headers=found.headers)
        return Response(found.body, headers=found.headers)

    async def whole(_: Request) -> Response:
        return RedirectResponse("console/")

    return [
        Route(PATH.rstrip("/"), whole, methods=["GET"]),
        Route(PATH + "{path:path}", asset, methods=["GET"]),
    ]


def for_browser(request: Request) -> bool:
    """Whether a person asks with a browser. Programs accept anything, and name no HTML."""
    accepted = (each.partition(";")[0].strip() for each in request.headers.get("accept", "").split(","))
    return "text/html" in accepted


def _assets() -> Iterator[tuple[str, Asset]]:
    """Each file by its path below the prefix."""
    folder = files(__package__) / "static"
    policy = _policy((folder / _START).read_bytes())
    for path, file in _walk(folder, ""):
        body = file.read_bytes()
        kind = _TYPES.get(path[path.rfind(".") :]) or mimetypes.guess_type(path)[0] or "text/plain"
        headers = {
            "content-type": f"{kind}; charset=utf-8",
            "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            # The folder of a library has its version in its name, so what is in it never changes.
            "cache-control": _FOREVER if path.startswith(_VENDOR) else "no-cache",
            "content-security-policy": policy,
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        yield path, Asset(body, headers)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda one: one.name):
        if each.is_dir():
            yield from _walk(each, f"{prefix}{each.name}/")
        else:
            yield prefix + each.name, each


def _policy(start: bytes) -> str:
    """The Content-Security-Policy. The import map is the only script in the page, so its hash is allowed.

    Trusted Types forbid every way from a text to markup or to code.
    """
    found = _IMPORT_MAP.search(start)
    assert found is not None, "the start page has an import map"
    digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode()
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
