"""What the arguments of builtins are. What builtins do is the runner's; here is what a file may ask of them."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.protocol.rest import Text
from agent_swarm.workflows.document import BuiltinName, Part


class FormatArguments(Part):
    """The stage's output is `text`, its data is `data`."""

    text: Text = ""
    data: Any = None


class MessageArguments(Part):
    """A message to agents, people or a channel."""

    text: Annotated[Text, Field(min_length=1, max_length=16_000)]
    to: Annotated[list[Text], Field(max_length=20)] = Field(default_factory=list)
    channel: Text | None = None


class NoteArguments(Part):
    """A note that agents find again by its words."""

    text: Annotated[Text, Field(min_length=1, max_length=100_000)]
    name: Text | None = None
    tags: Annotated[list[Text], Field(max_length=20)] = Field(default_factory=list)


class KvArguments(Part):
    """A value under a key of the namespace of the swarm."""

    key: Annotated[Text, Field(min_length=1, max_length=200)]
    value: Any


class FailArguments(Part):
    """The stage fails, and says why."""

    message: Annotated[Text, Field(min_length=1, max_length=2_000)]


_ARGUMENTS: dict[BuiltinName, type[Part]] = {
    BuiltinName.FORMAT: FormatArguments,
    BuiltinName.MESSAGE: MessageArguments,
    BuiltinName.NOTE: NoteArguments,
    BuiltinName.KV_SET: KvArguments,
    BuiltinName.FAIL: FailArguments,
}


def arguments_of(name: BuiltinName) -> type[Part]:
    """The model of the arguments of a builtin."""
    return _ARGUMENTS[name]
