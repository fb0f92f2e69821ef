"""How what an agent says of its task meets what its worker says.

The agent states a result or a failure while it runs; the worker ends the run, with the branch and the commit that only
it knows. What the agent has stated takes the place of the CLI's last words, and of a good end where it says that it
failed. What the worker saw go wrong outside the agent stands: a result whose work was not delivered is none. The first
word of an attempt counts (rule T5).
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from agent_swarm.domain.errors import Denied
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.protocol import pool as wire
from agent_swarm.services import result_schemas
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.stated_outcomes import STATED_OUTCOMES, StatedOutcome
from agent_swarm.store.families.task_terms import TASK_TERMS, TaskTerms
from agent_swarm.store.operations import StateOutcome

AGENT_REPORTED = "agentReported"  # the code of a failure that the agent itself has stated


def state_result(text: str, data: Mapping[str, Any] | None, redactor: Redactor, *, by: Identity) -> StateOutcome:
    """Say what the task has come to, with the token of the attempt that runs it."""
    shown = redactor.value(data) if data is not None else None
    return _stated(redactor.text(text), shown, is_failure=False, by=by)


def state_failure(message: str, redactor: Redactor, *, by: Identity) -> StateOutcome:
    """Say that the task cannot be done, and why."""
    return _stated(redactor.text(message), None, is_failure=True, by=by)


def stated_outcome(task_id: str, fence: int) -> Callable[[Queries], tuple[StatedOutcome | None, TaskTerms | None]]:
    """A reading: what the agent of this attempt has stated, and what its result has to be."""

    def reading(queries: Queries) -> tuple[StatedOutcome | None, TaskTerms | None]:
        found = queries.record(STATED_OUTCOMES, task_id)
        return found if found is not None and found.fence == fence else None, queries.record(TASK_TERMS, task_id)

    return reading


def ended(
    told: wire.Complete | wire.Fail, stated: StatedOutcome | None, terms: TaskTerms | None
) -> wire.Complete | wire.Fail:
    """How the run ended, by the word of its agent and by what its result has to be."""
    told = told if stated is None else as_stated(told, stated)
    if terms is None or terms.result_schema is None or isinstance(told, wire.Fail):
        return told
    return result_schemas.checked(told, terms.result_schema, is_stated=stated is not None)


def as_stated(told: wire.Complete | wire.Fail, stated: StatedOutcome) -> wire.Complete | wire.Fail:
    """How the run ended, once its agent was heard."""
    if isinstance(told, wire.Fail):
        if told.failure is not FailureClass.AGENT or not stated.is_failure:
            return told
        return told.model_copy(update={"code": AGENT_REPORTED, "message": stated.text})
    if stated.is_failure:
        where = told.model_dump(exclude={"text", "data"})
        return wire.Fail(**where, failure=FailureClass.AGENT, code=AGENT_REPORTED, message=stated.text)
    data = dict(stated.data) if stated.data is not None else told.data
    return told.model_copy(update={"text": stated.text, "data": data})


def _stated(text: str, data: Mapping[str, Any] | None, *, is_failure: bool, by: Identity) -> StateOutcome:
    if by.task_id is None or by.fence is None:
        raise Denied(
            "an outcome is stated with the token of the attempt that runs the task",
            hint="use the token the agent was started with",
        )
    content = orjson.dumps([is_failure, text, data], option=orjson.OPT_SORT_KEYS)
    outcome = StatedOutcome(
        task_id=by.task_id,
        fence=by.fence,
        is_failure=is_failure,
        text=text,
        data=data,
        digest=hashlib.sha256(content).hexdigest(),
    )
    return StateOutcome(outcome=outcome, actor=by.actor)
