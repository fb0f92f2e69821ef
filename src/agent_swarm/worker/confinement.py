"""What a run may see, change and reach: the worker's settings and the run's folders as a `SandboxSpec`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from agent_swarm.sandbox.base import Network, NetworkMode, SandboxCapability, SandboxSpec
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.workspace import Folders, Workspace

MODEL_URLS = ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL")  # where an operator points agents at a model of their own
_DEFAULT_PORTS = {"http": 80, "https": 443}


def sandbox_spec(
    run_id: str,
    workspace: Workspace,
    folders: Folders,
    settings: WorkerSettings,
    *,
    records: Path,
    environ: Mapping[str, str],
) -> SandboxSpec:
    """The sandbox of one run. `records` is where the provider notes what runs; the run does not see it."""
    network = network_of(settings, environ)
    git = [path for path in (workspace.git_dir,) if path is not None]
    objects = [path for path in (workspace.objects,) if path is not None]
    return SandboxSpec(
        run_id=run_id,
        workspace=workspace.path,
        state_dir=records,
        writable=(*git, workspace.state_dir, folders.personal, *folders.own.values(), *settings.writable),
        readable=(*objects, folders.shared, *settings.readable),
        network=network,
    )


def needs(mode: NetworkMode) -> frozenset[SandboxCapability]:
    """What a provider has to enforce for runs with such a network."""
    return SandboxSpec(run_id="-", workspace=Path(), state_dir=Path(), network=Network(mode=mode)).needs


def network_of(settings: WorkerSettings, environ: Mapping[str, str]) -> Network:
    """The network of runs. The server is always on the list, and so is a model whose address agents are given."""
    urls = [settings.server_url, *(environ.get(name, "") for name in MODEL_URLS if name in settings.pass_env)]
    return Network(mode=settings.network, allow=settings.network_allow, own=tuple(_places(urls)))


def _places(urls: list[str]) -> Iterator[str]:
    for url in urls:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        if parts.hostname and port:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            yield f"{host}:{port}"
