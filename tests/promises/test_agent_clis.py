"""The page that compares the agent CLIs says what their tests say, and each of them is tried in every case."""

import inspect
from collections.abc import Callable

import pytest
from scripts.docs.markdown import code, table
from tests.harness import (
    test_claude_harness,
    test_codex_harness,
    test_copilot_harness,
    test_gemini_harness,
    test_opencode_harness,
    test_pi_harness,
)
from tests.harness.kept_contract import KeptContract
from tests.promises.project import page

from agent_swarm.harness import registry

PAGE = "docs/agent-clis.md"
TRIED: dict[str, type[KeptContract]] = {
    "claude": test_claude_harness.TestKept,
    "codex": test_codex_harness.TestKept,
    "pi": test_pi_harness.TestKept,
    "opencode": test_opencode_harness.TestKept,
    "gemini": test_gemini_harness.TestKept,
    "copilot": test_copilot_harness.TestKept,
}
Says = Callable[[type[KeptContract]], str]


def yes(cli: type[KeptContract]) -> str:
    return "yes"


def keys(cli: type[KeptContract]) -> str:
    seen = "not seen by its commands" if cli.hides_keys else "seen by its commands"
    return f"{seen}; in a file of the run" if cli.keeps_keys else seen


def usage(cli: type[KeptContract]) -> str:
    if not cli.counts_each_answer:
        return "of a turn's last answer"
    return "of each answer" if cli.counts_interrupted else "of turns that were not interrupted"


def failing(status: int) -> Says:
    return lambda cli: code(cli.failures[status][1])


# What is tried, the test of `KeptContract` that tries it, and what it says of a CLI.
CASES: list[tuple[str, str, Says]] = [
    ("A plain reply, a command that writes a file, an MCP call", "given_a_task_when_the_agent_works", yes),
    ("Tokens are told", "given_an_agent_that_was_interrupted_when_it_is_resumed", usage),
    ("Prompts and keys stay out of argument lists", "given_a_running_agent_when_arguments_files_and_shell", yes),
    ("Its key is", "given_a_running_agent_when_arguments_files_and_shell", keys),
    (
        "An MCP server refuses its token",
        "given_an_mcp_server_that_refuses_the_token",
        lambda cli: f"`mcpUnavailable`{', the model was asked once' if cli.asked_meanwhile else ''}",
    ),
    ("Follow-ups, eviction, resume", "given_a_kept_agent_when_it_is_told_more_and_evicted", yes),
    (
        "Messages to a running agent are read",
        "given_messages_at_once_one_of_them_twice",
        lambda cli: "in the turn that goes on" if cli.is_steered else "in the next turn",
    ),
    ("A message that interrupts", "given_an_agent_in_a_tool_when_messages_interrupt_it", yes),
    ("Interrupt, and resume after it", "given_an_agent_that_was_interrupted_when_it_is_resumed", yes),
    ("Killed: nothing is left, and resume after it", "given_a_killed_agent_when_it_is_resumed", yes),
    ("Resume of a lost conversation begins a new one", "given_a_conversation_that_nobody_knows", yes),
    *((f"The model answers {status}", "given_a_model_that_fails", failing(status)) for status in KeptContract.failures),
    ("Silence of the model, or of retries", "given_a_model_that_never_answers", lambda cli: "`stalled`"),
    ("Too many model calls", "given_a_bound_of_model_calls", lambda cli: "`maxTurns`"),
    ("A child that left is ended with the run", "given_a_child_that_left_the_agents_session", yes),
]
TESTS = [name for name, _ in inspect.getmembers(KeptContract, inspect.isfunction) if name.startswith("test_")]


def test_given_the_agent_clis_when_they_are_counted_then_each_is_tried() -> None:
    assert set(TRIED) == set(registry.AGENT_CLIS)


@pytest.mark.parametrize("cli", TRIED.values(), ids=TRIED)
def test_given_a_cli_when_its_tests_are_looked_at_then_they_are_those_of_all_and_none_is_skipped(
    cli: type[KeptContract],
) -> None:
    assert all(getattr(cli, name) is getattr(KeptContract, name) for name in TESTS)
    marks = [*getattr(cli, "pytestmark", ()), *inspect.getmodule(cli).pytestmark]  # type: ignore[union-attr]
    assert not {mark.name for mark in marks} & {"skip", "skipif", "xfail"}


def test_given_the_cases_when_they_are_compared_with_the_tests_then_no_test_is_left_out() -> None:
    tried = {f"test_{begins}" for _, begins, _ in CASES}
    assert not [begins for begins in tried if sum(name.startswith(begins) for name in TESTS) != 1]
    assert not [name for name in TESTS if not any(name.startswith(begins) for begins in tried)]


def test_given_the_page_when_its_table_is_read_then_it_says_what_the_tests_say() -> None:
    rows = [(case, *(says(cli) for cli in TRIED.values())) for case, _, says in CASES]
    assert table(("Case", *map(code, TRIED)), rows) in page(PAGE)
