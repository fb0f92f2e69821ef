"""What people see first."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from agent_swarm import __version__
from agent_swarm.cli.lazy import LazyGroup
from agent_swarm.cli.main import cli

# Each of these is kept for a VM command to come.
VM_COMMANDS = (
    *("init-base", "create", "list", "ssh", "run", "code", "start", "stop", "delete", "cp", "checkpoint", "restore"),
    *("status", "providers", "project create", "project list", "project ssh", "project stop", "project run"),
    *("project code", "project delete", "bulk create", "bulk delete", "env set", "env list", "env rm"),
)


def commands_of(group: LazyGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command, str]]:
    for name, lazy in group.lazy.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None, name
        yield (*path, name), command, lazy.help
        if isinstance(command, LazyGroup):
            yield from commands_of(command, (*path, name))


COMMANDS = list(commands_of(cli))


@pytest.mark.parametrize(("path", "command", "line"), COMMANDS, ids=[" ".join(path) for path, _, _ in COMMANDS])
def test_given_a_command_then_its_line_in_the_group_is_the_first_of_its_own_help(
    path: tuple[str, ...], command: click.Command, line: str
) -> None:
    assert (command.help or "").split("\n\n", maxsplit=1)[0] == line


@pytest.mark.parametrize(
    ("path", "command"),
    [(path, command) for path, command, _ in COMMANDS if not isinstance(command, LazyGroup)],
    ids=[" ".join(path) for path, command, _ in COMMANDS if not isinstance(command, LazyGroup)],
)
def test_given_a_command_then_its_help_shows_an_example_that_parses(
    path: tuple[str, ...], command: click.Command
) -> None:
    shown = CliRunner().invoke(cli, [*path, "--help"])
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"agent-swarm {' '.join(path)}" in shown.output


@pytest.mark.parametrize("words", VM_COMMANDS)
def test_given_a_verb_of_the_vm_commands_then_it_is_there(words: str) -> None:
    assert tuple(words.split()) in {tuple(path) for path, _, _ in COMMANDS}


def test_given_version_then_it_is_printed() -> None:
    shown = CliRunner().invoke(cli, ["--version"])
    assert shown.output == f"agent-swarm {__version__}\n"


def test_given_an_alias_then_it_is_the_same_command() -> None:
    task = cli.get_command(click.Context(cli), "task")
    assert isinstance(task, LazyGroup)
    context = click.Context(task)
    assert task.get_command(context, "ls") is task.get_command(context, "list")
    assert "ls" not in task.list_commands(context)
