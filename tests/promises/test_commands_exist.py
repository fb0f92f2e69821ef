"""A command that a page, a hint or a help text names is one that can be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest
from tests.promises.project import ROOT, blocks, page, pages, sources, texts
from tests.promises.surface import subcommand

from agent_swarm.cli.lazy import LazyGroup
from agent_swarm.cli.main import cli

NAMED = re.compile(r"(?<!/)\bagent-swarm((?: [a-z][a-z-]*)+)")  # not the name of a repository
OPERATORS = {"|", "||", "&&", ";", "&", ">", "2>&1", "<<", "<"}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", page("Makefile"), re.MULTILINE))
SHELL = {path: blocks(text, "sh") for path, text in pages().items() if blocks(text, "sh")}


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` lead to, and what is left of them; raises LookupError where there is none."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, LazyGroup) and rest and not rest[0].startswith("-"):
        found = subcommand(command, rest[0])
        if found is None:
            raise LookupError(f"there is no {rest[0]!r}")
        command = found
        rest.pop(0)
    return command, rest


def unknown_in(text: str) -> list[str]:
    """The commands that `text` names and that do not exist."""
    missing = []
    for match in NAMED.finditer(text):
        try:
            resolved(match[1].split())
        except LookupError:
            missing.append(match[0])
    return missing


def calls(block: str) -> list[list[str]]:
    """What a block of shell lines runs, word by word; comments, and texts of `<<`, left out."""
    found: list[list[str]] = []
    end = ""
    for line in block.replace("\\\n", " ").splitlines():
        if end:
            end = "" if line.strip() == end else end
            continue
        here = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", line)
        end = here[1] if here else ""
        plain = re.sub(r"<<-?\s*['\"]?\w+['\"]?", "", line)
        for part in (plain, *re.findall(r"\$\(([^()]*)\)", plain)):
            found.extend(_split(part))
    return found


def _split(line: str) -> list[list[str]]:
    """The commands of one line."""
    words: list[list[str]] = [[]]
    for word in shlex.split(re.sub(r"\$\([^()]*\)", "X", line), comments=True):
        if word in OPERATORS:
            words.append([])
        elif words[-1] or not re.fullmatch(r"\w+=\S*", word):  # variables before a command
            words[-1].append(word)
    return [command for command in words if command]


@pytest.mark.parametrize("path", SHELL, ids=lambda path: str(path.relative_to(ROOT)))
def test_given_the_shell_lines_of_a_page_then_every_command_and_flag_of_ours_exists(path: Path) -> None:
    for program, *arguments in (call for block in SHELL[path] for call in calls(block)):
        if program == "agent-swarm":
            command, rest = resolved(arguments)
            assert not isinstance(command, LazyGroup), arguments
            context = click.Context(command, info_name=command.name)
            command.make_parser(context).parse_args(args=list(rest))
        elif program == "make":
            assert arguments, "make without a target"
            assert set(arguments) <= TARGETS
        elif program.startswith("scripts/"):
            assert (ROOT / program).exists(), program


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_given_a_page_then_every_command_and_target_that_it_names_exists(path: Path) -> None:
    assert not unknown_in(pages()[path])
    targets = set(re.findall(r"`make ([a-z][a-z-]*)`", pages()[path]))
    assert targets <= TARGETS


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_given_a_hint_or_a_help_text_in_the_code_then_every_command_it_names_exists(path: Path) -> None:
    assert not unknown_in(texts()[path])


def test_given_the_readme_then_demo_and_test_are_its_first_commands() -> None:
    first = blocks(page("README.md"), "sh")[0]
    assert calls(first) == [["make", "demo"], ["make", "test"]]
    assert "make test" in page(".ci/run")
