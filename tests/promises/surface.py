"""What people and programs can touch: settings, commands, routes, codes; found in the code, not in its reference."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import click

import agent_swarm
from agent_swarm.cli.lazy import LazyGroup
from agent_swarm.cli.main import cli
from agent_swarm.config import settings_of
from agent_swarm.domain.errors import SwarmError

_NOT_IMPORTED = ("agent_swarm.store.sql.migrations", "agent_swarm.testing")


@dataclass(frozen=True, slots=True)
class Command:
    """One command, by the words that lead to it."""

    path: tuple[str, ...]
    command: click.Command
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`agent-swarm task add`."""
        return " ".join(self.path)


@cache
def modules() -> tuple[ModuleType, ...]:
    """Every module of the program; fakes for tests and migrations left out."""
    found = [
        module.name
        for module in pkgutil.walk_packages(agent_swarm.__path__, "agent_swarm.")
        if not module.name.startswith(_NOT_IMPORTED) and not module.name.endswith("__main__")
    ]
    return tuple(importlib.import_module(name) for name in found)


def classes() -> Iterator[type[Any]]:
    """Every class that a module of ours defines."""
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


def settings_classes() -> list[type[Any]]:
    """The dataclasses with settings."""
    found = [cls for cls in classes() if dataclasses.is_dataclass(cls) and settings_of(cls)]
    joined = {base for cls in found for base in cls.__mro__[1:]}
    return [cls for cls in found if cls not in joined]


def error_classes() -> list[type[SwarmError]]:
    """The errors with a code of their own."""
    return [cls for cls in classes() if issubclass(cls, SwarmError) and "code" in vars(cls)]


@cache
def commands() -> dict[str, Command]:
    """Every command by its words, groups included, aliases not."""
    return {found.name: found for found in _walk(cli, ("agent-swarm",))}


def _walk(command: click.Command, path: tuple[str, ...], aliases: tuple[str, ...] = ()) -> Iterator[Command]:
    yield Command(path, command, aliases)
    if isinstance(command, LazyGroup):
        for name in command.lazy:
            below = command.get_command(click.Context(command), name)
            assert below is not None, name
            also = tuple(alias for alias, target in command.aliases.items() if target == name)
            yield from _walk(below, (*path, name), also)


def subcommand(group: LazyGroup, word: str) -> click.Command | None:
    """The command of a group that `word` names, aliases included."""
    return group.get_command(click.Context(group), word)
