"""A small API server: lists in pages, watches, discovery, writes, and every way in which one can fail.

It runs on a thread of its own, so that it can hang without the test. What it does is held against a real API
server by tests/real/test_fake.py.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiohttp import web

from pilothouse.kubernetes.gateway.backends import GROUP, MULTICLUSTER
from pilothouse.sources.kubernetes.resources import BUILT_IN, INSTALLED, installed

from .watches import Object, Watch, selects, shown_to

T = TypeVar("T")

#: What may be installed, by API group.
GROUPS = {
    group: [*installed(group, {version: [*kinds]})]
    for group, version, kinds in (
        (GROUP, "v1", INSTALLED[GROUP]),
        (MULTICLUSTER, "v1beta1", INSTALLED[MULTICLUSTER]),
    )
}
OPTIONAL = {resource.kind: resource for resources in GROUPS.values() for resource in resources}
KINDS = {resource.kind: resource for resource in BUILT_IN} | OPTIONAL


class _Refusal(Exception):
    def __init__(self, code: int, reason: str, message: str, retry_after_s: int = 0) -> None:
        self.code, self.headers = code, {"Retry-After": str(retry_after_s)} if retry_after_s else {}
        self.body = {"kind": "Status", "code": code, "reason": reason, "message": message}


class FakeApi:
    """`put` and `delete` are what others do with the API; the other verbs are faults."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.streams_lists = True
        self.token = ""  # that is asked for, if it is one
        self.forbidden: set[str] = set()  # kinds
        self.denied: set[tuple[str, str]] = set()  # methods, and what the paths end with
        self.broken: int = 0  # the status of every answer
        self.retry_after_s = 0
        self.expires_pages = self.fails_pages = False
        self.ignores_streaming = False
        self.nonsense = False  # is what it answers
        self.installed: set[str] = set()  # kinds of `GROUPS`
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        #: What others than `put` have written, and may be read: objects by their paths.
        self.written: dict[str, Object] = {}
        #: The method and the path of each write that was taken.
        self.writes: list[tuple[str, str]] = []
        self._tls = tls
        self._objects: dict[str, dict[tuple[str, str], Object]] = {kind: {} for kind in KINDS}
        self._version, self._oldest = 100, 0
        self._history: list[tuple[int, str, Object | None, Object | None]] = []
        self._watches: set[Watch] = set()  # that are told what happens
        self._open: set[Watch] = set()
        self._thawed = threading.Event()
        self._thawed.set()
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    # What happens in the cluster.

    def put(self, kind: str, name: str, namespace: str = "shop", **fields: Any) -> str:
        """Create or change an object; its resourceVersion. `metadata` adds to what it needs."""
        return self._do(lambda: self._put(kind, name, namespace, fields))

    def delete(self, kind: str, name: str, namespace: str = "shop") -> None:
        self._do(lambda: self._delete(kind, name, namespace))

    def shown(self, kind: str, name: str, namespace: str = "shop") -> Object:
        """An object as it is now."""
        return self._do(lambda: self._objects[kind][namespace, name])

    def bookmark(self) -> None:
        """Tell all watches up to where they know everything."""
        self._each(lambda watch: watch.bookmark(self._version))

    # What goes wrong.

    def start(self) -> None:
        """On the port that it had, if it had one."""
        self._await(self._start())

    def stop(self) -> None:
        """Nothing listens any more, and every connection is cut."""
        self._await(self._stop())

    def cut(self) -> None:
        """Every watch ends in the middle of its body."""
        self._each(lambda watch: watch.cut())

    def end(self) -> None:
        """Every watch has come to its end."""
        self._each(lambda watch: watch.end())

    def fail(self, code: int, message: str) -> None:
        """Every watch is told an ERROR."""
        status = {"kind": "Status", "code": code, "message": message}
        self._each(lambda watch: watch.error(status))

    def compact(self) -> None:
        """Whatever has happened until now is forgotten, and watches that go on from there are refused."""
        self._do(self._compact)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections and says nothing."""
        self._thawed.clear()
        self._loop.call_soon_threadsafe(self._thawed.wait)
        try:
            yield
        finally:
            self._thawed.set()

    def silence(self) -> None:
        """What happens is not told to the watches that are open now."""
        self._do(self._watches.clear)

    @property
    def watches(self) -> int:
        return self._do(lambda: len(self._watches))

    def close(self) -> None:
        self._thawed.set()
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return self._await(run())

    def _each(self, act: Callable[[Watch], None]) -> None:
        self._do(lambda: [*map(act, self._watches)])

    def _await(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "localhost", self.port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        assert site._server
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    async def _stop(self) -> None:
        for watch in self._open:
            watch.cut()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    def _put(self, kind: str, name: str, namespace: str, fields: dict[str, Any]) -> str:
        resource = KINDS[kind]
        namespace = namespace if resource.namespaced else ""
        self._version += 1
        meta = {"name": name, **fields.pop("metadata", {}), "resourceVersion": str(self._version)}
        if namespace:
            meta["namespace"] = namespace
        found = {"kind": kind, "apiVersion": resource.version, "metadata": meta, **fields}
        known = self._objects[kind]
        self._happen(kind, known.get((namespace, name)), found)
        known[namespace, name] = found
        return str(self._version)

    def _delete(self, kind: str, name: str, namespace: str) -> None:
        self._version += 1
        found = self._objects[kind].pop((namespace if KINDS[kind].namespaced else "", name))
        meta = {**found["metadata"], "resourceVersion": str(self._version)}
        self._happen(kind, {**found, "metadata": meta}, None)

    def _happen(self, kind: str, before: Object | None, after: Object | None) -> None:
        self._history.append((self._version, kind, before, after))
        for watch in self._watches:
            watch.tell(kind, before, after)

    def _compact(self) -> None:
        self._version += 1
        self._oldest = self._version
        self._history.clear()

    # How it answers.

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(str(request.rel_url))
        self.headers.append(dict(request.headers))
        try:
            self._check(request)
            if self.nonsense:
                return web.Response(text="<html>welcome</html>")
            group = request.path.removeprefix("/apis/").split("/")[0]
            if group in GROUPS and request.path.count("/") <= 3:
                return web.json_response(self._kinds(group, request.path))
            if request.method != "GET":
                return await self._write(request)
            if request.path in self.written:
                return web.json_response(self.written[request.path])
            kind, namespace = self._scope(request.path)
            if kind in self.forbidden:
                plural = KINDS[kind].plural
                message = f'{plural} is forbidden: User "x" cannot list resource "{plural}"'
                raise _Refusal(403, "Forbidden", message)
            if request.query.get("watch") == "1":
                return await self._watch(request, kind, namespace)
            return web.json_response(self._list(request, kind, namespace))
        except _Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.code, headers=refusal.headers)

    async def _write(self, request: web.Request) -> web.Response:
        body, path = await request.json(), request.path
        if path.endswith("/status"):
            return self._apply_status(path, body)
        if request.method == "POST":
            path = f"{path}/{body['metadata']['name']}"
        before = self.written.get(path)
        if request.method == "POST" and before is not None:
            raise _Refusal(409, "AlreadyExists", f"{path} already exists")
        if request.method == "PUT":
            self._check_version(path, before, body)
        if request.method == "PATCH":
            body = _applied(before or {}, body)
        self._version += 1
        body["metadata"] = {**body.get("metadata", {}), "resourceVersion": str(self._version)}
        self.written[path] = body
        self.writes.append((request.method, path))
        return web.json_response(body, status=201 if before is None else 200)

    def _apply_status(self, path: str, body: Object) -> web.Response:
        """As a server-side apply of the status: with a resourceVersion, it has to be the present one."""
        kind, (namespace, name) = body["kind"], path.split("/")[-4:-1:2]
        known = self._objects.get(kind, {}).get((namespace, name))
        if known is None or (kind in OPTIONAL and kind not in self.installed):
            raise _Refusal(404, "NotFound", f"{path} not found")
        if body["metadata"].get("resourceVersion") not in (None, "", known["metadata"]["resourceVersion"]):
            raise _Refusal(409, "Conflict", "the object has been modified")
        self.writes.append(("PATCH", path))
        if known.get("status") != body["status"]:
            self._put(kind, name, namespace, {**known, "status": body["status"]})
        return web.json_response(self._objects[kind][namespace, name])

    def _check_version(self, path: str, before: Object | None, body: Object) -> None:
        if before is None:
            raise _Refusal(404, "NotFound", f"{path} not found")
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, before["metadata"]["resourceVersion"]):
            raise _Refusal(409, "Conflict", "the object has been modified")

    def _check(self, request: web.Request) -> None:
        if self.broken:
            raise _Refusal(self.broken, "Broken", "the storage is broken", self.retry_after_s)
        if any(request.method == method and request.path.endswith(end) for method, end in self.denied):
            raise _Refusal(403, "Forbidden", f'User "x" cannot {request.method} {request.path}')
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise _Refusal(401, "Unauthorized", "Unauthorized")

    def _kinds(self, group: str, path: str) -> Object:
        there = [each for each in GROUPS[group] if each.kind in self.installed]
        if not there:
            raise _Refusal(404, "NotFound", "the server could not find the requested resource")
        if path == f"/apis/{group}":
            version = there[0].version
            known = {"version": version.rpartition("/")[2], "groupVersion": version}
            return {"kind": "APIGroup", "versions": [known]}
        return {"kind": "APIResourceList", "resources": [{"kind": each.kind} for each in there]}

    def _scope(self, path: str) -> tuple[str, str]:
        for kind, resource in KINDS.items():
            namespace = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""
            if path == resource.path(namespace):
                if kind in OPTIONAL and kind not in self.installed:
                    break
                return kind, namespace
        raise _Refusal(404, "NotFound", "the server could not find the requested resource")

    def _found(self, kind: str, namespace: str, request: web.Request) -> list[Object]:
        _, _, name = request.query.get("fieldSelector", "").partition("=")
        selector = request.query.get("labelSelector", "")
        return [
            found
            for key, found in sorted(self._objects[kind].items())
            if (not namespace or key[0] == namespace)
            and (not name or key[1] == name)
            and selects(selector, found)
        ]

    def _list(self, request: web.Request, kind: str, namespace: str) -> Object:
        found = [shown_to(one, request) for one in self._found(kind, namespace, request)]
        for one in found:  # in a list, its kind is not repeated
            one.pop("kind")
            one.pop("apiVersion")
        start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 0))
        if start and self.expires_pages:
            raise _Refusal(410, "Expired", "The provided continue parameter is too old")
        if start and self.fails_pages:
            raise _Refusal(500, "InternalError", "etcdserver: request timed out")
        end = start + limit if limit else len(found)
        meta: Object = {"resourceVersion": str(self._version)}
        if end < len(found):
            meta |= {"continue": str(end), "remainingItemCount": len(found) - end}
        return {"kind": f"{kind}List", "metadata": meta, "items": found[start:end]}

    async def _watch(self, request: web.Request, kind: str, namespace: str) -> web.StreamResponse:
        begins = request.query.get("sendInitialEvents") == "true" and not self.ignores_streaming
        if begins and not self.streams_lists:
            raise _Refusal(422, "Invalid", "sendInitialEvents is forbidden for watch")
        watch = Watch(kind, namespace, request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watches.add(watch)
        self._open.add(watch)
        if begins or not request.query.get("resourceVersion"):
            for found in self._found(kind, namespace, request):
                watch.tell(kind, None, found)
            if begins:
                watch.bookmark(self._version, {"k8s.io/initial-events-end": "true"})
        elif int(request.query["resourceVersion"]) < self._oldest:
            watch.error(
                {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            )
            watch.end()
        else:
            for version, of, before, after in self._history:
                if version > int(request.query["resourceVersion"]):
                    watch.tell(of, before, after)
        try:
            await watch.write(response)
        finally:
            self._watches.discard(watch)
            self._open.discard(watch)
        return response


def _applied(before: Object, said: Object) -> Object:
    """Fields of objects are joined, and webhooks of the same name; of other lists the new one counts."""
    joined = dict(before)
    for field, value in said.items():
        known = joined.get(field)
        if field == "webhooks":
            named = {each["name"]: each for each in known or ()}
            named |= {each["name"]: _applied(named.get(each["name"], {}), each) for each in value}
            joined[field] = [*named.values()]
        else:
            both = isinstance(known, dict) and isinstance(value, dict)
            joined[field] = _applied(known, value) if both else value  # type: ignore[arg-type]
    return joined
