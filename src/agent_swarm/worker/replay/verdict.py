"""Whether a replay was the same run: its steps, its events, its files. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent_swarm.harness.base import AgentEvent, Outcome
from agent_swarm.worker.replay.normal import Difference, Normal, first_difference
from agent_swarm.worker.replay.player import Divergence, Player
from agent_swarm.worker.replay.tape import Recording
from agent_swarm.worker.replay.trees import differences

_OF_ONE_PROCESS = frozenset({"session", "pid", "exit"})  # after its work it may leave by itself, or be ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a replay ended, against its recording."""

    steps: int  # requests to a model
    unasked: int  # that the recording has besides
    divergence: Divergence | None
    start: Sequence[str]  # files that were not the same at the beginning
    tree: Sequence[str] | None  # and at the end; None where the recording has no end
    events: Difference | None
    ok: bool
    result: str
    workspace: Path

    @property
    def is_same(self) -> bool:
        """Everything was as it was."""
        is_told = self.divergence is None and self.events is None and not self.unasked
        return is_told and not self.start and self.tree is not None and not self.tree

    def to_json(self) -> dict[str, Any]:
        """For programs: {"same", …}, and the members of this as they are called."""
        return {"same": self.is_same, **asdict(self), "workspace": str(self.workspace)}


def verdict_of(
    recording: Recording,
    player: Player,
    normals: tuple[Normal, Normal],
    *,
    trees: tuple[Mapping[str, str], Mapping[str, str]],
    events: Sequence[AgentEvent],
    outcome: Outcome | None,
    workspace: Path,
) -> Verdict:
    """`normals` are of the recorded run and of this one, `trees` of its beginning and its end."""
    recorded, now = normals
    return Verdict(
        steps=player.steps,
        unasked=player.unasked,
        divergence=player.divergence,
        start=differences(recording.head.tree, trees[0]),
        tree=None if recording.tree is None else differences(recording.tree, trees[1]),
        events=first_difference(story(recording.events, recorded), story(events, now), "events"),
        ok=outcome is not None and outcome.ok,
        result=outcome.result or outcome.message if outcome is not None else "",
        workspace=workspace,
    )


def story(events: Sequence[AgentEvent], normal: Normal) -> list[Any]:
    """What an agent did, without what is of one process."""
    told = [
        {"kind": event.kind.value, **{name: x for name, x in event.data.items() if name not in _OF_ONE_PROCESS}}
        for event in events
    ]
    story: list[Any] = normal.value(told)
    return story
