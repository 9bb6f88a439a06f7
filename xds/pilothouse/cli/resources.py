"""The command that shows the resources of a proxy, or of one that does not exist yet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pilothouse.admin.api.views import ResourceRow
from pilothouse.cli.asking import Admin, Unanswered, every, path, place, read
from pilothouse.cli.output import As, Format, answer, given, written
from pilothouse.cli.tables import table
from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort

Proxy = Annotated[str | None, typer.Argument(metavar="[PROXY]", help="The node id of a proxy.")]
Type = Annotated[str | None, typer.Argument(metavar="[TYPE]", help="One type, such as CDS.")]
Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Show the content of the resource with this name.")
]
Node = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Instead of PROXY: Envoy's bootstrap, or only its node, of a proxy to be. - is stdin.",
    ),
]


def resources(  # noqa: PLR0913  (typer makes a flag of each)
    proxy: Proxy = None,
    type: Type = None,
    name: Name = None,
    *,
    node: Node = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Show the resources that a proxy holds; with a NAME, -o json or -o yaml, what is in them.

    With --node, those that such a proxy would get. Private keys and passwords are not shown.
    """
    if node is not None:
        if name is not None:
            raise typer.BadParameter("is another node than --node", param_hint="'PROXY'")
        type, name, whose, page, sent = proxy, type, "such a node", path("resources"), _node(node)
    elif proxy is None:
        raise typer.BadParameter("is required, or --node FILE", param_hint="'PROXY'")
    else:
        whose, page, sent = proxy, path("proxies", proxy, "resources"), None
    asked, type = place(admin), type.upper() if type else None
    inside = name is not None or not output.is_text
    query = {"type": type, "resource": name, "content": "yes" if inside else None}
    found = every(asked, page, query, sent)
    if name is not None and not found["items"]:
        raise Unanswered(str(asked), f"{whose} has no {type} {name}")
    if given(found, output):
        return
    if name is not None:
        for each in found["items"]:
            answer(written(_content(read(each, ResourceRow), whose, asked), Format.JSON))
        return
    answer(_listed([read(each, ResourceRow) for each in found["items"]], output.is_wide))


def _content(of: ResourceRow, whose: str, asked: HostPort) -> dict[str, Any]:
    if of.content is None:
        what = f"{of.type} {of.name} in version {of.version}, from an earlier stream"
        raise Unanswered(str(asked), f"{whose} has {what}: what is in it is not known here")
    return of.content


def _node(file: str) -> dict[str, Any]:
    """The node in a file, which may be that of a bootstrap. JSON is YAML, too."""
    import yaml

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        found = yaml.load(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError("--node", f"{file}: {(error.strerror or str(error)).lower()}") from None
    except (yaml.YAMLError, UnicodeError):
        raise ConfigError("--node", f"{file}: is not one document of JSON or YAML") from None
    node = found.get("node", found) if isinstance(found, dict) else None
    if not isinstance(node, dict):
        raise ConfigError("--node", f"{file}: has no node in it")
    return node


def _listed(items: list[ResourceRow], wide: bool) -> str:
    rows = [
        (
            each.type,
            each.name,
            each.version or "-",
            "-" if each.change is None else str(each.change),
            ", ".join(each.services) or "-",
        )
        for each in items
    ]
    return table(("TYPE", "NAME", "VERSION", "CHANGE", "SERVICE"), rows, wide=wide, more=1)
