"""A real control plane of Kubernetes on this machine: etcd, kube-apiserver and kube-controller-manager.

There is no kubelet and no scheduler. Who needs pods writes their status (`namespace`), or starts `kwok`.
Everything listens on 127.0.0.1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..authority import Authority
from ..ports import free_port
from .api import Api, Object
from .process import Process, wait_until

ADMIN, NOBODY = "admin-token", "nobody-token"
"""Tokens of a user who may do everything, and of one who may do nothing."""

SERVICE_NETWORK = "10.96.0.0/16"
_IPV6_SERVICE_NETWORK = "fd00:10:96::/112"

#: What decides about endpoints, and what deletes what was owned by something that is gone.
CONTROLLERS = (
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "serviceaccount-controller",
)
#: What makes pods of Deployments and StatefulSets, in addition.
WORKLOADS = ("deployment-controller", "replicaset-controller", "statefulset-controller")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a cluster is to be like. A node is silent `node_grace_s` seconds after its last sign of life."""

    node_grace_s: int = 30
    controllers: tuple[str, ...] = CONTROLLERS
    api_server_flags: tuple[str, ...] = ()


USUAL = Wanted()


class Cluster:
    """Three processes; each can be killed, frozen and started again. `api` is the administrator's."""

    def __init__(self, program: Path, folder: Path, wanted: Wanted = USUAL) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.authority = Authority()
        self.url = f"https://127.0.0.1:{(port := free_port())}"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self.etcd = self._process("etcd", program, self._etcd_flags())
        flags = (*self._api_server_flags(port), *wanted.api_server_flags)
        self.api_server = self._process("kube-apiserver", program, flags)
        self.controllers = self._process("kube-controller-manager", program, self._controller_flags(wanted))
        self._write_credentials()
        self.kubeconfig = self.write_kubeconfig("kubeconfig", {"token": ADMIN})
        self._apis: list[Api] = []
        self.api = self.api_as(ADMIN)

    @property
    def processes(self) -> tuple[Process, ...]:
        return self.etcd, self.api_server, self.controllers

    def start(self) -> None:
        """Start all of it; returns when the API server is ready, which takes 3 to 6 s."""
        self.etcd.start()
        self.start_api_server()
        self.controllers.start()

    def start_api_server(self) -> None:
        """Start it, and wait until it is ready."""
        self.api_server.start()

        def ready() -> bool:
            self.api_server.require()
            self.etcd.require()
            return self.api.ready()

        wait_until(ready, "kube-apiserver is ready")

    def stop(self) -> None:
        """End it at once: nothing of it is needed any more."""
        for api in self._apis:
            api.close()
        for process in reversed(self.processes):
            process.stop()

    def forget_history(self) -> None:
        """Compact etcd and restart the API server: a watch from an earlier version is answered by 410.

        Without the restart its cache would still know earlier versions.
        """
        self.api_server.kill()
        revision = self._etcd_call("kv/range", {"key": "AA=="})["header"]["revision"]
        self._etcd_call("kv/compaction", {"revision": revision})
        self.start_api_server()

    def api_as(self, token: str) -> Api:
        """The API as the owner of a token has it."""
        self._apis.append(api := Api(self.url, self.ca, token))
        return api

    @property
    def ca(self) -> Path:
        """The file with the CA of the API server."""
        return self.folder / "ca.crt"

    def write_kubeconfig(self, name: str, user: Mapping[str, Any], **cluster: Any) -> Path:
        """A kubeconfig with one context, `test`. `user` and `cluster` are fields as kubectl has them."""
        server = {"server": self.url, "certificate-authority": str(self.ca)} | cluster
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": dict(user)}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path = self.folder / name
        # JSON is YAML as well.
        path.write_text(json.dumps(content))
        return path

    def client_certificate(self, user: str, *groups: str) -> dict[str, str]:
        """The user of a kubeconfig who is known by a certificate."""
        cert, key = self.authority.issue(user=user, groups=groups).write(self.folder, f"client-{user}")
        return {"client-certificate": cert, "client-key": key}

    def account(self, namespace: str, name: str, rules: Iterable[Object] = ()) -> str:
        """A token of a new ServiceAccount that may do what the rules say, in all namespaces."""
        self.api.create(_object("ServiceAccount", name, namespace))
        role = f"{namespace}-{name}"
        self.api.create(_object("ClusterRole", role) | {"rules": list(rules)})
        self.grant(role, namespace, name)
        return self.token(namespace, name)

    def grant(self, role: str, namespace: str, account: str) -> None:
        """Bind a ClusterRole to a ServiceAccount, by a binding of the role's name."""
        api, kind = "rbac.authorization.k8s.io", "ClusterRole"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        binding = {"roleRef": {"apiGroup": api, "kind": kind, "name": role}, "subjects": [subject]}
        self.api.create(_object("ClusterRoleBinding", role) | binding)

    def revoke(self, role: str) -> None:
        """Take back what `grant` gave."""
        self.api.delete("ClusterRoleBinding", role)

    def token(self, namespace: str, account: str, seconds: int = 3600) -> str:
        """A token of a ServiceAccount. The server gives none of less than 600 s."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        made = self.api.call("POST", path, {"spec": {"expirationSeconds": seconds}})
        return str(made["status"]["token"])

    def _process(self, name: str, program: Path, flags: Iterable[str]) -> Process:
        return Process(name, [program, name, *flags], self.folder)

    def _etcd_flags(self) -> tuple[str, ...]:
        client, peer = self._etcd_url, f"http://127.0.0.1:{free_port()}"
        return (
            "--data-dir=etcd.data",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    def _api_server_flags(self, port: int) -> tuple[str, ...]:
        return (
            f"--etcd-servers={self._etcd_url}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            # Else it looks for a default route, which a network namespace may not have.
            "--advertise-address=127.0.0.1",
            # Loopback addresses are refused as endpoints, those of the Service `kubernetes` as well.
            "--endpoint-reconciler-type=none",
            "--cert-dir=certs",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={SERVICE_NETWORK},{_IPV6_SERVICE_NETWORK}",
            # Pods need no account `default`, and mount no token.
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=accounts.key",
            "--service-account-signing-key-file=accounts.key",
            # kwok stands in for kubelets, and is known by address only.
            "--kubelet-preferred-address-types=InternalIP",
        )

    def _controller_flags(self, wanted: Wanted) -> tuple[str, ...]:
        return (
            "--kubeconfig=kubeconfig",
            f"--controllers={','.join(wanted.controllers)}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            "--leader-elect=false",
            "--service-account-private-key-file=accounts.key",
            "--node-monitor-period=1s",
            f"--node-monitor-grace-period={wanted.node_grace_s}s",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )

    def _write_credentials(self) -> None:
        self.ca.write_bytes(self.authority.pem)
        issued = self.authority.issue("127.0.0.1", "localhost", "kubernetes.default.svc")
        issued.write(self.folder, "server")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "accounts.key").write_bytes(pem)
        users = f'{ADMIN},admin,admin,"system:masters"\n{NOBODY},nobody,nobody\n'
        (self.folder / "tokens.csv").write_text(users)

    def _etcd_call(self, path: str, body: Object) -> Object:
        """etcd's own API in JSON, whose keys and values are in base64."""
        answer = httpx.post(f"{self._etcd_url}/v3/{path}", json=body, trust_env=False, timeout=10)
        answer.raise_for_status()
        return dict(answer.json())


def _object(kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    group = "rbac.authorization.k8s.io/v1" if kind.startswith("ClusterRole") else "v1"
    return {"apiVersion": group, "kind": kind, "metadata": metadata}
