"""The program, with shorter times and a crash ahead of it: `python -m agent_swarm.testing.faults.launch LEASE CRASH …`.

LEASE is in seconds, CRASH the JSON of a `crash.Crash` or `null`; what follows is for `agent-swarm`.
"""

import json
import sys


def main() -> None:
    """Run a command; never returns."""
    from agent_swarm.testing.faults.pace import hurry

    lease, crash, *arguments = sys.argv[1:]
    hurry(float(lease))
    from agent_swarm.cli.main import main as agent_swarm
    from agent_swarm.testing.faults.crash import Crash

    if (ahead := json.loads(crash)) is not None:
        Crash.from_json(ahead).arm()
    sys.argv = ["agent-swarm", *arguments]
    agent_swarm()


if __name__ == "__main__":
    main()
