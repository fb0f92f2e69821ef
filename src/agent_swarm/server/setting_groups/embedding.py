"""Where an embedding model is, for finding notes by what they mean."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from agent_swarm.config import SettingError, setting
from agent_swarm.server.setting_groups.texts import above_zero
from agent_swarm.services.embedding import likeness
from agent_swarm.services.embedding.endpoint import ModelAddress


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(text)
    return text


def _likeness(text: str) -> float:
    value = float(text)
    if not -1 <= value <= 1:
        raise ValueError(text)
    return value


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class EmbeddingSettings:
    """Where an embedding model is."""

    embeddings_url: str = setting(
        "",
        env="AGENT_SWARM_EMBEDDINGS_URL",
        help="an embedding model that notes are sent to, to be found by what they mean, too: what comes before "
        "/embeddings of an API like OpenAI's, such as http://127.0.0.1:11434/v1; without it words alone count",
        parse=_url,
        expected="https://host/path or http://host/path, without user, password, query",
    )
    embeddings_model: str = setting(
        "", env="AGENT_SWARM_EMBEDDINGS_MODEL", help="the name of that model", expected="a name"
    )
    embeddings_key: str = setting(
        "", env="AGENT_SWARM_EMBEDDINGS_KEY", help="the key for it, sent as a bearer token", secret=True
    )
    embeddings_seconds: float = setting(
        10.0,
        env="AGENT_SWARM_EMBEDDINGS_SECONDS",
        help="how long it may take to answer",
        parse=above_zero(float),
        expected="a number of seconds",
    )
    embeddings_likeness: float = setting(
        0.35,
        env="AGENT_SWARM_EMBEDDINGS_LIKENESS",
        help="the cosine from which on a note counts as found by what it means; models differ in it",
        parse=_likeness,
        expected="a number from -1 to 1",
    )

    @property
    def embedding(self) -> ModelAddress | None:
        """The model; None where there is none. Raises SettingError where it cannot be used."""
        if not self.embeddings_url:
            return None
        if not self.embeddings_model:
            raise SettingError(
                "AGENT_SWARM_EMBEDDINGS_URL is set and AGENT_SWARM_EMBEDDINGS_MODEL is not",
                hint="name the model, such as nomic-embed-text or text-embedding-3-small",
            )
        if not likeness.is_installed():
            raise SettingError(
                "AGENT_SWARM_EMBEDDINGS_URL is set, and what compares vectors is not installed",
                hint=f'install it: pip install "agent-swarm[server,{likeness.EXTRA}]"',
            )
        return ModelAddress(
            url=self.embeddings_url,
            model=self.embeddings_model,
            key=self.embeddings_key,
            timeout_seconds=self.embeddings_seconds,
        )
