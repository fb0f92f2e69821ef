"""What a run may see, change and reach: its folders, what its harness needs, and the worker's settings, as a spec."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from agent_swarm.harness.base import Grants, agent_part
from agent_swarm.sandbox.allowlist import Entry
from agent_swarm.sandbox.base import Network, NetworkMode, SandboxCapability, SandboxSpec
from agent_swarm.worker.permissions import Confinement, network_within
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.turns import Employer
from agent_swarm.worker.workspace import Workspace

# The variable that says where a model is, and where it is without it; empty: at no one place. A run that gets it
# has to get there.
MODELS = {
    "ANTHROPIC_BASE_URL": "https://api.anthropic.com",
    "COPILOT_PROVIDER_BASE_URL": "",
    "OPENAI_BASE_URL": "https://api.openai.com",
}
_CERTIFICATES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")  # files that other variables of a run may name
_DEFAULT_PORTS = {"http": 80, "https": 443}


def sandbox_spec(
    run_id: str, workspace: Workspace, employer: Employer, grants: Grants, held_to: Confinement, *, records: Path
) -> SandboxSpec:
    """The sandbox of one run. `records` is where the provider notes what runs; the run does not see it."""
    settings, folders = employer.settings, employer.folders
    read_only = held_to.is_read_only and held_to.is_enforced
    changeable = (
        *_given(workspace.git_dir),
        folders.personal,
        *folders.own.values(),
        *settings.writable,
    )
    passed = {*grants.variables, *settings.pass_env}
    named = [Path(value) for name in _CERTIFICATES if name in passed and (value := employer.environ.get(name))]
    return SandboxSpec(
        run_id=run_id,
        workspace=workspace.path,
        state_dir=records,
        writable=(agent_part(workspace.state_dir), *(() if read_only else changeable)),
        readable=(
            *(changeable if read_only else ()),
            workspace.state_dir,
            *_given(workspace.objects),
            folders.shared,
            *grants.readable,
            *_given(settings.claude_settings),
            *named,
            *settings.readable,
        ),
        network=network_within(network_of(settings, employer.environ, passed), held_to.asked)
        if held_to.is_enforced
        else network_of(settings, employer.environ, passed),
        read_only=read_only,
    )


def needs(mode: NetworkMode) -> frozenset[SandboxCapability]:
    """What a provider has to enforce for runs with such a network."""
    return SandboxSpec(run_id="-", workspace=Path(), state_dir=Path(), network=Network(mode=mode)).needs


def network_of(settings: WorkerSettings, environ: Mapping[str, str], passed: Collection[str]) -> Network:
    """The network of runs. On the list are always the server, and the models that runs are `passed` the address of."""
    models = [environ.get(name) or MODELS[name] for name in sorted(MODELS.keys() & set(passed))]
    urls = [settings.server_url, *filter(None, models)]
    return Network(mode=settings.network, allow=settings.network_allow, own=tuple(_places(urls)))


def _places(urls: list[str]) -> Iterator[str]:
    for url in urls:
        with suppress(ValueError):  # no address: the agent will say so
            parts = urlsplit(url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            place = f"{host}:{parts.port or _DEFAULT_PORTS.get(parts.scheme)}"
            Entry.parse(place)
            yield place


def _given(*paths: Path | None) -> list[Path]:
    return [path for path in paths if path is not None]
