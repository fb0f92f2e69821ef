"""Stored configuration: put, show, resolve and remove entries. Secrets are sealed and opened here and nowhere else.

The value of a secret is shown to those who administrate, when they ask for it, and only after an event says so.
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent_swarm.domain import configuration
from agent_swarm.domain.accounts import KEY_PREFIX
from agent_swarm.domain.configuration import ConfigScope, Place, require_storable, use_of
from agent_swarm.domain.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    SecretUnreadable,
    SwarmError,
    UnknownReference,
)
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_config as rest
from agent_swarm.services import cursors
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.standing import swarm_place
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry, PutConfig, RemoveConfig, TellOfReveal
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST, DataKeyRetired
from agent_swarm.store.families.swarms import swarm_named
from agent_swarm.vault.backends.errors import InvalidReference
from agent_swarm.vault.backends.references import Reference, reference_in

TRIES = 3
_PAGE = 500

CheckReference = Callable[[Reference], None]  # raises SwarmError where this server could not follow it; may block
Problem = Callable[[str], str]  # what is wrong with the text of a setting; empty where nothing is


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which entries are meant; what is None does not matter."""

    scope: ConfigScope | None = None
    scope_id: str | None = None
    key: str | None = None


class Configuration:
    """The entries of one store. `settings` are those of the server that it reads from here, by their variable."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        redactor: Redactor,
        settings: Mapping[str, Problem] | None = None,
        *,
        check_reference: CheckReference = lambda _: None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._redactor = redactor
        self._settings = settings or {}
        self._check_reference = check_reference

    async def put(self, wanted: rest.ConfigInput, *, by: Identity) -> rest.ConfigEntry:
        """Store a value; the same again changes nothing and is no event.

        Raises InvalidInput for names and values that may not be, and for references that this server could not follow,
        Conflict for a secret that would become plain text with the value it has, EncryptionKeyMissing.
        """
        if wanted.key.startswith(KEY_PREFIX):
            raise InvalidInput(
                f"{wanted.key} is the name of an account, which is no value that people write",
                hint="import it: agent-swarm auth --help",
                details={"field": "key"},
            )
        await self._require_usable(wanted)
        for left in reversed(range(TRIES)):
            put, stored = await self._prepared(wanted, by)
            if put is None:
                assert stored is not None
                return self._view(stored)
            try:
                return self._view(await self._store.apply(put))
            except DataKeyRetired:
                if not left:
                    raise
                await self._vault.refresh(self._store)
        raise AssertionError("the last round returns or raises")

    async def page(
        self, where: Where, *, cursor: str | None, limit: int, secrets: bool, by: Identity
    ) -> rest.ConfigList:
        """A page of the entries, by place and key; with `secrets` also their values.

        Raises Denied, and InvalidInput for the id of a place of which the scope is not named.
        """
        _require_admin(by, secrets)
        if where.scope_id is not None and where.scope is None:
            raise InvalidInput("`scopeId` says nothing without `scope`", hint="name the scope: swarm, project or agent")
        after = cursors.read_entry(cursor)

        def reading(queries: Queries) -> list[ConfigEntry]:
            place = _place(queries, where.scope, where.scope_id) if where.scope and where.scope_id else None
            return _matching(queries, where, place, after=after, limit=limit + 1)

        found = await self._store.read(reading)
        shown, following = cursors.page(
            found, limit, lambda entry: cursors.after_entry(entry.scope, entry.scope_id, entry.key)
        )
        return rest.ConfigList(entries=await self._views(shown, secrets=secrets, by=by), next_cursor=following)

    async def resolved(
        self,
        *,
        agent: str | None,
        project: str | None,
        swarm: str | None,
        key: str | None,
        secrets: bool,
        by: Identity,
    ) -> rest.ResolvedConfig:
        """What counts for an agent, in a project, in a swarm; the most specific place first. Raises Denied."""
        _require_admin(by, secrets)

        def reading(queries: Queries) -> list[ConfigEntry]:
            project_id = _place(queries, ConfigScope.PROJECT, project)[1] if project else None
            agent_id = _place(queries, ConfigScope.AGENT, agent)[1] if agent else None
            swarm_id = _place(queries, ConfigScope.SWARM, swarm)[1] if swarm else None
            named = configuration.places(agent_id=agent_id, project_id=project_id, swarm_id=swarm_id)
            return list(configuration.resolved(entries_at(queries, place) for place in named).values())

        found = [entry for entry in await self._store.read(reading) if key in (None, entry.key)]
        return rest.ResolvedConfig(entries=await self._views(found, secrets=secrets, by=by))

    async def get(self, entry_id: str, *, secrets: bool, by: Identity) -> rest.ConfigEntry:
        """One entry. Raises NotFound, Denied."""
        _require_admin(by, secrets)
        found = await self._store.read(lambda queries: _by_id(queries, entry_id))
        return (await self._views([found], secrets=secrets, by=by))[0]

    async def remove(self, entry_id: str, *, by: Identity) -> rest.ConfigEntry:
        """Remove an entry; answers what it was, without the value of a secret. Raises NotFound."""
        found = await self._store.read(lambda queries: _by_id(queries, entry_id))
        removal = RemoveConfig(scope=found.scope, scope_id=found.scope_id, key=found.key, id=found.id, actor=by.actor)
        return self._view(await self._store.apply(removal))

    async def _prepared(self, wanted: rest.ConfigInput, by: Identity) -> tuple[PutConfig | None, ConfigEntry | None]:
        """What to write, given what is stored; None where it is stored already."""

        def reading(queries: Queries) -> tuple[Place, ConfigEntry | None]:
            self._vault.take(queries.scan(DATA_KEYS, limit=MOST))
            place = _place(queries, wanted.scope, wanted.scope_id or "", to_store=True)
            return place, queries.record(CONFIG, place[0], place[1], wanted.key)

        place, old = await self._store.read(reading)
        require_storable(*place, wanted.key)
        is_secret = wanted.is_secret if wanted.is_secret is not None else old is not None and old.is_secret
        before = self._value_of(old)
        value = self._wanted_value(wanted, old, before, is_secret=is_secret)
        self._require_fit(place, wanted.key, value)
        is_same = before is not None and hmac.compare_digest(before.encode(), value.encode())
        if old is not None and is_same and old.is_secret == is_secret:
            return None, old
        if is_secret:
            self._redactor.register([value])
        entry = ConfigEntry(
            scope=place[0], scope_id=place[1], key=wanted.key, id=new_id(), text=value, is_secret=is_secret
        )
        if is_secret:
            entry = replace(entry, text=self._vault.seal(entry.identity, value))
        made_from = old.text if old is not None and wanted.value is None else None
        return PutConfig(entry=entry, actor=by.actor, made_from=made_from), None

    async def _require_usable(self, wanted: rest.ConfigInput) -> None:
        """Refuse a reference that is malformed, not allowed, or whose backend this server lacks something for."""
        try:
            reference = reference_in(wanted.value or "")
            if reference is None:
                return
            if wanted.scope is ConfigScope.GLOBAL and wanted.key in self._settings:
                raise InvalidReference(
                    f"{wanted.key} is a setting of the server, which follows no references",
                    hint="store the value itself, or set it where the server is started",
                )
            await asyncio.to_thread(self._check_reference, reference)
        except SwarmError as exc:
            raise InvalidInput(f"value: {exc.message}", hint=exc.hint, details={"field": "value"}) from exc

    def _value_of(self, entry: ConfigEntry | None) -> str | None:
        """The stored value; None where there is none, or it cannot be opened: then it may be replaced."""
        if entry is None or not entry.is_secret:
            return entry.text if entry else None
        try:
            return self._vault.open(entry.identity, entry.text)
        except SecretUnreadable:
            return None

    def _wanted_value(
        self, wanted: rest.ConfigInput, old: ConfigEntry | None, before: str | None, *, is_secret: bool
    ) -> str:
        if wanted.value is not None:
            return wanted.value
        if old is None or before is None:
            raise InvalidInput(f"value is missing: {wanted.key} is not stored yet", details={"field": "value"})
        if old.is_secret and not is_secret:
            raise Conflict(
                f"{old.shown} is a secret; it becomes plain text only together with a new value",
                hint="send the value that everybody may see, or remove the entry",
                details={"field": "value"},
            )
        return before

    def _require_fit(self, place: Place, key: str, value: str) -> None:
        size = len(value.encode())
        if size > configuration.VALUE_BYTES:
            raise InvalidInput(
                f"value has {size:,} bytes, at most {configuration.VALUE_BYTES:,} can be stored",
                hint="keep large things in a file or a repository",
                details={"field": "value"},
            )
        check = self._settings.get(key) if place[0] is ConfigScope.GLOBAL else None
        if check is not None and (problem := check(value)):
            raise InvalidInput(f"value: {problem}", details={"field": "value"})

    async def _views(self, entries: Sequence[ConfigEntry], *, secrets: bool, by: Identity) -> list[rest.ConfigEntry]:
        """The entries as they are shown; values of secrets only after an event told of it."""
        hidden = tuple(entry for entry in entries if entry.is_secret)
        if not secrets or not hidden:
            return [self._view(entry) for entry in entries]
        await self._vault.refresh(self._store)
        await self._store.apply(TellOfReveal(entries=hidden, actor=by.actor))
        return [self._view(entry, self._value_of(entry)) for entry in entries]

    def _view(self, entry: ConfigEntry, value: str | None = None) -> rest.ConfigEntry:
        return rest.ConfigEntry(
            id=entry.id,
            scope=entry.scope,
            scope_id=entry.scope_id or None,
            key=entry.key,
            value=value if entry.is_secret else entry.text,
            is_secret=entry.is_secret,
            use=use_of(entry, self._settings),
            created_at=to_wire(entry.created_at),
            updated_at=to_wire(entry.updated_at),
            updated_by=entry.updated_by,
        )


def entries_at(queries: Queries, place: Place) -> list[ConfigEntry]:
    """The entries of one place, by key."""
    return queries.scan(CONFIG, *place, limit=configuration.ENTRIES_PER_PLACE)


def _require_admin(by: Identity, secrets: bool) -> None:
    if secrets and not by.may(Scope.CONFIG_ADMIN):
        raise Denied(
            f"to see the values of secrets needs the scope {Scope.CONFIG_ADMIN}, which the token does not have",
            hint="leave includeSecrets out, or use a token that may do this",
        )


def _place(queries: Queries, scope: ConfigScope, named: str, *, to_store: bool = False) -> Place:
    """The place that people name; raises UnknownReference for a project that is not there.

    Of a swarm that is not, or is no more, what was stored can still be found; `to_store` it has to be there.
    """
    if scope is ConfigScope.AGENT:
        agent_id = normalize_id(named)
        if agent_id is None:
            raise InvalidInput(f"scopeId: {named!r} is not an AGENT_ID", hint="see: agent-swarm agent list")
        return scope, agent_id
    if scope is ConfigScope.PROJECT and named:
        project = queries.project(normalize_id(named) or named)
        if project is None:
            raise UnknownReference(
                f"no project has the id or name {named!r}", hint="list projects with: agent-swarm repo list"
            )
        return scope, project.id
    if scope is ConfigScope.SWARM and named:
        known = None if to_store else swarm_named(queries, named)
        return scope, swarm_place(queries, named) if to_store else known.id if known else named
    return scope, named


def _matching(
    queries: Queries, where: Where, place: Place | None, *, after: tuple[str, str, str] | None, limit: int
) -> list[ConfigEntry]:
    prefix: tuple[str, ...] = place or ((where.scope,) if where.scope else ())
    if place and where.key:
        found = queries.record(CONFIG, *place, where.key)
        return [found] if found is not None and after is None else []
    rest_of = None if after is None else after[len(prefix) :]
    chosen: list[ConfigEntry] = []
    while len(chosen) < limit:
        page = queries.scan(CONFIG, *prefix, after=rest_of, limit=_PAGE)
        chosen += _with_key(page, where.key)
        if len(page) < _PAGE:
            break
        rest_of = CONFIG.key_of(page[-1])[len(prefix) :]
    return chosen[:limit]


def _with_key(page: Iterable[ConfigEntry], key: str | None) -> list[ConfigEntry]:
    return [entry for entry in page if key in (None, entry.key)]


def _by_id(queries: Queries, entry_id: str) -> ConfigEntry:
    after = None
    while page := queries.scan(CONFIG, after=after, limit=_PAGE):
        for entry in page:
            if entry.id == entry_id:
                return entry
        after = CONFIG.key_of(page[-1])
    raise NotFound(f"no entry of the configuration has the id {entry_id!r}", hint="see: agent-swarm config list")
