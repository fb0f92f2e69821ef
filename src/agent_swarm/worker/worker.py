"""The worker process: registers, takes tasks into its slots, and leaves in good order."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from agent_swarm.config import SettingError
from agent_swarm.domain import credentials
from agent_swarm.domain.errors import Superseded, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.faults import crash_point
from agent_swarm.harness import registry
from agent_swarm.harness.base import Harness
from agent_swarm.protocol.pool import FirstProfile, RegisterRequest
from agent_swarm.redaction import Redactor, secrets_in
from agent_swarm.sandbox.base import SandboxProvider
from agent_swarm.templates.document import Template
from agent_swarm.worker import capabilities, confinement
from agent_swarm.worker.clock import Clock, boot_clock
from agent_swarm.worker.health import serving_health
from agent_swarm.worker.home import WorkerHome
from agent_swarm.worker.identity import agent_id_for
from agent_swarm.worker.leftovers import recover
from agent_swarm.worker.mcp_servers import read_servers, secrets_of
from agent_swarm.worker.service import Bench, Service
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.spool import Spool
from agent_swarm.worker.workspace import Identity, Workspaces, open_folders
from agent_swarm.worker.workspace.git import GitTimeouts

log = structlog.get_logger(__name__)

DRAINED, REFUSED, SUPERSEDED = 0, 1, 3
KILLED_BY_SIGNAL = 128  # plus its number, as shells do
# A shutdown waits for the push of a snapshot, and Docker waits 60 s for a shutdown.
_TIMEOUTS = GitTimeouts(best_effort=timedelta(seconds=6))


class _KillNow(Exception):
    """A second signal: do not wait for anything."""


class Worker:
    """One agent's process. `run` once; `terminate` asks it to leave, asked again it leaves at once."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
        find_harness: Callable[[str], Harness] = registry.get,
        harnesses: Sequence[str] | None = None,
        providers: Mapping[str, SandboxProvider] | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.settings = settings
        self.instance_id = new_id()
        self.agent_id = agent_id_for(settings.agent_id, settings.name, settings.directory)
        self.home = WorkerHome(settings.directory / self.agent_id)
        self._environ = environ
        self._clock = clock or boot_clock()
        self._find_harness = find_harness
        self._harnesses = registry.available() if harnesses is None else harnesses
        self._providers = capabilities.providers() if providers is None else providers
        self._mcp_servers = read_servers(settings.mcp_config)
        self._redactor = redactor or Redactor()
        self._redactor.register(self._secrets())
        self._signal = signal.SIGTERM
        self._asked = asyncio.Event()
        self._asked_again = asyncio.Event()
        self._service: Service | None = None

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Leave in good order; the second time, at once."""
        self._signal = number
        (self._asked_again if self._asked.is_set() else self._asked).set()
        log.info("terminating", signal=number.name, at_once=self._asked_again.is_set())

    async def run(self) -> int:
        """Work until told to leave; answers the exit code. What keeps it from working is logged in one line."""
        try:
            async with AsyncExitStack() as stack:
                bench, leftovers = await self._set_up(stack)
                await self._serve(bench, leftovers)
        except (SwarmError, BaseExceptionGroup) as exc:
            return self._exit_code(exc)
        log.info("drained")
        return DRAINED

    def health(self) -> dict[str, Any]:
        """What `/health` answers."""
        about = {
            "status": "ok",
            "agentId": self.agent_id,
            "agentName": self.settings.name,
            "instanceId": self.instance_id,
        }
        service = self._service
        return {
            **about,
            "agentRole": self.settings.agent_role,
            "connected": service is not None and service.connection.is_connected,
            "draining": self._asked.is_set(),
            "slots": self.settings.slots,
            "running": service.running() if service is not None else [],
        }

    async def _set_up(self, stack: AsyncExitStack) -> tuple[Bench, list[Spool]]:
        """Everything before the server is asked for work: the folder, what a killed process left in it, the tools."""
        settings = self.settings
        self._check_harness()
        stack.enter_context(self.home.locked())
        provider = await capabilities.usable_provider(
            settings.sandbox, self._providers, needs=confinement.needs(settings.network)
        )
        swept = await provider.sweep(self.home.sandboxes)
        identity = Identity.of_agent(
            self.agent_id, settings.name, name=settings.github_name, email=settings.github_email
        )
        workspaces = await stack.enter_async_context(
            await Workspaces.open(self.home.path, identity, environ=self._environ, timeouts=_TIMEOUTS)
        )
        rescued = await workspaces.rescue_leftovers()
        crash_point("worker.rescued")
        leftovers = await recover(self.home, rescued, self._redactor.value)
        if swept or rescued or leftovers:
            log.info("recovered", processes=swept, workspaces=len(rescued), undelivered=len(leftovers))
        folders = open_folders(
            self.agent_id, self.home.path, personal=settings.personal_dir, shared=settings.shared_dir
        )
        bench = Bench(
            settings=settings,
            profile=self._profile(capabilities.offered_by(provider), capabilities.enforced_by(provider)),
            home=self.home,
            workspaces=workspaces,
            folders=folders,
            provider=provider,
            find_harness=self._find_harness,
            redactor=self._redactor,
            clock=self._clock,
            environ=self._environ,
            mcp_servers=self._mcp_servers,
        )
        await stack.enter_async_context(serving_health(settings.host, settings.port, self.health))
        return bench, leftovers

    def _secrets(self) -> Iterator[str]:
        """What no agent may be heard saying: keys of the worker, credentials of its harnesses, tokens of servers, and
        what else the worker's environment calls a secret.
        """
        yield from (self.settings.api_key, self.settings.github_token)
        yield from secrets_in(self._environ)
        yield from secrets_of(self._mcp_servers)
        for name in self._harnesses:
            for variable in self._find_harness(name).grants.secrets:
                yield from credentials.secrets_in(variable, self._environ.get(variable, ""))

    def _check_harness(self) -> None:
        name = self.settings.harness
        if name not in self._harnesses:
            raise SettingError(
                f"HARNESS_PROVIDER: harness {name!r} cannot run on this host",
                hint=f"install it, or choose one of: {', '.join(self._harnesses)}",
            )

    def _profile(self, sandboxes: Sequence[str], enforces: Sequence[str]) -> RegisterRequest:
        settings = self.settings
        try:
            return RegisterRequest(
                agent_id=self.agent_id,
                instance_id=self.instance_id,
                name=settings.name,
                agent_role=settings.agent_role,
                role=settings.role,
                description=settings.description,
                template_id=settings.template_id,
                first=None if settings.template is None else _first_profile(settings.template),
                harness=settings.harness,
                skills=settings.skills,
                tags=settings.tags,
                capabilities=capabilities.advertised(
                    settings, harnesses=self._harnesses, sandboxes=sandboxes, enforces=enforces
                ),
                slots=settings.slots,
                swarm=settings.swarm,
                offers=settings.offers,
            )
        except ValidationError as exc:
            first = exc.errors(include_input=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise SettingError(f"setting {field}: {first['msg'].lower()}", hint="shorten it") from exc

    def _exit_code(self, exc: BaseException) -> int:
        """Say in one line what ended the worker; what is none of the known reasons is a bug of ours, and raised."""
        leaves = _leaves(exc)
        if any(isinstance(leaf, _KillNow) for leaf in leaves):
            return KILLED_BY_SIGNAL + self._signal
        refusals = [leaf for leaf in leaves if isinstance(leaf, SwarmError)]
        if len(refusals) < len(leaves):
            raise exc
        error = next((refusal for refusal in refusals if isinstance(refusal, Superseded)), refusals[0])
        is_superseded = isinstance(error, Superseded)
        hint = "another process runs as this agent now" if is_superseded else error.hint
        log.error("worker_ends", code=error.code, reason=error.message, hint=hint)
        return SUPERSEDED if is_superseded else REFUSED

    async def _serve(self, bench: Bench, leftovers: Sequence[Spool]) -> None:
        """Work until asked to leave, then leave; asked again meanwhile, drop everything."""
        async with asyncio.TaskGroup() as group:
            service = self._service = Service(bench, group)
            service.start(leftovers)
            await self._asked.wait()
            leaving = group.create_task(service.leave())
            again = group.create_task(self._asked_again.wait())
            await asyncio.wait({leaving, again}, return_when=asyncio.FIRST_COMPLETED)
            if not leaving.done():
                raise _KillNow  # cancels all runs, which end their agents
            again.cancel()


def _first_profile(template: Template) -> FirstProfile:
    return FirstProfile(
        role=template.role,
        description=template.profile_description,
        skills=template.skills,
        tags=template.tags,
        instructions=template.instructions,
        permissions=template.permissions,
    )


def _leaves(exc: BaseException) -> list[BaseException]:
    """The errors in a group of groups."""
    return (
        [leaf for inner in exc.exceptions for leaf in _leaves(inner)] if isinstance(exc, BaseExceptionGroup) else [exc]
    )
