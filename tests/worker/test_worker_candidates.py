"""Which agent CLIs may do a task here, in which order, and with which model."""

import pytest

from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness.base import Harness
from agent_swarm.harness.noop import NoopHarness
from agent_swarm.protocol.pool import Claimed
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.worker.candidates import HarnessUnavailable, candidates
from agent_swarm.worker.settings import WorkerSettings


class Here(NoopHarness):
    """A harness that this host has, under a name of a real one."""

    def __init__(self, name: str) -> None:
        self.name = name


def find(name: str) -> Harness:
    if name == "gone":
        raise SwarmError("no such harness")
    return Here(name)


def chosen(
    *, harness: str | None, fallback: tuple[str, ...] = (), model: str | None = None, of_worker: str = ""
) -> list[tuple[str, object]]:
    claim = Claimed(
        claim_id="c", task_id="t", attempt=1, fence=1, lease_seconds=3, token="t", title="t", prompt="p",
        harness=harness, harness_fallback=fallback, model=model,
    )  # fmt: skip
    settings = WorkerSettings(api_key="k", harness="codex", harness_fallback=("pi",), model=of_worker)
    found = candidates(claim, settings, ProcessProvider(use_cgroups=False), find)
    return [(one.harness.name, one.model) for one in found]


def test_given_a_model_of_a_task_when_others_may_go_on_with_it_then_it_is_for_the_first_cli_alone() -> None:
    named = chosen(harness="claude", fallback=("codex", "gone", "pi", "claude"), model="claude-opus-4-5")
    assert named == [("claude", "claude-opus-4-5"), ("codex", None), ("pi", None)]
    assert chosen(harness=None, model="gpt-5.5") == [("codex", "gpt-5.5"), ("pi", None)]


def test_given_a_model_of_the_worker_when_a_task_names_none_then_it_is_for_the_workers_cli_alone() -> None:
    assert chosen(harness=None, of_worker="gpt-5.5:high") == [("codex", "gpt-5.5:high"), ("pi", None)]
    assert chosen(harness=None, model="gpt-5.4", of_worker="gpt-5.5")[0] == ("codex", "gpt-5.4")
    named = chosen(harness="claude", fallback=("codex",), model="claude-opus-4-5", of_worker="gpt-5.5")
    assert named == [("claude", "claude-opus-4-5"), ("codex", "gpt-5.5")]


def test_given_a_task_that_names_a_cli_when_it_names_no_other_then_none_of_the_workers_goes_on_with_it() -> None:
    assert chosen(harness="claude") == [("claude", None)]


def test_given_a_cli_that_is_not_here_when_it_is_the_first_then_the_run_is_refused_whatever_may_go_on() -> None:
    with pytest.raises(HarnessUnavailable, match="no such harness"):
        chosen(harness="gone", fallback=("codex",), model="m")
