"""The command `pilothouse`, one module a group of commands. A mistake of its user is one line and exit 2."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from pilothouse.cli import demo, health, serve, sidecar, validate, version
from pilothouse.config.settings import ConfigError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(serve.serve)
app.command()(health.health)
app.command()(demo.demo)
app.command()(sidecar.bootstrap)
app.command()(validate.validate)
app.command()(version.version)


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Pilothouse, an xDS control plane for Envoy: Kubernetes manifests in, load-balanced sidecars out."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> NoReturn:
    """The entry point. Exits 0, or 1 where a command found faults, or 2 where it was asked wrongly."""
    try:
        # Not standalone, where usage errors would be printed as several lines.
        status = app(prog_name="pilothouse", standalone_mode=False)
    except ConfigError as error:
        _complain(str(error), 2)
    except typer.TyperException as error:
        _complain(error.format_message(), error.exit_code)
    sys.exit(status)


def _complain(mistake: str, status: int) -> NoReturn:
    print("pilothouse:", *mistake.split(), file=sys.stderr)
    sys.exit(status)
