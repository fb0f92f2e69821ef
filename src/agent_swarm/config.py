"""How settings are read: typed dataclasses, and one order of precedence for all of them.

defaults < `<data-dir>/config.toml` < stored configuration < environment < command-line flags; later wins. Only settings
that are read once the database is open can be stored there. An empty variable counts as unset.
A setting that does not parse, or a key that does not exist in config.toml, is refused with the setting's name and
what was expected. The reference page of settings is checked against these classes.
"""

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent_swarm.domain.errors import SwarmError

S = TypeVar("S")


class SettingError(SwarmError):
    """A setting cannot be used as it stands."""

    code = "invalidSetting"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where one setting comes from. `env` lists the variables that set it, the first non-empty one wins."""

    env: tuple[str, ...]
    help: str
    parse: Callable[[str], Any]
    expected: str
    secret: bool = False
    stored: bool = False  # it may also come from the stored configuration


def setting(
    default: Any,
    *,
    env: str | tuple[str, ...],
    help: str,
    parse: Callable[[str], Any] = str,
    expected: str = "text",
    secret: bool = False,
    stored: bool = False,
) -> Any:
    """A dataclass field with its sources; `parse` turns the text of a variable into the value, or raises ValueError."""
    names = (env,) if isinstance(env, str) else env
    return dataclasses.field(
        default=default, metadata={"setting": Setting(names, help, parse, expected, secret, stored)}, repr=not secret
    )


def settings_of(cls: type[Any]) -> dict[str, Setting]:
    """The settings of a class by field name, for loading and for the reference page."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(cls) if "setting" in field.metadata}


def load(
    cls: type[S],
    *,
    section: str,
    toml: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> S:
    """Read `cls` from config.toml's `[section]`, the environment and `flags` (None values are not set)."""
    environ = os.environ if environ is None else environ
    known = settings_of(cls)
    values: dict[str, Any] = {}
    for name, raw in toml_section(toml, section).items():
        if name not in known:
            raise SettingError(
                f"{toml}: unknown setting {section}.{name}", hint=f"known here: {', '.join(sorted(known))}"
            )
        values[name] = _parse(known[name], str(raw), f"{section}.{name} in {toml}")
    for name, source in known.items():
        for variable in source.env:
            if environ.get(variable, "").strip():
                values[name] = _parse(source, environ[variable].strip(), variable)
                break
    values.update({name: value for name, value in (flags or {}).items() if value is not None})
    return cls(**values)


def given(cls: type[Any], *, environ: Mapping[str, str], flags: Mapping[str, Any]) -> frozenset[str]:
    """The settings that the environment or a flag decides, by field name."""
    named = {
        name for name, source in settings_of(cls).items() if any(environ.get(one, "").strip() for one in source.env)
    }
    return frozenset(named | {name for name, value in flags.items() if value is not None})


def problem_with(source: Setting, text: str) -> str:
    """Why a setting cannot have this text; empty where it can."""
    try:
        source.parse(text)
    except ValueError:
        return f"expected {source.expected}"
    return ""


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of an env file; understands `KEY=value`, `export KEY="value"`, comments and blank lines."""
    variables: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise SettingError(f"cannot read the env file {path}: {exc.strerror}", hint="check --env-file") from exc
    for number, line in enumerate(lines, 1):
        stripped = line.strip().removeprefix("export ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, separator, value = stripped.partition("=")
        if not separator or not key.strip().replace("_", "a").isalnum():
            raise SettingError(f"{path}, line {number}: expected KEY=value", hint="quote values that hold spaces")
        variables[key.strip()] = _unquoted(value.strip())
    return variables


def boolean(text: str) -> bool:
    """`true`, `1`, `yes`, `on` and their opposites, in any case."""
    try:
        return {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def comma_separated(text: str) -> tuple[str, ...]:
    """`a, b` as ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def path(text: str) -> Path:
    """A path with `~` expanded."""
    return Path(text).expanduser()


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


def home() -> Path:
    """Where everything of ours lives by default: `$AGENT_SWARM_HOME`, else `~/.agent-swarm`."""
    return path(os.environ.get("AGENT_SWARM_HOME", "").strip() or "~/.agent-swarm")


def toml_section(toml: Path | None, section: str) -> dict[str, Any]:
    """What stands in `[section]`, as it stands; empty where there is no such file or section."""
    if toml is None or not toml.exists():
        return {}
    try:
        content = tomllib.loads(toml.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingError(f"{toml} is not valid TOML: {exc}", hint="correct the file or remove it") from exc
    found = content.get(section, {})
    if not isinstance(found, dict):
        raise SettingError(f"{toml}: [{section}] must be a table", hint=f"write [{section}] on a line of its own")
    return found


def _parse(source: Setting, text: str, origin: str) -> Any:
    try:
        return source.parse(text)
    except ValueError as exc:
        shown = "its value" if source.secret else repr(text)
        raise SettingError(f"{origin}: {shown} is not {source.expected}", hint=source.help) from exc


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
