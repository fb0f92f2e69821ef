"""Who commits: the person the operator named, else the agent itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.worker.workspace.names import valid_id

_NOT_IN_AN_IDENTITY = re.compile(r"[\x00-\x20\x7f<>]+")
_CRUD = " .,:;\"\\'"  # git strips these from both ends and refuses a name made of nothing else (ident.c)


@dataclass(frozen=True, slots=True)
class Identity:
    """The author and committer of an agent's commits."""

    name: str
    email: str

    @classmethod
    def of_agent(
        cls, agent_id: str, agent_name: str, *, name: str | None = None, email: str | None = None
    ) -> "Identity":
        """`name` and `email` are GITHUB_NAME and GITHUB_EMAIL; each falls back to the agent's own where it is empty."""
        agent_id = valid_id("agent", agent_id)
        return cls(
            name=_clean(name or "") or _clean(agent_name) or agent_id,
            email=_clean(email or "") or f"{agent_id}@agents.agent-swarm.invalid",
        )

    def env(self) -> dict[str, str]:
        """Variables that make every git commit by this identity."""
        return {
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": self.email,
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": self.email,
        }


def agent_env(identity: Identity, run_dir: Path) -> Mapping[str, str]:
    """What an agent's environment gets for git.

    The ceiling keeps git from finding a repository above the workspace, such as dotfiles kept in the home directory,
    where the run has no project or the agent has deleted its `.git`.
    """
    return {**identity.env(), "GIT_TERMINAL_PROMPT": "0", "GIT_CEILING_DIRECTORIES": str(run_dir)}


def _clean(text: str) -> str:
    return _NOT_IN_AN_IDENTITY.sub(" ", text).strip(_CRUD)
