"""Native tasks on the board of a server.

They stand in the backlog, for an agent of their own that stands in for this machine's teams, so that nobody else takes
them. Their texts and tags follow what the team does: who has them, what is in progress, what waits for what. One that
its team has completed is promoted, claimed and completed by the stand-in: its end counts once, like any other.
"""

import platform
import time
from typing import Any

from agent_swarm.cli.address import Server
from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import Unreachable
from agent_swarm.cli.mirror.kept import Kept
from agent_swarm.cli.mirror.shown import TAG, Shown
from agent_swarm.domain.errors import Conflict, Denied, NotFound, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.protocol.limits import TITLE_CHARS

ENDED = ("completed", "failed", "cancelled")


class Board:
    """Tells one server. `swarm` is where the tasks stand; empty means in none."""

    def __init__(self, client: Client, kept: Kept, *, swarm: str, until: float) -> None:
        self._client = client
        self._kept = kept
        self._swarm = swarm
        self._until = until  # by the monotonic clock
        self._standing_in: StandIn | None = None

    def tell(self) -> int:
        """Tell what waits, until the time is over; answers how many tasks.

        Raises SwarmError: at once where the server is away or lets nobody in, else what it refused first, at the end.
        """
        told, refusals = 0, []
        try:
            for one in self._kept.waiting():
                if time.monotonic() > self._until:
                    break
                try:
                    self._tell(one)
                    one.failures = 0
                    told += 1
                except (Unreachable, Denied):
                    raise
                except SwarmError as exc:  # the others are told all the same
                    one.failures += 1
                    refusals.append(exc)
                self._kept.save()
        finally:
            if self._standing_in is not None:
                self._standing_in.leave()
        if refusals:
            raise refusals[0]
        return told

    def _tell(self, one: Shown) -> None:
        if not one.task_id:
            if one.status == "deleted" and not one.words:
                one.told = "deleted"
                return
            one.task_id = self._file(one)
            one.told = "pending"
            self._kept.save()
        try:
            if one.is_over:
                self._end(one)
            else:
                self._rewrite(one)
        except (NotFound, Conflict):
            if self._status(one) not in ENDED:
                raise
        one.told = one.status
        one.words = {} if one.is_over else self._kept.words_of(one)

    def _file(self, one: Shown) -> str:
        """File it under its key, in the words of the first time: the server may have heard those."""
        stand_in = self._stand_in()
        one.words = one.words or self._kept.words_of(one)
        self._kept.save()
        body = {
            **one.words,
            "backlog": True,
            "agentId": stand_in.agent_id,
            **({"swarm": self._swarm} if self._swarm else {}),
        }
        return str(self._client.create("/api/tasks", body, key=one.key)["id"])

    def _rewrite(self, one: Shown) -> None:
        """Have the board say what has changed."""
        changed = {name: now for name, now in self._kept.words_of(one).items() if one.words.get(name) != now}
        if changed:
            self._client.patch(f"/api/tasks/{one.task_id}", changed)

    def _end(self, one: Shown) -> None:
        path = f"/api/tasks/{one.task_id}"
        status = self._status(one)
        if status in ENDED:  # by somebody on the board: then that is its end
            return
        if one.status == "deleted":
            self._client.post(f"{path}/cancel", {"reason": "its team deleted it"})
            return
        if status == "backlog":
            self._client.post(f"{path}/promote")
        by = f" by {one.owner}" if one.owner else ""
        self._stand_in().complete(one.task_id, f"completed{by} in the team {one.team}")

    def _status(self, one: Shown) -> str:
        try:
            return str(self._client.get(f"/api/tasks/{one.task_id}")["status"])
        except NotFound:
            return "cancelled"

    def _stand_in(self) -> "StandIn":
        if self._standing_in is None:
            self._standing_in = StandIn(self._client, self._kept.agent_id, self._swarm)
        return self._standing_in


class StandIn:
    """The agent that stands in for the teams of this machine, as long as there is something to tell."""

    def __init__(self, client: Client, agent_id: str, swarm: str) -> None:
        self.agent_id = agent_id
        self._instance_id = new_id()
        body = {
            "agent_id": agent_id,
            "instance_id": self._instance_id,
            "name": f"claude-teams-{platform.node() or 'host'}"[:TITLE_CHARS],
            "agent_role": "lead",  # so it takes nothing but what is addressed to it
            "role": TAG,
            "description": "Stands in for native teams of Claude Code, whose tasks are mirrored here.",
            "swarm": swarm,
        }
        token = client.post("/v1/pool/register", body)["token"]
        self._client = Client(Server(client.server.url, token), answer_seconds=10.0, retry_seconds=())
        self._greeted = False

    def complete(self, task_id: str, text: str) -> None:
        """Claim a task that waits for this agent, and complete it. Raises Conflict where it is not to be had."""
        claimed = self._claim(task_id)
        lease = {"task_id": task_id, "fence": claimed["fence"]}
        self._say(("start", lease), ("complete", {**lease, "text": text}))

    def leave(self) -> None:
        """Sign off; a server that has gone meanwhile finds out by itself."""
        try:
            self._say(("bye", {}))
        except SwarmError:
            return

    def _claim(self, task_id: str) -> Json:
        """The claim of this task. Another one that is addressed to this agent is given back."""
        for _ in range(5):
            asked = [] if self._greeted else [("hello", {"instance_id": self._instance_id})]
            self._greeted = True
            frames = self._say(*asked, ("credit", {"claim_ids": [new_id()]}), wait=3.0)
            found = [frame["body"] for frame in frames if frame["type"] == "claimed"]
            for one in found:
                if one["task_id"] == task_id:
                    return dict(one)
                self._say(("release", {"task_id": one["task_id"], "fence": one["fence"]}))
            if not found:
                break
        raise Conflict(f"task {task_id} could not be claimed", hint=f"see agent-swarm task explain {task_id}")

    def _say(self, *frames: tuple[str, dict[str, Any]], wait: float = 0.0) -> list[Json]:
        """Send frames; answers what came back. Raises the error of the first that was refused."""
        from agent_swarm.protocol.errors import error_from_wire

        sent = [{"v": 1, "id": new_id(), "type": kind, "body": body} for kind, body in frames]
        answers: list[Json] = self._client.post("/v1/pool/poll", {"frames": sent, "wait_seconds": wait})["frames"]
        for frame in answers:
            if frame["type"] == "error":
                raise error_from_wire(frame["body"])
        return answers
