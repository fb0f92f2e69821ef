"""The load process: a scenario's name as argument, its fields on standard input, its findings on standard output."""

import gc
import json
import sys

import uvloop

from benchmarks.load.cycles import Cycles
from benchmarks.load.followers import Followers
from benchmarks.load.posts import Posts
from benchmarks.load.requests import Requests
from benchmarks.load.scenario import Scenario
from benchmarks.load.waiting import Waiting

SCENARIOS: dict[str, type[Scenario]] = {kind.__name__: kind for kind in (Cycles, Followers, Posts, Requests, Waiting)}


def main() -> None:
    """Run the scenario."""
    gc.disable()  # pauses of the load are not the server's
    scenario = SCENARIOS[sys.argv[1]](**json.load(sys.stdin))
    json.dump(dict(uvloop.run(scenario.run())), sys.stdout)


if __name__ == "__main__":
    main()
