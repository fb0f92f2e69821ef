"""`run_worker`: what the command line calls, and the one place where signals and logging are set up."""

import asyncio
import signal

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.redaction import Redactor
from agent_swarm.worker import logs
from agent_swarm.worker.privacy import hide_process
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.worker import REFUSED, Worker

log = structlog.get_logger(__name__)


def run_worker(settings: WorkerSettings) -> int:
    """Be a worker until told to stop; answers the exit code.

    0: left in good order, after SIGTERM or Ctrl-C. 1: could not work, with one line on standard error that says why. 3:
    another process runs under this AGENT_ID. 128 and more: ended at once by a second signal.
    """
    hide_process()
    redactor = Redactor((settings.api_key, settings.github_token))
    logs.configure(redactor)
    return asyncio.run(_run(settings, redactor))


async def _run(settings: WorkerSettings, redactor: Redactor) -> int:
    try:
        worker = Worker(settings, redactor=redactor)
    except (SwarmError, OSError) as exc:
        log.error("worker_ends", reason=str(exc), hint=getattr(exc, "hint", ""))
        return REFUSED
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.terminate, number)
    return await worker.run()
