"""Several real servers on one PostgreSQL database behind one address, and workers that find them there."""

import random
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent_swarm.testing.balancer import Balancer
from agent_swarm.testing.real_swarm import RealSwarm, free_port, kill

_END_SECONDS = 60


class RealFleet(RealSwarm):
    """`servers` of them, on the database at `database_url`; workers and people reach whichever is there.

    With `nats_url` they tell each other by NATS, and each keeps transcripts of its own. `variables` are more
    of every server's.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        *,
        servers: int,
        chance: random.Random,
        nats_url: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self.database_url = database_url
        self.nats_url = nats_url
        self._variables = variables or {}
        self.ports = [free_port() for _ in range(servers)]
        self._balancer = Balancer(self.ports, chance)
        self.url = f"http://127.0.0.1:{self._balancer.port}"
        self._servers: dict[int, subprocess.Popen[bytes]] = {}

    def start_node(self, number: int) -> None:
        """Start a server, or start it again; returns once it is ready."""
        shared = {"AGENT_SWARM_TRANSCRIPTS_DIR": str(self.folder / "transcripts")}
        variables = {
            "AGENT_SWARM_DATABASE_URL": self.database_url,
            **({"AGENT_SWARM_NATS_URL": self.nats_url} if self.nats_url else shared),
            **self._variables,
        }
        flags = ("--port", str(self.ports[number]), "--data-dir", str(self.folder / f"server-{number}"))
        self._servers[number] = self._spawn(f"server-{number}", "api", *flags, variables=variables)
        self.wait_until(lambda: self.is_ready(number), f"server {number} is ready")

    def address(self, number: int) -> str:
        """Where this very server is."""
        return f"http://127.0.0.1:{self.ports[number]}"

    def is_ready(self, number: int) -> bool:
        """Whether it serves."""
        return self._status("/ready", self.address(number)) == 200

    def kill_node(self, number: int) -> None:
        """SIGKILL."""
        kill(self._servers[number])

    def pause_node(self, number: int) -> None:
        """SIGSTOP: it holds whatever it holds, and says nothing."""
        self._servers[number].send_signal(signal.SIGSTOP)

    def resume_node(self, number: int) -> None:
        """SIGCONT."""
        self._servers[number].send_signal(signal.SIGCONT)

    def stop_node(self, number: int) -> int:
        """SIGTERM; answers its exit code."""
        self._servers[number].send_signal(signal.SIGTERM)
        return self._servers[number].wait(_END_SECONDS)

    def close(self) -> None:
        """End everything."""
        super().close()
        for process in self._servers.values():
            if process.poll() is None:
                kill(process)
        self._balancer.close()
