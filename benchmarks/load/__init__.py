"""The load: clients of their own making, in a process of their own, cheap enough not to be what is measured.

`run` starts the process, hands it a scenario and answers what it found. Scenarios are dataclasses with `run`; their
fields and findings travel as JSON.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from benchmarks import processes
from benchmarks.load.scenario import Scenario

PATIENCE = 180.0


def run(scenario: Scenario) -> dict[str, Any]:
    """What the scenario found."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", type(scenario).__name__],
        input=json.dumps(asdict(scenario)).encode(),
        stdout=subprocess.PIPE,
        cwd=processes.ROOT,
        timeout=PATIENCE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
