"""What a workflow file may say, as models. The JSON Schema for editors is made of them.

Fields are camelCase, as everywhere that people write JSON for us; what is not known is refused.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agent_swarm.domain.priority import DEFAULT_PRIORITY
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Label, Labels, Priority, RequiresInput, Text

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
STAGES = 100
INPUTS = 50
ITEMS = 100  # of a foreach
SOURCE_BYTES = 256 * 1024
SECONDS_MAX = 30 * 24 * 3600
SHELL_SECONDS = 600.0
SHELL_SECONDS_MAX = 6 * 3600.0
GATE_SECONDS_MAX = 30 * 86_400

Name = Annotated[Text, Field(pattern=NAME_PATTERN)]
Expression = Annotated[Text, Field(min_length=1, max_length=1_000)]
Retries = Annotated[int, Field(ge=0, le=99, strict=True, description="how often a failed attempt is tried again")]


class Part(BaseModel):
    """Base of everything in a file."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class InputType(StrEnum):
    """What may be handed in."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"


class InputSpec(Part):
    """Something that a run is given. It is required where it has no default."""

    type: InputType = InputType.TEXT
    description: Annotated[Text, Field(max_length=2_000)] = ""
    default: Any = None
    required: bool | None = Field(default=None, description="by default: whether there is no `default`")


class Gate(Part):
    """People are asked before the stage begins; no answer in time is a no."""

    title: Annotated[Text, Field(min_length=1, max_length=200)]
    details: Annotated[Text, Field(max_length=16_000)] = ""
    expires_in_seconds: Annotated[float, Field(ge=1, le=GATE_SECONDS_MAX)] | None = None


class StageBase(Part):
    """What every stage may say."""

    name: Name
    description: Annotated[Text, Field(max_length=2_000)] = ""
    needs: Annotated[list[Name], Field(max_length=STAGES)] = Field(
        default_factory=list, description="stages that have to end first"
    )
    if_: Expression | None = Field(
        default=None, alias="if", description="an expression; the stage is skipped where it is false"
    )
    gate: Gate | None = None
    foreach: Expression | list[Any] | None = Field(
        default=None, description=f"a list, or an expression for one: the stage is done for each, {ITEMS} at most"
    )
    max_parallel: Annotated[int, Field(ge=1, le=ITEMS, strict=True)] = Field(
        default=10, description="how many items of a foreach are open at once"
    )
    continue_on_error: bool = Field(default=False, description="the run goes on where the stage fails")


class NoopStage(StageBase):
    """Does nothing: a place to wait for others, or for people."""

    kind: Literal["noop"]


class ShellStage(StageBase):
    """A script that the server's own runner runs in a fresh folder, by `sh`."""

    kind: Literal["shell"]
    run: Annotated[Text, Field(min_length=1, max_length=64_000)] = Field(
        description="the script; it has no templates, values reach it by `env`"
    )
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], Text | int | float | bool] = Field(
        default_factory=dict, description="variables of the script, with templates"
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=SHELL_SECONDS_MAX)] = SHELL_SECONDS
    retries: Retries = 0


class BuiltinName(StrEnum):
    """What the runner can do by itself."""

    FORMAT = "format"
    MESSAGE = "message"
    NOTE = "note"
    KV_SET = "kv-set"
    FAIL = "fail"


class BuiltinStage(StageBase):
    """Something that the runner does by itself, with what `with` says."""

    kind: Literal["builtin"]
    uses: BuiltinName
    with_: dict[str, Any] = Field(default_factory=dict, alias="with", description="its arguments, with templates")
    retries: Retries = 0


class SwarmStage(StageBase):
    """A task for an agent, which needs a worker."""

    kind: Literal["swarm"]
    prompt: Annotated[Text, Field(min_length=1, max_length=limits.PROMPT_BYTES)] = Field(
        description="what the agent shall do, with templates"
    )
    title: Annotated[Text, Field(min_length=1, max_length=limits.TITLE_CHARS)] | None = None
    harness: Label | None = None
    model: Label | None = None
    project: Label | None = None
    swarm: Label | None = None
    tags: Labels = Field(default_factory=list)
    requires: RequiresInput = Field(
        default_factory=RequiresInput, json_schema_extra={"default": {"tags": [], "capabilities": []}}
    )
    priority: Priority = DEFAULT_PRIORITY
    permissions: Label | None = None
    result_schema: dict[str, Any] | None = None
    include_results: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=SECONDS_MAX)] | None = None
    retries: Retries = 2


Stage = Annotated[NoopStage | ShellStage | BuiltinStage | SwarmStage, Field(discriminator="kind")]
AnyStage = NoopStage | ShellStage | BuiltinStage | SwarmStage


class Workflow(Part):
    """A workflow: stages that wait for each other, and what they are given."""

    version: Literal[1] = 1
    name: Name
    description: Annotated[Text, Field(max_length=2_000)] = ""
    inputs: Annotated[dict[Name, InputSpec], Field(max_length=INPUTS)] = Field(default_factory=dict)
    stages: Annotated[list[Stage], Field(min_length=1, max_length=STAGES)]
    outputs: Annotated[dict[Name, Any], Field(max_length=INPUTS)] = Field(
        default_factory=dict, description="what the run comes to, with templates"
    )

    def stage(self, name: str) -> AnyStage:
        """The stage of this name. Raises KeyError."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    @property
    def has_shell(self) -> bool:
        """Whether something runs on the server's own machine."""
        return any(isinstance(stage, ShellStage) for stage in self.stages)


def needs_of(workflow: Workflow) -> dict[str, frozenset[str]]:
    """All that each stage waits for, directly and by others; of a workflow whose stages do not wait in a circle."""
    direct = {stage.name: stage.needs for stage in workflow.stages}
    known: dict[str, frozenset[str]] = {}

    def of(name: str) -> frozenset[str]:
        if name not in known:
            known[name] = frozenset(direct[name]).union(*(of(one) for one in direct[name]))
        return known[name]

    return {name: of(name) for name in direct}


def dumped(workflow: Workflow) -> dict[str, Any]:
    """As it is stored: JSON of what the file says."""
    return workflow.model_dump(mode="json", by_alias=True, exclude_unset=True)
