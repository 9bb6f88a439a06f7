"""How an API server is reached and who asks it: out of a kubeconfig, or of the files that every pod has.

Only that one file is read here. What is in others is read when it is needed, since it may change.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import yaml

from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.structures.paths import content

_LARGEST = 4 << 20
_NAMESPACE = "default"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

#: PEM as it stands in the kubeconfig, or the file that holds it.
Pem: TypeAlias = bytes | Path

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class Malformed(ValueError):
    """What is wrong with a kubeconfig, or with the environment of a pod: one line that names the place."""


class Plugin(NamedTuple):
    """A program that says who we are. It runs without a shell, with our environment and `env`.

    `cluster` is what it is told of the cluster, if it asks for that.
    """

    command: str
    arguments: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    version: str = _EXEC_VERSIONS[0]
    hint: str = ""
    cluster: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """An API server, how its certificate is checked, and all that says who asks.

    `server` is a URL without a slash at its end. `authority` are the certificates to trust, if not those that
    the system trusts; `server_name` is the name in its certificate, if not that of the URL.
    `token_file` is read again and again, as is `plugin` asked. `headers` say on whose behalf we ask.
    `namespace` is where what belongs to this program is: that of its pod, or of the context.
    """

    server: str
    authority: Pem | None = None
    server_name: str = ""
    insecure: bool = False
    proxy: str = ""
    certificate: Pem | None = None
    key: Pem | None = None
    token: str = ""
    token_file: Path | None = None
    basic: tuple[str, str] | None = None
    plugin: Plugin | None = None
    headers: tuple[tuple[str, str], ...] = ()
    namespace: str = _NAMESPACE


def in_cluster(environment: Mapping[str, str], account: Path = _ACCOUNT) -> Access:
    """Of a pod, by its service account. Raises Malformed."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    if not host or not port:
        raise Malformed(
            "this is no pod: KUBERNETES_SERVICE_HOST and _PORT are not set; say --kubeconfig FILE"
        )
    token, authority = account / "token", account / "ca.crt"
    for file in (token, authority):
        if not file.exists():
            raise Malformed(f"{file} is not there: the pod needs a service account whose token is mounted")
    bracketed = f"[{host}]" if ":" in host else host
    namespace = environment.get("POD_NAMESPACE") or _namespace(account / "namespace")
    return Access(f"https://{bracketed}:{port}", authority, token_file=token, namespace=namespace)


def _namespace(file: Path) -> str:
    try:
        return content(file, _LARGEST).decode().strip() or _NAMESPACE
    except (OSError, UnicodeError):
        return _NAMESPACE


