"""What a process of a test can be: a server, a worker, or a worker whose agents are puppets of the worker's process."""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agent_swarm.redaction import Redactor
from agent_swarm.testing.faults.puppet import Nowhere, PuppetHarness
from agent_swarm.testing.faults.ready_server import ReadyServer
from agent_swarm.testing.faults.reckoning import reckon
from agent_swarm.testing.faults.warming import warm_up_engine
from agent_swarm.worker import logs
from agent_swarm.worker.main import run_worker
from agent_swarm.worker.settings import load_settings as load_worker_settings
from agent_swarm.worker.worker import Worker

SERVER, WORKER, PUPPETEER, AUDITOR = "server", "worker", "puppeteer", "auditor"

_ready: list[ReadyServer] = []


def play(role: str, arguments: Mapping[str, Any]) -> int:
    """Be that, with this process's environment, until it is over; answers the exit code."""
    match role:
        case "server":
            assert _ready, "warm up first"
            return _ready[0].run(Path(arguments["data_dir"]), arguments["host"])
        case "worker":
            return run_worker(load_worker_settings(environ=os.environ, toml=Path("none")))
        case "puppeteer":
            return asyncio.run(_pull_strings())
        case "auditor":
            return _audit(arguments["left"])
    raise ValueError(role)


def warm_up(key: str) -> None:
    """Make once, in the process that others are forked from, what is slow to make for the first time."""
    _ready.append(ReadyServer(key))
    warm_up_engine(_ready[0].engine)
    socket.getaddrinfo("127.0.0.1", 80)  # imports what names are encoded with
    gc.collect()
    gc.freeze()


async def _pull_strings() -> int:
    """The whole worker, but for agents' processes."""
    settings = load_worker_settings(environ=os.environ, toml=Path("none"))
    logs.configure(Redactor((settings.api_key,)))
    puppets = PuppetHarness()
    worker = Worker(
        settings,
        find_harness=lambda _: puppets,
        harnesses=(puppets.name,),
        providers={Nowhere.name: Nowhere()},
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.terminate)
    return await worker.run()


def _audit(left: list[tuple[str, list[str]]]) -> int:
    """Print, for each server's folder, what of what was promised it does not keep."""
    assert _ready, "warm up first"
    engine = _ready[0].engine
    for data_dir, promised in left:
        os.chdir(data_dir)
        engine.open()
        found = engine.read(partial(reckon, transcripts=Path("transcripts"), promised=promised))
        engine.close()
        sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    return 0
