"""The API of a cluster as one user has it: objects are plain values, as they are in manifests."""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

import httpx

#: An object, or a part of one.
Object: TypeAlias = dict[str, Any]

_CORE = "/api/v1"
_GATEWAY = "/apis/gateway.networking.k8s.io/v1"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_MCS = "/apis/multicluster.x-k8s.io/v1beta1"
#: Kinds, with the API and the plural that their paths have.
KINDS = {
    "Namespace": (_CORE, "namespaces"),
    "Node": (_CORE, "nodes"),
    "Pod": (_CORE, "pods"),
    "Service": (_CORE, "services"),
    "Endpoints": (_CORE, "endpoints"),
    "Event": (_CORE, "events"),
    "ConfigMap": (_CORE, "configmaps"),
    "Secret": (_CORE, "secrets"),
    "ServiceAccount": (_CORE, "serviceaccounts"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "Role": (_RBAC, "roles"),
    "RoleBinding": (_RBAC, "rolebindings"),
    "ClusterRole": (_RBAC, "clusterroles"),
    "ClusterRoleBinding": (_RBAC, "clusterrolebindings"),
    "MutatingWebhookConfiguration": (_ADMISSION, "mutatingwebhookconfigurations"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "HTTPRoute": (_GATEWAY, "httproutes"),
    "GRPCRoute": (_GATEWAY, "grpcroutes"),
    "TLSRoute": (_GATEWAY, "tlsroutes"),
    "TCPRoute": (_GATEWAY, "tcproutes"),
    "ReferenceGrant": (_GATEWAY, "referencegrants"),
    "ServiceExport": (_MCS, "serviceexports"),
    "ServiceImport": (_MCS, "serviceimports"),
}

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
# A watch that begins with all that there is has each event in a gzip stream of its own, where it may be
# compressed. httpx reads the first of these only, and drops what follows without a word.
_AS_IT_IS = {"Accept-Encoding": "identity"}


class Refused(Exception):
    """The server answered with an error: its HTTP status, its reason and its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


class Api:
    """Calls block, since each takes milliseconds. They raise Refused, and httpx.TransportError."""

    def __init__(self, url: str, ca: Path, token: str) -> None:
        self._client = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(ca)),
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )
        #: What the last answer to `call` warned of.
        self.warnings: list[str] = []

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Object:
        """The answer to a request whose body is an object of this media type."""
        content = None if body is None else json.dumps(body)
        answer = self._client.request(method, path, content=content, headers={"Content-Type": kind})
        self.warnings = answer.headers.get_list("warning")
        _raise_refusal(answer)
        return dict(answer.json())

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        return self.call("GET", path_of(kind, namespace, name))

    def list(self, kind: str, namespace: str = "", **query: str | int) -> list[Object]:
        """The items; `query` as `labelSelector="a=b"`."""
        return list(self.call("GET", _asked(path_of(kind, namespace), query))["items"])

    def version(self, kind: str, namespace: str = "") -> str:
        """The resource version of a list, from which it can be watched."""
        return str(self.call("GET", path_of(kind, namespace) + "?limit=1")["metadata"]["resourceVersion"])

    def create(self, *documents: Object) -> Object:
        """Create the objects; gives the last as the server has it."""
        for document in documents:
            made = self.call("POST", _place_of(document), document)
        return made

    def apply(self, *documents: Object) -> None:
        """Create the objects or change them, as `kubectl apply --server-side --force-conflicts` does."""
        for document in documents:
            path = f"{_place_of(document)}/{document['metadata']['name']}?fieldManager=test&force=true"
            self.call("PATCH", path, document, APPLY)

    def replace(self, document: Object) -> Object:
        """Put an object in the place of the one that has its resource version."""
        return self.call("PUT", f"{_place_of(document)}/{document['metadata']['name']}", document)

    def patch(self, kind: str, name: str, change: Object, namespace: str = "") -> Object:
        """A JSON merge patch: null deletes, lists are replaced."""
        return self.call("PATCH", path_of(kind, namespace, name), change, MERGE)

    def patch_status(self, kind: str, name: str, status: Object, namespace: str = "") -> Object:
        """A strategic merge patch of the status, as a kubelet sends: conditions are merged by their type."""
        path = path_of(kind, namespace, name) + "/status"
        return self.call("PATCH", path, {"status": status}, STRATEGIC)

    def delete(self, kind: str, name: str, namespace: str = "", grace_s: int | None = None) -> None:
        """With a grace of 0, a pod is gone at once, though there is no kubelet."""
        options = None if grace_s is None else {"gracePeriodSeconds": grace_s}
        self.call("DELETE", path_of(kind, namespace, name), options)

    def watch(
        self, kind: str, namespace: str = "", seconds: int = 10, **query: str | int
    ) -> Generator[Object, None, None]:
        """Events until the server ends the watch after so many seconds, or its connection is cut."""
        path = _asked(path_of(kind, namespace), query | {"watch": 1, "timeoutSeconds": seconds})
        with self._client.stream("GET", path, headers=_AS_IT_IS, timeout=seconds + 10) as answer:
            if answer.status_code != HTTPStatus.OK:
                answer.read()
                _raise_refusal(answer)
            for line in answer.iter_lines():
                yield json.loads(line)

    def raw(self, path: str, encoding: str) -> bytes:
        """The body of an answer as it came, where this encoding is accepted."""
        with self._client.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
            return b"".join(answer.iter_raw())

    def ready(self) -> bool:
        """Whether the server says that it is."""
        try:
            return self._client.get("/readyz", timeout=5).status_code == HTTPStatus.OK
        except httpx.TransportError:
            return False


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """The path of an object, or of all of a kind: in a namespace, or everywhere."""
    api, plural = KINDS[kind]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{api}{within}/{plural}" + (f"/{name}" if name else "")


def _place_of(document: Object) -> str:
    return path_of(document["kind"], document["metadata"].get("namespace", ""))


def _asked(path: str, query: Mapping[str, str | int]) -> str:
    return f"{path}?{httpx.QueryParams(dict(query))}" if query else path


def _raise_refusal(answer: httpx.Response) -> None:
    if answer.is_error:
        try:
            said = answer.json()
        except ValueError:
            said = {"message": answer.text}
        raise Refused(answer.status_code, said.get("reason", ""), said.get("message", ""))
