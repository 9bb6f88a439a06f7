"""The command that prints a script for a shell's completion of commands, flags and their values.

The script is made from the commands themselves and contains everything. The shell does not start the program
when the user presses Tab.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, NamedTuple

import typer

from pilothouse.cli.output import answer


class Shell(Enum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class Flag(NamedTuple):
    """A flag with all its names. Its value is one of `values`, a file, the name of a context, or anything."""

    names: tuple[str, ...]
    help: str
    takes_value: bool = False
    values: tuple[str, ...] = ()
    takes_file: bool = False
    takes_context: bool = False


class Described(NamedTuple):
    """A command as its help describes it. Its arguments are `words` or files."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    words: tuple[str, ...] = ()
    takes_files: bool = False


WhichShell = Annotated[Shell, typer.Argument(metavar="SHELL", help="The shell that it is for.")]


def completion(context: typer.Context, shell: WhichShell) -> None:
    """Print a script that makes a shell complete this command.

    For bash or zsh: eval "$(pilothouse completion bash)"; for fish: pilothouse completion fish | source
    """
    commands = list(described(context.find_root().command))
    answer(_fish(commands) if shell is Shell.FISH else _bash(commands, zsh=shell is Shell.ZSH))


def described(program: Any) -> Iterator[Described]:
    """All commands. The first one is the program itself: it has no name, and a command follows it."""
    root = typer.Context(program, info_name="pilothouse")
    commands: Mapping[str, Any] = program.commands
    yield Described("", "", _flags(root), words=tuple(commands))
    for name, command in commands.items():
        context = typer.Context(command, info_name=name, parent=root)
        places = [text for kind, _, text, _ in _parameters(context) if kind == "argument"]
        words = tuple(word for place in places for word in _values(place))
        yield Described(name, _short(command.help), _flags(context), words, any(map(_is_file, places)))


def _flags(context: typer.Context) -> tuple[Flag, ...]:
    return tuple(
        Flag(
            names,
            _short(help),
            (last := text.split()[-1]) not in names,
            _values(text),
            _is_file(last),
            "--context" in names,
        )
        for kind, names, text, help in _parameters(context)
        if kind == "option"
    )


def _parameters(context: typer.Context) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """For each parameter: its type, its names, and both columns of its help."""
    for each in context.command.get_params(context):
        text, help = each.get_help_record(context) or ("", "")
        yield each.param_type_name, (*each.opts, *each.secondary_opts), text, help


def _values(text: str) -> tuple[str, ...]:
    """The choices in `--log-format auto|human|json` or `--output <text|json>`."""
    listed = re.search(r"[a-z0-9]+(\|[a-z0-9]+)+", text)
    return tuple(listed[0].split("|")) if listed else ()


def _is_file(metavar: str) -> bool:
    return metavar.startswith(("FILE", "DIR", "PATH"))


def _short(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].partition("  [")[0]


# The lines of the file of contexts that have a name, as `pilothouse.cli.contexts` writes them.
_NAMES = r"s/^  \([^ :][^ :]*\):$/\1/p"

_BASH = """\
_pilothouse_contexts() {
    sed -n '%s' "${XDG_CONFIG_HOME:-$HOME/.config}/pilothouse/contexts.yaml" 2>/dev/null
}
_pilothouse() {
    local current="${COMP_WORDS[COMP_CWORD]}" offered="" files=""
    local command="${COMP_WORDS[1]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    [ "$COMP_CWORD" -gt 1 ] || command="" previous=""
    case "$command $previous" in
%s
    esac
    COMPREPLY=($(compgen -W "$offered" -- "$current"))
    if [ -n "$files" ]; then
        local IFS=$'\\n'
        COMPREPLY+=($(compgen -f -- "$current"))
        compopt -o filenames 2>/dev/null
    fi
    return 0
}
complete -F _pilothouse pilothouse"""

_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def _bash(commands: list[Described], zsh: bool) -> str:
    cases = [case for command in commands for case in _cases(command)]
    return (_ZSH if zsh else "") + _BASH % (_NAMES, "\n".join(f"        {case} ;;" for case in cases))


def _cases(command: Described) -> Iterator[str]:
    """The cases that offer the values of each flag, and then those that offer all other words."""
    for flag in command.flags:
        if flag.takes_value:
            places = "|".join(shlex.quote(f"{command.name} {name}") for name in flag.names)
            known = 'offered="$(_pilothouse_contexts)"' if flag.takes_context else ""
            yield f"{places}) {known or _offered(flag.values, flag.takes_file)}"
    words = [*command.words, *(name for flag in command.flags for name in flag.names)]
    yield f"{shlex.quote(f'{command.name} ')}*) {_offered(words, command.takes_files)}"


def _offered(words: list[str] | tuple[str, ...], files: bool) -> str:
    return f"offered={shlex.quote(' '.join(words))}" + " files=yes" * files


_FISH_CONTEXTS = (
    f"(sed -n '{_NAMES}' (set -q XDG_CONFIG_HOME; and echo $XDG_CONFIG_HOME; or echo ~/.config)"
    "/pilothouse/contexts.yaml 2>/dev/null)"
)


def _fish(commands: list[Described]) -> str:
    return "\n".join(["complete -c pilothouse -f", *(line for each in commands for line in _fish_of(each))])


def _fish_of(command: Described) -> Iterator[str]:
    seen = f"__fish_seen_subcommand_from {command.name}" if command.name else "__fish_use_subcommand"
    begin = f"complete -c pilothouse -n {shlex.quote(seen)}"
    if command.name:
        first = "complete -c pilothouse -n __fish_use_subcommand"
        yield f"{first} -a {command.name} -d {_fish_text(command.help)}"
        if command.words:
            yield f"{begin} -a {_fish_text(' '.join(command.words))}"
        if command.takes_files:
            yield f"{begin} -F"
    for flag in command.flags:
        names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in flag.names)
        value = (" -r -F" if flag.takes_file else " -x") if flag.takes_value else ""
        value += f" -a {_fish_text(' '.join(flag.values))}" if flag.values else ""
        value += f" -a {_fish_text(_FISH_CONTEXTS)}" if flag.takes_context else ""
        yield f"{begin} {names}{value} -d {_fish_text(flag.help)}"


def _fish_text(text: str) -> str:
    """A quoted text. Fish, unlike other shells, takes a backslash before a quote."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
