"""What the demo promises, each checked against the event log, the API and the repository."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent_swarm.cli.demonstration import plan
from agent_swarm.cli.demonstration.record import PLAN, Record
from agent_swarm.cli.demonstration.repository import BRANCH, Repository
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus


@dataclass(frozen=True, slots=True)
class Promise:
    """One sentence, and what contradicts it; empty where it holds."""

    sentence: str
    broken_by: str = ""


def check(record: Record, repository: Repository, *, first_commit: str) -> list[Promise]:
    """Every promise about the work; a check that cannot even be made counts as broken."""
    checks: dict[str, Callable[[], Iterator[str]]] = {
        f"the lead filed {len(plan.WAITS_FOR)} tasks, and each of them completed": lambda: _all_completed(record),
        "each task has exactly one completion": lambda: _one_completion(record),
        "no task began before those it waits for had completed": lambda: _order(record),
        "the two implementations ran at the same time": lambda: _overlap(record),
        "the task that failed was tried again, once, and no other was": lambda: _retry(record),
        "the lead waited without a slot, and went on once": lambda: _waited(record),
        "the final branch holds the work of every task": lambda: _contains_all(record, repository),
        "the unit tests failed at first and pass on the final tree": lambda: _tests(record, repository, first_commit),
        f"the branch {BRANCH} is as it was": lambda: _untouched(repository, first_commit),
    }
    if all(record.tasks.get(ref, {}).get("harness") == plan.SCRIPT for ref in plan.IMPLEMENTATIONS):
        checks["the two who wrote the functions talked to each other"] = lambda: _talked(record)  # no model is told to
    return [Promise(sentence, "; ".join(_contradictions(find))) for sentence, find in checks.items()]


def nothing_left(pids: set[int]) -> Promise:
    """About the end of the swarm: `pids` are the processes that outlived it."""
    outlived = f"still running after the end: {', '.join(map(str, sorted(pids)))}" if pids else ""
    return Promise("no process is left", outlived)


def final_branch(record: Record) -> str:
    """The branch with everything; raises CommandFailed where the lead's task has no result."""
    result = record.tasks.get(PLAN, {}).get("result") or {}
    if not result.get("branch"):
        raise CommandFailed("the lead's task left no branch", hint="see its attempts in the summary")
    return str(result["branch"])


def _contradictions(find: Callable[[], Iterator[str]]) -> list[str]:
    try:
        return list(find())
    except (CommandFailed, KeyError) as exc:
        return [f"cannot be told: {exc}"]


def _all_completed(record: Record) -> Iterator[str]:
    for ref in (PLAN, *plan.WAITS_FOR):
        if ref not in record.tasks:
            yield f"{ref} was never filed"
        elif record.tasks[ref]["status"] != TaskStatus.COMPLETED:
            yield f"{ref} is {record.tasks[ref]['status']}"
    yield from (f"{ref} is not in the plan" for ref in record.tasks if ref not in (PLAN, *plan.WAITS_FOR))


def _one_completion(record: Record) -> Iterator[str]:
    for ref in record.tasks:
        if (number := len(record.seqs(ref, "task.completed"))) != 1:
            yield f"{ref} has {number}"


def _order(record: Record) -> Iterator[str]:
    for ref, upstreams in plan.WAITS_FOR.items():
        first_claim = min(record.seqs(ref, "task.claimed"), default=0)
        for upstream in upstreams:
            completed = max(record.seqs(upstream, "task.completed"), default=0)
            if not 0 < completed < first_claim:
                yield f"{ref} was claimed as event {first_claim}, {upstream} completed as event {completed}"


def _overlap(record: Record) -> Iterator[str]:
    one, other = plan.IMPLEMENTATIONS
    last_claim = max(max(record.seqs(ref, "task.claimed"), default=0) for ref in (one, other))
    first_end = min(min(record.seqs(ref, "task.completed"), default=0) for ref in (one, other))
    if not 0 < last_claim < first_end:
        yield f"the second was claimed as event {last_claim}, the first completed as event {first_end}"
    if len({record.attempts[ref][-1]["agentId"] for ref in (one, other)}) != 2:
        yield "one agent did both"


def _retry(record: Record) -> Iterator[str]:
    for ref, attempts in record.attempts.items():
        outcomes = [attempt["outcome"] for attempt in attempts]
        expected = [AttemptOutcome.COMPLETED]
        if ref == plan.FAILS_ONCE:
            expected = [AttemptOutcome.FAILED, AttemptOutcome.COMPLETED]
        if ref == PLAN:
            expected = [AttemptOutcome.PAUSED, AttemptOutcome.COMPLETED]
        if outcomes != expected:
            yield f"the attempts of {ref} ended as {', '.join(map(str, outcomes)) or 'nothing'}"


def _waited(record: Record) -> Iterator[str]:
    resumed = record.seqs(PLAN, "task.resumed")
    last_end = max(max(record.seqs(ref, "task.completed"), default=0) for ref in plan.WAITS_FOR)
    if len(resumed) != 1 or not last_end < resumed[0]:
        yield f"it went on as event {', '.join(map(str, resumed)) or 'none'}, the last task ended as event {last_end}"


def _talked(record: Record) -> Iterator[str]:
    writers = {f"agent:{record.attempts[ref][-1]['agentId']}" for ref in plan.IMPLEMENTATIONS}
    senders = {message["sender"] for message in record.messages}
    if not writers <= senders:
        yield f"of {len(writers)}, {len(writers & senders)} said something"
    asked = {message["id"] for message in record.messages}
    if not any(message["replyTo"] in asked for message in record.messages):
        yield "nobody answered"


def _contains_all(record: Record, repository: Repository) -> Iterator[str]:
    final = repository.head(final_branch(record))
    for ref in plan.WAITS_FOR:
        commit = (record.tasks[ref].get("result") or {}).get("commit")
        if not commit:
            yield f"{ref} has no commit"
        elif not repository.contains(final, commit):
            yield f"{commit[:10]} of {ref} is missing"


def _tests(record: Record, repository: Repository, first_commit: str) -> Iterator[str]:
    if repository.tests_at(first_commit).passed:
        yield "they passed before anything was done"
    final = repository.tests_at(final_branch(record))
    if not final.passed:
        yield f"they fail: {final.output}"


def _untouched(repository: Repository, first_commit: str) -> Iterator[str]:
    if (head := repository.head(BRANCH)) != first_commit:
        yield f"it is at {head[:10]} instead of {first_commit[:10]}"
