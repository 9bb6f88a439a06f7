"""The command that runs the control plane."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated

import typer

from pilothouse.cli.loop import to_its_end
from pilothouse.cli.output import complain
from pilothouse.cli.signals import until_the_loop_heeds_them
from pilothouse.cli.workers import MISCONFIGURED, Heart, reserved, run
from pilothouse.config.settings import ConfigError, Offered, Settings, flag_of, load, offered
from pilothouse.structures.hostport import HostPort, here


def serve(**said: object) -> None:
    """Run the control plane until SIGTERM or SIGINT.

    Every flag is also a key of the --config file and a PILOTHOUSE_* variable; flags win, then variables.
    """
    settings = load(said, os.environ)
    if settings.workers == 1:
        _serve(settings)
        return
    with reserved(settings.xds) as port:
        replicas = [
            settings.model_copy(update={"xds": port, "admin": settings.admin.plus(index)})
            for index in range(settings.workers)
        ]
        _log(settings)
        first = replicas[0]
        raise typer.Exit(
            run(
                settings.workers,
                lambda index, heart: _replica(replicas[index], index, heart),
                lambda: _tell_how_to_reach(first, first.xds.port, first.admin.port),
            )
        )


def options(settings: Mapping[str, Offered]) -> Iterator[inspect.Parameter]:
    """A flag for each setting, as typer reads it from a parameter; what it holds, the settings check."""
    for name, setting in settings.items():
        kind = list[str] if setting.flag.repeatable else str if setting.flag.metavar else bool
        written = flag_of(name)
        if setting.default is True:
            written += f"/--no-{written.removeprefix('--')}"
        yield _option(name, kind, written, setting.flag.metavar, setting.flag.help + _by_default(setting))
    yield _option("config", str, "--config", "FILE", "YAML file with these settings.")


def _option(name: str, kind: type, written: str, metavar: str, help: str) -> inspect.Parameter:
    option = typer.Option(written, metavar=metavar or None, help=help)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _by_default(setting: Offered) -> str:
    value = setting.default
    if value is None or value is False or value == ():
        text = setting.flag.default
    elif value is True:
        text = "yes"
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"  [default: {text}]" if text else ""


# typer makes a flag of each parameter.
serve.__signature__ = inspect.Signature([*options(offered())])  # type: ignore[attr-defined]


def _replica(settings: Settings, index: int, heart: Heart) -> int:
    try:
        _serve(settings, index, heart)
    except ConfigError as error:
        complain(str(error))
        return MISCONFIGURED
    return 0


def _serve(settings: Settings, worker: int | None = None, heart: Heart | None = None) -> None:
    until_the_loop_heeds_them()
    # Not at the top: gRPC and Envoy's messages take a second to import, which a wrong flag need not wait for,
    # and gRPC survives no fork.
    # It also reads its settings then. What it says past our log is errors only: of each failed handshake it
    # would say something as often as clients like (decision 0026).
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from pilothouse import app

    _log(settings, worker)
    if heart:
        to_its_end(heart.beating(app.run(settings, opened=heart.serves)), "serve")
    else:
        to_its_end(app.run(settings, opened=partial(_tell_how_to_reach, settings)), "serve")


def _log(settings: Settings, worker: int | None = None) -> None:
    # Not at the top, as it is only needed here and takes its time.
    from pilothouse.cli import logs

    logs.configure(settings.log_format, level=settings.log_level, worker=worker)


def _tell_how_to_reach(settings: Settings, xds: int, admin: int) -> None:
    """Say to people what to do next: where to look, and with which command a sidecar finds this."""
    # As above.
    import structlog

    sidecars = HostPort(here(settings.xds.host), xds)
    tls = " --tls-ca FILE" * (settings.tls_cert is not None)
    command = f"pilothouse bootstrap --control-plane {sidecars}{tls} --node ID --namespace NAMESPACE"
    # With 0 each of several workers has found a port of its own, and says which.
    asked = {"status": f"http://{HostPort(here(settings.admin.host), admin)}/readyz"} if admin else {}
    structlog.get_logger(__name__).info("ready for sidecars", **asked, bootstrap=command)
