"""VS Code on a VM, by its Remote-SSH: an entry per VM that ssh reads, and one line in the user's configuration.

The entry lies with the VM and goes with it. Whether ssh finds it is asked of ssh itself.
"""

import shutil
import subprocess
from pathlib import Path

from agent_swarm.vm.errors import EngineMissing, VmError
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.names import VmRef
from agent_swarm.vm.ssh import options_of


def user_config() -> Path:
    """The ssh configuration that VS Code reads, which need not exist."""
    return Path.home() / ".ssh/config"


def command(host: VmHost, ref: VmRef, path: str, *, config: Path, configure: bool) -> list[str]:
    """The command that opens VS Code in the VM, started where it does not run.

    `config` is the user's ssh configuration; with `configure` the line that is missing in it is put there. Raises
    EngineMissing without VS Code or ssh, VmError where the line is missing.
    """
    program = shutil.which("code")
    if program is None:
        raise EngineMissing(
            "VS Code's command `code` is not on PATH",
            hint="in VS Code: Shell Command: Install 'code' command in PATH; it needs the extension Remote - SSH",
        )
    options = options_of(host, ref)
    (host.paths(ref).folder / "ssh_config").write_text(options.entry, encoding="utf-8")
    line = f'Include "{host.layout.vms}/*/ssh_config"'
    if not _is_known(options.program, options.alias, config):
        if not configure:
            raise VmError(
                f"ssh does not know {options.alias}: {config} does not include its entry",
                hint=f"put at its top: {line} - or have that done: agent-swarm code --configure",
            )
        _put_first(config, line)
    return [program, "--remote", f"ssh-remote+{options.alias}", path]


def _is_known(program: str, alias: str, config: Path) -> bool:
    if not config.exists():
        return False
    asked = subprocess.run([program, "-G", "-F", config, alias], capture_output=True, text=True, check=False)
    return f"hostkeyalias {alias}" in asked.stdout.lower().splitlines()


def _put_first(config: Path, line: str) -> None:
    """Before the first entry: what comes after one would be a part of it."""
    try:
        config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = config.read_text(encoding="utf-8") if config.exists() else ""
        unfinished = config.with_name(f".{config.name}.agent-swarm")
        unfinished.write_text(f"{line}\n\n{before}", encoding="utf-8")
        unfinished.chmod(config.stat().st_mode & 0o777 if before else 0o600)
        unfinished.replace(config.resolve())
    except OSError as exc:
        raise VmError(f"cannot write {config}: {exc.strerror}", hint=f"put at its top yourself: {line}") from exc
