"""Random histories over HTTP: whatever is called in whatever order, by whomever, the answers keep to the contracts.

A state machine of Hypothesis files tasks, works on them as a worker does, lets time pass, and in between calls every
operation of the frozen document, rightly and wrongly. schemathesis makes the calls up and judges the answers. Its own
state machine is not used: it draws from true randomness, so that a failure could not be repeated.
"""

import asyncio
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
import requests
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.server import surface
from tests.server.test_access import MAY_CALL
from tests.server.test_error_shape import check as require_error_shape
from tests.server.world import API_KEY, RegisteredAgent, World, opened

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.store.operations import RunTimers
from agent_swarm.testing.invariants import audit

pytestmark = [
    pytest.mark.slow,
    # schemathesis draws from `random`, which Hypothesis seeds.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]

OPERATIONS = sorted(surface.operations())
FRAMES = sorted(surface.frames())
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ANSWER_SECONDS = 20.0  # nothing here asks the server to wait
CONTRACT_EVENTS = surface.contract("events")["types"]


class Histories(RuleBasedStateMachine):
    """One world, called by one kind of caller; operators and a worker keep it going."""

    caller: ClassVar[str]
    on_disk: ClassVar[bool] = False
    portal: ClassVar[BlockingPortal]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        opening = opened(folder, address=folder / "swarm.sqlite" if self.on_disk else "memory:")
        self.opening = self.portal.wrap_async_context_manager(opening)
        self.world: World = self.opening.__enter__()
        self.known: dict[str, list[Any]] = defaultdict(list, number=[1, 2])
        self.claims: list[dict[str, Any]] = []
        self.claims_of: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    @initialize()
    def workers_and_a_task(self) -> None:
        self.worker = self.portal.call(self.world.register, "worker")
        self.lead: RegisteredAgent = self.portal.start_task_soon(self._register_lead).result()
        self.known["agent"] += [self.worker.id, self.lead.id]
        self.token_of = {"operator": API_KEY, "agent": self.worker.token, "nobody": None}
        self.file(self.worker.id)
        self.file(self.lead.id)
        self.take(self.lead, wait=10)
        self.take(self.worker, wait=10)
        assert len(self.claims) == 2

    async def _register_lead(self) -> RegisteredAgent:
        return await self.world.register("lead", role=AgentRole.LEAD, slots=5)

    @rule(data=st.data(), names=st.lists(st.sampled_from(OPERATIONS), min_size=3, max_size=6))
    def call_anything(self, data: st.DataObject, names: list[str]) -> None:
        for name in names:
            case = self.made_up(data, name)
            answer = self.send(case, self.token())
            self.judge(case, name, answer)
            if answer.status_code < 300 and answer.headers["content-type"] == "application/json":
                self.learn(answer.json())
            if name == "POST /api/kill-switch" and answer.status_code < 300:
                self.go_on()

    def go_on(self) -> None:
        """Whatever was stopped goes on: processes come back with new tokens, and the lead with an attempt."""
        switches = self.ask("GET", "/api/kill-switch", API_KEY, None).json()["switches"]
        for switch in (switch for switch in switches if switch["status"] == "killed"):
            lifted = {"action": "lift", "scope": switch["scope"], "id": switch["id"] or ""}
            assert self.ask("POST", "/api/kill-switch", API_KEY, lifted).status_code == 200
        self.worker = self.portal.start_task_soon(self._back, "worker", self.worker).result()
        self.lead = self.portal.start_task_soon(self._back, "lead", self.lead).result()
        self.token_of["agent"] = self.worker.token
        self.file(self.lead.id)
        self.take(self.lead, wait=10)

    async def _back(self, name: str, agent: RegisteredAgent) -> RegisteredAgent:
        role = agent.profile.agent_role
        return await self.world.register(name, role=role, agent_id=agent.id, instance_id=agent.instance_id, slots=5)

    @rule(data=st.data(), name=st.sampled_from(OPERATIONS))
    def call_without_a_token(self, data: st.DataObject, name: str) -> None:
        answer = self.send(self.made_up(data, name), None)
        if name in surface.NOTHING_TO_GET_WRONG:
            assert answer.status_code in (200, 422)
        else:
            require_error_shape(answer, None if name in surface.WITHOUT_A_TOKEN else "unauthenticated")

    @rule(to=st.sampled_from(["worker", "lead", ""]))
    def file_a_task(self, to: str) -> None:
        self.file(getattr(self, to).id if to else None)

    @rule(data=st.data(), verb=st.sampled_from(["cancel", "pause", "resume", "retry", "backlog", "promote"]))
    def command_a_task(self, data: st.DataObject, verb: str) -> None:
        task_id = data.draw(st.sampled_from(self.known["task"]))
        answer = self.ask("POST", f"/api/tasks/{task_id}/{verb}", API_KEY, {})
        assert answer.status_code in (200, 201, 409), answer.text

    @rule(who=st.sampled_from(["worker", "lead"]))
    def take_a_task(self, who: str) -> None:
        self.take(getattr(self, who))

    @rule(data=st.data(), kind=st.sampled_from(FRAMES), who=st.sampled_from(["worker", "lead"]))
    def send_a_frame(self, data: st.DataObject, kind: str, who: str) -> None:
        body = data.draw(surface.frame_bodies(kind))
        if isinstance(body, dict) and self.claims and data.draw(st.integers(0, 9)) > 0:
            claim = data.draw(st.sampled_from(self.claims))
            body |= {key: claim[key] for key in ("task_id", "fence", "attempt") if key in body}
        self.poll(getattr(self, who), (kind, body))

    @rule(seconds=st.sampled_from([1, 31, 700]))
    def let_time_pass(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.portal.call(self.world.store.apply, RunTimers(jitter=0.5))

    def teardown(self) -> None:
        try:
            self.require_registered_events()
            assert self.portal.call(self.world.store.read, audit) == []
        finally:
            self.opening.__exit__(None, None, None)
            self.folder.cleanup()

    def made_up(self, data: st.DataObject, name: str) -> surface.Case:
        """A call of this operation, about what there is."""
        case = data.draw(surface.calls(name))
        surface.about_known_things(data.draw, case, self.known)
        return case

    def send(self, case: surface.Case, token: str | None) -> httpx2.Response:
        """The answer to a call."""
        sent = requests.Request(**case.as_transport_kwargs(base_url="http://test")).prepare()
        headers = {name: str(value) for name, value in sent.headers.items() if name.lower() != "authorization"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        answer: httpx2.Response = self.portal.call(self._request, str(sent.method), str(sent.url), headers, sent.body)
        return answer

    async def _request(self, method: str, url: str, headers: dict[str, str], body: Any) -> httpx2.Response:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self.world.client.request(method, url, headers=headers, content=body)

    def ask(self, method: str, path: str, token: str | None, body: Any) -> httpx2.Response:
        """The answer to a call that is no made up one."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        content = json.dumps(body, default=repr).encode()  # a body made up to be wrong may be no JSON at all
        answer: httpx2.Response = self.portal.call(self._request, method, f"http://test{path}", headers, content)
        assert answer.status_code < 500, answer.text
        return answer

    def judge(self, case: surface.Case, name: str, answer: httpx2.Response) -> None:
        """The answer is as documented, and who may not call is refused."""
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            error = require_error_shape(answer)
            if self.kinds().isdisjoint(MAY_CALL[name]):
                assert error["code"] in ("denied", "unauthenticated"), error
        else:
            assert self.kinds() & MAY_CALL[name]

    def kinds(self) -> set[str]:
        """The caller in the words of the table of who may call what."""
        words = {"operator": "operator", "agent": "worker agent", "attempt": "lead attempt"}
        return {words[self.caller]}

    def token(self) -> str | None:
        """The caller's; of attempts the lead's latest."""
        return self.token_of[self.caller]

    def file(self, agent_id: str | None) -> None:
        """File a task, as an operator."""
        answer = self.ask("POST", "/api/tasks", API_KEY, {"prompt": "do it", "agentId": agent_id})
        self.learn(answer.json())

    def take(self, agent: RegisteredAgent, *, wait: float = 0.05) -> None:
        """Have an agent ask for work as workers do; it remembers what it gets. Where there is none, it waits."""
        held = [{key: claim[key] for key in ("task_id", "fence")} for claim in self.claims_of[agent.id]]
        hello = ("hello", {"instance_id": agent.instance_id, "held": held})
        self.poll(agent, hello, ("credit", {"claim_ids": [new_id()]}), wait=wait)

    def poll(self, agent: RegisteredAgent, *frames: tuple[str, Any], wait: float = 0) -> None:
        """Send frames; what comes back is as the contract says."""
        sent = {new_id(): frame for frame in frames}
        told = [{"v": 1, "id": number, "type": kind, "body": body} for number, (kind, body) in sent.items()]
        answer = self.ask("POST", "/v1/pool/poll", agent.token, {"frames": told, "wait_seconds": wait})
        if answer.status_code != 200:
            require_error_shape(answer)
            return
        for frame in answer.json()["frames"]:
            surface.server_frame("frame").validate(frame)
            if frame["type"] != "reply":
                surface.server_frame(frame["type"]).validate(frame["body"])
            elif frame["id"] in sent:
                surface.server_frame(f"reply to {sent[frame['id']][0]}").validate(frame["body"])
            assert frame["type"] != "error" or frame["body"]["error"]["code"] != "internal", frame
            if frame["type"] == "claimed":
                self.remember(agent, frame["body"])

    def remember(self, agent: RegisteredAgent, claim: dict[str, Any]) -> None:
        """A claim, and the token that comes with it."""
        self.claims.append(claim)
        self.claims_of[agent.id].append(claim)
        if agent is self.lead:
            self.token_of["attempt"] = claim["token"]

    def learn(self, body: Any) -> None:
        """Remember the names of what an answer shows."""
        if not isinstance(body, dict):
            return
        for shown in (body, *body.get("tasks", ())) if isinstance(body.get("tasks", ()), list) else (body,):
            if "promptPreview" in shown and shown["id"] not in self.known["task"]:
                self.known["task"].append(shown["id"])
        if "repoUrl" in body:
            self.known["project"] += [body["id"], body["name"]]
        if str(body.get("id", "")).startswith("swarm-"):
            self.known["swarm"] += [body["id"], body["name"]]
        if body.get("nextCursor"):
            self.known["cursor"].append(body["nextCursor"])

    def require_registered_events(self) -> None:
        """Every event is one of the registry, about what it says, with the fields it says."""
        after = -1
        page: dict[str, Any] = {"nextAfter": 0}
        while page["nextAfter"] != after:
            after = page["nextAfter"]
            page = self.ask("GET", f"/api/events?after={after}&limit=200", API_KEY, None).json()
            for event in page["events"]:
                told = CONTRACT_EVENTS[event["type"]]
                always = {name for name, when in told["data"].items() if when == "always"}
                assert always <= set(event["data"]) <= set(told["data"]), event
                assert (event["subject"]["kind"], event["v"]) == (told["subject"], told["version"]), event


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """An event loop for worlds; and the calls, which cannot be made up while a history is."""
    for name in OPERATIONS:
        surface.calls(name)
    for kind in FRAMES:
        surface.frame_bodies(kind)
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.mark.parametrize(
    ("caller", "on_disk", "histories"),
    [("operator", False, 30), ("agent", False, 12), ("attempt", False, 30), ("operator", True, 10)],
)
def test_given_random_histories_when_everything_is_called_then_every_answer_keeps_to_the_contracts(
    portal: BlockingPortal, caller: str, on_disk: bool, histories: int
) -> None:
    members = {"caller": caller, "on_disk": on_disk, "portal": portal}
    machine = type("HistoriesOfOneCaller", (Histories,), members)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],  # to look into a failure, add Phase.shrink: it takes minutes
            report_multiple_bugs=False,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
