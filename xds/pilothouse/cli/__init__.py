"""The command `pilothouse`: a module for each group of commands. A user's mistake is one line and exit 2."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from pilothouse import __version__
from pilothouse.cli import (
    bug_report,
    capture,
    changes,
    completion,
    context,
    demo,
    diff,
    dns_agent,
    explain,
    health,
    inject,
    orders,
    proxies,
    resources,
    serve,
    services,
    sidecar,
    sources,
    status,
    top,
    validate,
    version,
    watch,
    webhook,
    what_if,
)
from pilothouse.cli.help import Command, Group
from pilothouse.cli.output import answer, complain
from pilothouse.config.settings import ConfigError

app = typer.Typer(
    cls=Group,
    add_completion=False,  # typer's own completion would write into the shell's files
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(health.health)
app.command()(status.status)
app.command()(proxies.proxies)
app.command()(resources.resources)
app.command()(diff.diff)
app.command()(services.services)
app.command()(services.endpoints)
app.command()(sources.sources)
app.command()(changes.changes)
app.command()(changes.nacks)
app.command()(changes.notes)
app.command()(changes.trace)
app.command()(watch.watch)
app.command()(top.top)
app.command("bug-report")(bug_report.bug_report)
app.command()(explain.explain)
app.command()(what_if.what_if)
app.command()(orders.drain)
app.command()(orders.undrain)
app.command()(orders.drains)
app.command()(orders.holds)
app.command()(orders.release)
app.command()(orders.reject)
app.command()(orders.disconnect)
app.command()(context.context)
app.command()(demo.demo)
app.command()(sidecar.bootstrap)
app.command()(capture.capture)
app.command()(inject.inject)
app.command()(dns_agent.dns_agent)
app.command()(webhook.webhook)
app.command()(validate.validate)
app.command()(version.version)
app.command()(completion.completion)
for each in app.registered_commands:
    each.cls = Command

Version = Annotated[bool, typer.Option("--version", help="Print the version of Pilothouse and exit.")]


@app.callback(invoke_without_command=True)
def start(context: typer.Context, *, version: Version = False) -> None:
    """Pilothouse, an xDS control plane for Envoy: Kubernetes objects in, load-balanced sidecars out."""
    if version:
        answer(f"pilothouse {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        answer(context.get_help())


def main() -> NoReturn:
    """The entry point. Exits 0; 1 if a command found faults; 2 if the user made a mistake."""
    try:
        # typer's standalone mode prints usage errors in several lines.
        status = app(prog_name="pilothouse", standalone_mode=False)
    except ConfigError as error:
        complain(str(error))
        sys.exit(2)
    except typer.TyperException as error:
        complain(error.format_message())
        sys.exit(error.exit_code)
    sys.exit(status)
