"""The REST shapes of schedules."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain import schedules
from agent_swarm.domain.cron import CRON_CHARS
from agent_swarm.domain.schedules import Missed, Overlap, RunOutcome, ScheduleStatus
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import BatchTaskInput, Input, Output, TaskInput, Text, at_most
from agent_swarm.protocol.rest_explain import Reason
from agent_swarm.protocol.rest_workflows import WorkflowRunInput

RUN_TASKS = 20  # shown of each run

Name = Annotated[Text, Field(min_length=1, max_length=schedules.NAME_CHARS, pattern=schedules.NAME_PATTERN)]
Description = Annotated[Text, Field(max_length=schedules.DESCRIPTION_CHARS)]
CronText = Annotated[Text, Field(min_length=1, max_length=CRON_CHARS)]
ZoneText = Annotated[Text, Field(min_length=1, max_length=64)]
Seconds = Annotated[float, Field(ge=schedules.SHORTEST_SECONDS, le=schedules.LONGEST_SECONDS)]
InstantText = Annotated[Text, Field(max_length=64)]  # RFC 3339
MaxFailures = Annotated[int, Field(ge=0, le=schedules.FAILURES_MAX, strict=True)]
MaxRuns = Annotated[int, Field(ge=1, le=schedules.RUNS_MAX, strict=True)]
Tasks = Annotated[list[BatchTaskInput], Field(min_length=1, max_length=limits.BATCH_TASKS)]


class RuleInput(Input):
    """When: one of `cron`, `everySeconds` and `at`."""

    cron: CronText | None = None  # five fields, or @daily and the like
    time_zone: ZoneText | None = None  # of `cron`; default: UTC
    every_seconds: Seconds | None = None
    start_at: InstantText | None = None  # what `everySeconds` is counted from; default: now
    at: InstantText | None = None


class ScheduleInput(RuleInput):
    """Body of `POST /api/schedules`: a rule, and what it starts: one of `task`, `tasks` and `workflow`."""

    name: Name
    description: Description = ""
    task: TaskInput | None = None
    tasks: Tasks | None = None  # a graph, as in `POST /api/tasks/batch`
    workflow: WorkflowRunInput | None = None  # as in `POST /api/workflows`; of people alone
    missed: Missed = Missed.LATEST
    overlap: Overlap = Overlap.SKIP
    max_failures: MaxFailures = schedules.FAILURES  # in a row, until it pauses itself; 0: never
    until: InstantText | None = None
    max_runs: MaxRuns | None = None
    paused: bool = False


class SchedulePatch(RuleInput):
    """Body of `PATCH /api/schedules/{id}`: what is left out stays. A rule and what it starts are replaced whole."""

    name: Name | None = None
    description: Description | None = None
    task: TaskInput | None = None
    tasks: Tasks | None = None
    workflow: WorkflowRunInput | None = None
    missed: Missed | None = None
    overlap: Overlap | None = None
    max_failures: MaxFailures | None = None
    until: InstantText | None = None  # null: without end
    max_runs: MaxRuns | None = None  # null: without end


class ScheduleRule(Output):
    """When: one of `cron`, `everySeconds` and `at`; `words` for people."""

    words: str
    cron: str | None
    time_zone: str | None
    every_seconds: float | None
    start_at: str | None
    at: str | None


class Schedule(Output):
    """A schedule, without what it starts. `failures` are counted in a row, `started` the runs that began by plan."""

    id: str
    name: str
    description: str
    rule: ScheduleRule
    missed: Missed
    overlap: Overlap
    max_failures: int
    until: str | None
    max_runs: int | None
    status: ScheduleStatus
    pause_reason: str | None  # person, or failures
    next_at: str | None
    started: int
    failures: int
    last_failure: str | None
    last_run_at: str | None
    last_outcome: RunOutcome | None
    created_by: str
    agent_id: str | None  # the agent that made it
    task_id: str | None  # the task that agent had; what is started is below it
    version: int
    created_at: str
    updated_at: str


class ScheduleDetail(Schedule):
    """A schedule, whole: with `task`, `tasks` or `workflow`, as they were sent."""

    task: dict[str, Any] | None
    tasks: Annotated[list[dict[str, Any]], at_most(limits.BATCH_TASKS)] | None
    workflow: dict[str, Any] | None


class ScheduleList(Output):
    """Some schedules, by name."""

    schedules: Annotated[list[Schedule], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class ScheduleRunTask(Output):
    """A task of a run."""

    id: str
    title: str
    status: str


class ScheduleRun(Output):
    """What became of one instant. `status` says how its tasks stand, of which the first 20 are shown."""

    number: int
    planned_at: str | None  # null for a run beside the plan
    asked_by: str | None  # who wanted that
    noted_at: str
    outcome: RunOutcome
    code: str | None
    message: str | None
    started_at: str | None
    status: schedules.RunStatus | None
    task_count: int
    tasks: Annotated[list[ScheduleRunTask], at_most(RUN_TASKS)]


class ScheduleRunList(Output):
    """The latest runs, the last one first; 100 are kept."""

    runs: Annotated[list[ScheduleRun], at_most(schedules.RUNS_KEPT)]
    next_cursor: str | None


class ScheduleTimes(Output):
    """The next instants of a rule, in UTC and as clocks of its time zone show them."""

    rule: ScheduleRule
    times: Annotated[list[str], at_most(schedules.NEXT_MAX)]
    local: Annotated[list[str], at_most(schedules.NEXT_MAX)]


class ScheduleExplanation(Output):
    """Why a schedule starts nothing now, and what would clear that."""

    schedule_id: str
    status: ScheduleStatus
    summary: str
    reasons: Annotated[list[Reason], at_most(limits.PAGE_MAX)]
