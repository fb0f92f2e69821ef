"""`python -m agent_swarm`: the same as `agent-swarm`."""

import sys

from agent_swarm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
