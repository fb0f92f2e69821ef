"""Results that have to match a schema: the server is asked before anything is delivered, and the agent corrects them.

Only the server knows schemas. Where it cannot be asked, or the agent takes nothing more, the run ends as it is: the
server looks at its result again when it is delivered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness.base import Emit, Outcome, Session
from agent_swarm.protocol.pool import Claimed
from agent_swarm.worker.agent import StopSignal, follow
from agent_swarm.worker.http import HttpLane
from agent_swarm.worker.stops import Stop, clipped

log = structlog.get_logger(__name__)

CORRECTIONS = 3  # that an agent is asked for; then its attempt fails
KEPT = timedelta(minutes=2)  # how long an agent's process waits for the server's word
PATIENCE_SECONDS = 30.0

Check = Callable[[Outcome], Awaitable[Sequence[str]]]  # what is wrong with a result


async def follow_to_a_result(
    session: Session, emit: Emit, stop: StopSignal, *, limit: float | None, check: Check | None
) -> Outcome | None:
    """How the agent's run ended, after at most `limit` seconds; an agent whose result is wrong is told so."""
    loop = asyncio.get_running_loop()
    ends_at = None if limit is None else loop.time() + limit
    for asked in range(CORRECTIONS + 1):
        left = None if ends_at is None else max(0.0, ends_at - loop.time())
        outcome = await follow(session, emit, stop, limit=left)
        is_last = asked == CORRECTIONS or check is None or outcome is None
        if is_last or not await _is_told(session, stop, outcome, check):
            break
    return outcome


async def _is_told(session: Session, stop: StopSignal, outcome: Outcome | None, check: Check | None) -> bool:
    """Whether the agent has heard what is wrong with its result, and works on."""
    if outcome is None or check is None or not outcome.ok or stop.reason is not Stop.NONE:
        return False
    try:
        problems = await check(outcome)
        if not problems or stop.reason is not Stop.NONE:
            return False
        await session.send(correction(problems))
    except SwarmError as exc:
        log.info("result_not_corrected", reason=exc.message)
        return False
    return True


def correction(problems: Sequence[str]) -> str:
    """What the agent is told."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Your result is not what the task asks for:\n{listed}\n\nCorrect it: state it with the tool store-progress, "
        "as `data` beside `result`, or answer with the JSON object and nothing else."
    )


def check_at(url: str, claim: Claimed) -> Check | None:
    """Asks the server about the results of a claimed task; None where any result will do."""
    if not claim.checks_result:
        return None

    async def check(outcome: Outcome) -> Sequence[str]:
        lane = HttpLane(url, "result")
        try:
            body = {"text": clipped(outcome.result), "data": None if outcome.data is None else dict(outcome.data)}
            path = f"/api/tasks/{claim.task_id}/result/check"
            answer = await lane.post(path, body, token=claim.token, patience=PATIENCE_SECONDS)
        finally:
            lane.close()
        problems = answer.get("problems")
        return [str(problem) for problem in problems] if isinstance(problems, list) else []

    return check
