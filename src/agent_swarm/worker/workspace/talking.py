"""Commands that talk to a project's repository: with its credentials, under its time limit, saying nothing secret."""

from agent_swarm.worker.workspace.git import Git, GitOutput
from agent_swarm.worker.workspace.repository import Repository
from agent_swarm.worker.workspace.urls import Remote


async def talk(
    repo: Repository,
    remote: Remote,
    service: str,
    command: str,
    *args: str,
    git: Git | None = None,
    best_effort: bool = False,
) -> GitOutput:
    """Run `command` in `repo`, which talks to `service` (`upload-pack` or `receive-pack`) of the project's repository.

    `git` is the one to use where it is not the repository's own. Raises GitFailed, as a subclass that says why.
    """
    runner = git or repo.git
    return await runner.run(
        *remote.options(),
        command,
        *remote.serving(service),
        *args,
        cwd=repo.git_dir,
        env={**remote.env(), "GIT_DIR": str(repo.git_dir)},
        limit=runner.timeouts.best_effort if best_effort else runner.timeouts.network,
        secrets=remote.secrets,
    )