def kubeconfig(file: Path, context: str | None = None) -> Access:
    """By a context of a kubeconfig, else its current one. Raises Malformed, which names file and field."""
    try:
        document = yaml.safe_load(content(file, _LARGEST))
    except OSError as error:
        raise Malformed(f"{file}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Malformed(f"{file}{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return _Reading(Fields(document), file.absolute().parent).access(context)
    except FieldError as error:
        raise Malformed(f"{file}: {error}") from None


class _Reading:
    def __init__(self, document: Fields, folder: Path) -> None:
        self._document, self._folder = document, folder

    def access(self, context: str | None) -> Access:
        if context is None:
            context = self._document.text("current-context")
            if not context:
                known = self._names("contexts")
                raise self._document.error("current-context", f"is not set; say --context, one of {known}")
        chosen = self._named("contexts", context, None).at("context")
        cluster = self._named("clusters", chosen.required("cluster"), chosen).at("cluster")
        user = (
            self._named("users", chosen.text("user"), chosen).at("user") if "user" in chosen else Fields({})
        )
        if "auth-provider" in user:
            raise user.error("auth-provider", "is not supported any more; use exec")
        server = _server(cluster)
        return Access(
            server,
            self._pem(cluster, "certificate-authority"),
            cluster.text("tls-server-name"),
            cluster.flag("insecure-skip-tls-verify") or False,
            _proxy(cluster),
            self._pem(user, "client-certificate"),
            self._pem(user, "client-key"),
            "" if user.text("tokenFile") else _token(user),
            self._path(user, "tokenFile"),
            (user.text("username"), user.text("password")) if user.text("username") else None,
            self._plugin(user.at("exec"), cluster, server) if "exec" in user else None,
            tuple(_on_behalf(user)),
            chosen.text("namespace") or _NAMESPACE,
        )

    def _named(self, list_: str, name: str, where: Fields | None) -> Fields:
        """The item of that name. Raises FieldError for the place that names it."""
        for item in self._document.each(list_):
            if item.text("name") == name:
                return item
        what = list_.removesuffix("s")
        known = self._names(list_) or "none"
        message = f'"{name}" is no {what} of this file, which has {known}'
        raise FieldError((), message) if where is None else where.error(what, message)

    def _names(self, list_: str) -> str:
        return ", ".join(item.text("name") for item in self._document.each(list_))

    def _path(self, item: Fields, field: str) -> Path | None:
        """Relative to the folder of the kubeconfig."""
        text = item.text(field)
        return self._folder / text if text else None

    def _pem(self, item: Fields, field: str) -> Pem | None:
        """What is inline counts, if both are there."""
        data = f"{field}-data"
        text = item.text(data)
        if not text:
            return self._path(item, field)
        try:
            return b64decode("".join(text.split()), validate=True)
        except ValueError:
            raise item.error(data, "is not base64") from None

    def _plugin(self, item: Fields, cluster: Fields, server: str) -> Plugin:
        command, version = item.required("command"), item.required("apiVersion")
        if version not in _EXEC_VERSIONS:
            raise item.error("apiVersion", f'"{version}" is none of {", ".join(_EXEC_VERSIONS)}')
        if item.text("interactiveMode") == "Always":
            raise item.error("interactiveMode", "is Always, and nobody is here to answer")
        if "/" in command:
            command = str(self._folder / command)
        env = tuple((each.required("name"), each.text("value")) for each in item.each("env"))
        told = self._told(cluster, server) if item.flag("provideClusterInfo") else None
        return Plugin(command, item.texts("args"), env, version, item.text("installHint"), told)

    def _told(self, cluster: Fields, server: str) -> Mapping[str, object]:
        """What a plugin is told that asks for the cluster, in the words of `ExecCredential.spec.cluster`."""
        said: dict[str, object] = {"server": server}
        for field in (
            "tls-server-name",
            "insecure-skip-tls-verify",
            "certificate-authority-data",
            "proxy-url",
        ):
            if field in cluster:
                said[field] = cluster.anything(field)
        for extension in cluster.each("extensions"):
            if extension.text("name") == "client.authentication.k8s.io/exec":
                said["config"] = extension.anything("extension")
        return said


def _server(cluster: Fields) -> str:
    server = cluster.required("server").rstrip("/")
    return _url(cluster, "server", server, ("https", "http"))


def _proxy(cluster: Fields) -> str:
    proxy = cluster.text("proxy-url")
    return _url(cluster, "proxy-url", proxy, ("http", "https")) if proxy else ""


def _url(item: Fields, field: str, url: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        fits = False
    if not fits:
        # The password of a proxy is in it, so it is not repeated.
        raise item.error(field, f"is no URL such as {schemes[0]}://HOST:PORT")
    return url


def _token(user: Fields) -> str:
    token = user.text("token")
    if not token.isprintable():
        raise user.error("token", "has characters that cannot be in a header")
    return token


def _on_behalf(user: Fields) -> Iterator[tuple[str, str]]:
    """The headers of impersonation."""
    one: Literal["as", "as-uid"]
    for one, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.text(one):
            yield header, user.text(one)
    for group in user.texts("as-groups"):
        yield "Impersonate-Group", group
    extra = user.at("as-user-extra")
    for name in extra.values:
        for value in extra.texts(str(name)):
            yield f"Impersonate-Extra-{name}", value
