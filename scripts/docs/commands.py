"""`docs/reference/commands.md`: the help of every command, as it is printed."""

import copy
from collections.abc import Iterator

import click
from scripts.docs.markdown import anchor, block, codes, page

from agent_swarm.cli.lazy import LazyGroup
from agent_swarm.cli.main import cli

WIDTH = 100
PROGRAM = "agent-swarm"

INTRODUCTION = """
What `--help` prints, for every command. Where a command takes an ID, its beginning or its last characters will do.
"""


def render() -> str:
    """The page."""
    found = list(commands())
    contents = "\n".join(
        f"{'  ' * (len(path) - 1)}- [{' '.join(path)}](#{anchor(' '.join(path))})" for path, _, _ in found
    )
    return page(
        "Commands", INTRODUCTION, contents, *(_section(*one) for one in found), source="the commands' own `--help`"
    )


def commands() -> Iterator[tuple[tuple[str, ...], click.Command, tuple[str, ...]]]:
    """Path, command and aliases of each, groups before what is in them."""
    yield (PROGRAM,), cli, ()
    yield from _below(cli, (PROGRAM,))


def _below(group: LazyGroup, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command, tuple[str, ...]]]:
    for name in group.lazy:
        command = group.get_command(click.Context(group), name)
        assert command is not None, name
        aliases = tuple(alias for alias, target in group.aliases.items() if target == name)
        yield (*path, name), command, aliases
        if isinstance(command, LazyGroup):
            yield from _below(command, (*path, name))


def _section(path: tuple[str, ...], command: click.Command, aliases: tuple[str, ...]) -> str:
    also = f"\n\nAlso: {codes(' '.join((*path[:-1], alias)) for alias in aliases)}." if aliases else ""
    return f"## {' '.join(path)}{also}\n\n{block(help_of(path, command))}"


def help_of(path: tuple[str, ...], command: click.Command) -> str:
    """The help of a command, at a width that does not depend on the terminal."""
    parent: click.Context | None = None
    for name in path[:-1]:
        parent = click.Context(click.Group(name), info_name=name, parent=parent)
    fresh = copy.copy(command)
    fresh._help_option = None  # click keeps the first one it makes, with the names of the context of that moment
    context = click.Context(
        fresh,
        info_name=path[-1],
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=cli.context_settings["help_option_names"],
    )
    lines = fresh.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines)
