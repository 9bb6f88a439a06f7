"""`--help` of each command, printed as every other answer: if it cannot be, that is one line."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pilothouse.cli.output import answer


class Command(TyperCommand):
    def get_help_option(self, ctx: Any) -> Any:
        return _printing(super().get_help_option(ctx))


class Group(TyperGroup):
    def get_help_option(self, ctx: Any) -> Any:
        return _printing(super().get_help_option(ctx))


def _printing(option: Any) -> Any:
    option.callback = _print
    return option


def _print(context: typer.Context, _: object, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        answer(context.get_help())
        context.exit()
