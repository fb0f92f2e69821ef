"""`python -m agent_swarm.testing.model_server`: the stub model as a process, which prints its URL and serves."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from agent_swarm.sandbox.supervise import die_with_parent
from agent_swarm.testing.model_server.agents import follow_steps
from agent_swarm.testing.model_server.requests import ModelRequest
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.model_server.script_file import ScriptFileError, read_script
from agent_swarm.testing.model_server.server import ModelServer


def main() -> None:
    """Entry. Ends on SIGTERM, SIGINT, and with the process that started it."""
    parser = argparse.ArgumentParser(prog="model_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one (default)")
    parser.add_argument("--script", type=Path, help="JSON file with steps; without it steps in prompts are followed")
    parser.add_argument("--shared", action="store_true", help="all conversations together play the script once")
    parser.add_argument("--record", type=Path, help="append every request to this file, one JSON object per line")
    options = parser.parse_args()
    die_with_parent(signal.SIGTERM, parent=os.getppid())
    try:
        script: Script = follow_steps if options.script is None else read_script(options.script.read_text("utf-8"))
    except (OSError, ScriptFileError) as exc:
        sys.exit(f"{options.script}: {exc}")
    asyncio.run(_serve(script, options))


async def _serve(script: Script, options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)

    def note(request: ModelRequest) -> None:
        if options.record is not None:
            _append(options.record, request)

    async with ModelServer(script, is_shared=options.shared, port=options.port, heard=note) as model:
        print(model.url, flush=True)  # noqa: T201 - what the process is for
        await ended.wait()


def _append(record: Path, request: ModelRequest) -> None:
    """Headers stay out: they hold the key."""
    entry = {"purpose": request.purpose.value, "session": request.session, "path": request.path, "body": request.body}
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    main()
