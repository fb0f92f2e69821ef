"""Notes and their index of words: the same is found on every store, whatever is written and asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.databases import Make, serving

from agent_swarm.domain.errors import Conflict, Denied, InvalidInput, NotFound, TooLarge
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.notes import TEXT_BYTES, THE_SWARM, NotePlace, NoteScope, NoteSearch, mark_of
from agent_swarm.domain.words import terms_of
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families.note_vectors import StoreVectors
from agent_swarm.store.families.notes import NOTE_NAMES, NOTE_VECTORS, NOTES, Note, RemoveNote, StoreNote
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.sql import searching
from agent_swarm.store.sql.copying.database import copy_database
from agent_swarm.store.sql.searching import worth_looking_up
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import Driver

AGENT, OTHER = new_id(), new_id()
SWARM = NotePlace(NoteScope.SWARM, THE_SWARM)
PLACES = (NotePlace(NoteScope.AGENT, AGENT), NotePlace(NoteScope.AGENT, OTHER), SWARM)


def note(
    text: str, *, name: str = "", place: NotePlace = SWARM, tags: tuple[str, ...] = (), note_id: str = ""
) -> StoreNote:
    made = note_id or new_id()
    kept = Note(
        number=0, id=made, scope=place.scope, scope_id=place.id, name=name or f"note {made}", text=text, tags=tags
    )
    return StoreNote(note=kept, actor="operator")


def found(
    engine: Engine, query: str, *, places: tuple[NotePlace, ...] | None = None, tag: str = "", limit: int = 100
) -> list[str]:
    wanted = NoteSearch(places=places, terms=terms_of(query), tag=tag)
    return [one.name for one in engine.read(lambda queries: queries.search_notes(wanted, limit=limit))]


def test_given_notes_when_words_are_looked_for_then_those_with_all_of_them_are_found_newest_first(
    swarm: Driver,
) -> None:
    for number, text in enumerate(("Deploy the shop with Docker", "deployment of a café", "nothing of it")):
        swarm.do(note(text, name=f"n{number}", note_id=f"{0x190_0000_0000 + number:08x}"[:8] + new_id()[8:]))
    swarm.do(note("zzz", name="late"))
    assert set(found(swarm.engine, "deploy")) == {"n0", "n1"}
    assert found(swarm.engine, "DOCKER deploy") == ["n0"]
    assert found(swarm.engine, "cafe") == ["n1"]
    assert found(swarm.engine, "of it") == ["n2"]
    assert found(swarm.engine, "no") == []
    assert found(swarm.engine, "late") == ["late"]


def test_given_a_note_when_one_of_its_name_is_stored_then_it_takes_its_place_and_only_the_new_words_find_it(
    swarm: Driver,
) -> None:
    first = swarm.do(note("alpha words", name="one", tags=("old",)))
    swarm.advance(5)
    second = swarm.do(note("beta words", name="one"))
    assert (second.id, second.number, second.created_at) == (first.id, first.number, first.created_at)
    assert second.updated_at > first.updated_at
    assert (found(swarm.engine, "alpha"), found(swarm.engine, "beta")) == ([], ["one"])
    assert found(swarm.engine, "", tag="old") == []


def test_given_a_note_when_the_same_is_stored_again_then_there_is_no_event(swarm: Driver) -> None:
    first = swarm.do(note("alpha", name="one"))
    swarm.advance(5)
    assert swarm.do(note("alpha", name="one")) == first
    told = [event.type for event in swarm.engine.read(lambda queries: queries.events_after(0, limit=100))]
    assert told == ["memory.stored"]


def test_given_a_note_when_it_is_removed_then_nothing_finds_it_and_its_name_is_free(swarm: Driver) -> None:
    kept = swarm.do(note("alpha", name="one"))
    swarm.do(RemoveNote(note=kept, actor="operator"))
    assert found(swarm.engine, "alpha") == []
    assert swarm.engine.read(lambda queries: queries.scan(NOTE_NAMES, limit=5)) == []
    with pytest.raises(NotFound):
        swarm.do(RemoveNote(note=kept, actor="operator"))
    assert swarm.do(note("alpha", name="one")).id != kept.id


def test_given_a_note_in_the_place_of_another_when_that_one_is_removed_then_it_stays(swarm: Driver) -> None:
    gone = swarm.do(note("alpha", name="one", note_id="00000000-0000-7000-8000-000000000001"))
    swarm.do(RemoveNote(note=gone, actor="operator"))
    there = swarm.do(note("alpha", name="one", note_id="00000000-0000-7000-9000-000000000001"))
    assert there.number == gone.number
    with pytest.raises(NotFound):
        swarm.do(RemoveNote(note=gone, actor="operator"))
    assert found(swarm.engine, "alpha") == ["one"]


def test_given_a_note_of_somebody_else_when_only_its_author_may_remove_it_then_that_is_refused(swarm: Driver) -> None:
    kept = swarm.do(note("alpha"))
    with pytest.raises(Denied, match="written by operator"):
        swarm.do(RemoveNote(note=kept, actor=f"agent:{AGENT}", author_only=True))
    assert found(swarm.engine, "alpha") == [kept.name]


def test_given_two_notes_with_the_same_number_when_the_second_is_stored_then_it_is_refused_and_the_first_stays(
    swarm: Driver,
) -> None:
    kept = swarm.do(note("alpha", name="one"))
    with pytest.raises(Conflict, match="same moment"):
        swarm.do(note("beta", name="two", note_id=kept.id))
    assert found(swarm.engine, "alpha") == ["one"]


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (note(" \n"), InvalidInput),
        (note("x" * (TEXT_BYTES + 1)), TooLarge),
        (note("é" * (TEXT_BYTES // 2 + 1)), TooLarge),
        (note("x", name="y" * 201), InvalidInput),
        (note("x", name="two\nlines"), InvalidInput),
        (note("x", tags=("a b",)), InvalidInput),
        (note("x", tags=("",)), InvalidInput),
        (note("x", tags=tuple(f"t{number}" for number in range(21))), InvalidInput),
    ],
)
def test_given_a_note_that_may_not_be_when_the_store_is_told_to_then_it_refuses(
    swarm: Driver, made: StoreNote, error: type[Exception]
) -> None:
    with pytest.raises(error):
        swarm.do(made)
    assert swarm.engine.read(lambda queries: queries.scan(NOTES, limit=5)) == []


@pytest.mark.slow
def test_given_the_largest_note_of_different_words_when_it_is_stored_then_its_first_words_find_it(
    swarm: Driver,
) -> None:
    words = " ".join(f"{number:x}" for number in range(TEXT_BYTES))[:TEXT_BYTES]
    swarm.do(note(words, name="large"))
    swarm.do(note("ﷺ" * 40 + " " + " ".join(f"ﷺ{number:x}" for number in range(30_000)), name="blown up"))
    assert found(swarm.engine, "1234") == ["large"]


def test_given_notes_of_several_places_when_some_are_looked_in_then_others_are_not_shown(swarm: Driver) -> None:
    for place in PLACES:
        swarm.do(note("alpha", name=place.mark.replace("=", "."), place=place, tags=("t",)))
    own = (PLACES[0], SWARM)
    assert set(found(swarm.engine, "alpha", places=own)) == {place.mark.replace("=", ".") for place in own}
    assert found(swarm.engine, "", places=(PLACES[1],), tag="t") == [PLACES[1].mark.replace("=", ".")]
    assert found(swarm.engine, "agent", places=(PLACES[0],)) == [PLACES[0].mark.replace("=", ".")]  # by its name
    assert len(found(swarm.engine, "")) == 3


def test_given_a_text_that_looks_like_a_mark_when_it_is_stored_then_it_is_no_mark(swarm: Driver) -> None:
    swarm.do(note(f"{PLACES[0].mark} {mark_of('secret')}", name="forged"))
    assert found(swarm.engine, "", places=(PLACES[0],)) == []
    assert found(swarm.engine, "", tag="secret") == []


def named(engine: Engine, place: NotePlace, name: str) -> Note | None:
    def reading(queries: Queries) -> Note | None:
        known = queries.record(NOTE_NAMES, place.scope, place.id, name)
        return None if known is None else queries.record(NOTES, known.number)

    return engine.read(reading)


def test_given_more_notes_than_are_looked_through_when_words_are_looked_for_then_older_ones_are_found_by_the_index(
    swarm: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "NEWEST", 3)
    monkeypatch.setattr(searching, "_AT_ONCE", 2)
    texts = ["common rare", "rare alone", "common rarely said", "common", "common", "common", "common other"]
    for number, text in enumerate(texts):
        in_order = f"00000000-0000-7000-8000-{number:012x}"
        swarm.do(note(text, name=f"n{number}", place=PLACES[number % 2], note_id=in_order))

    assert found(swarm.engine, "common", limit=2) == ["n6", "n5"]  # among the newest
    assert found(swarm.engine, "common", limit=5) == ["n6", "n5", "n4", "n3", "n2"]
    assert found(swarm.engine, "common rare") == ["n2", "n0"]
    assert found(swarm.engine, "common rare other") == []
    assert found(swarm.engine, "common rare", places=PLACES[1:]) == []  # it is the other's
    assert found(swarm.engine, "rare", places=PLACES[:2]) == ["n2", "n1", "n0"]


def test_given_words_that_notes_share_unequally_when_the_index_is_asked_then_only_for_what_saves_rows() -> None:
    rare, seldom, often, nearly_all = ("a",), ("b",), ("c",), ("d",)
    assert worth_looking_up({nearly_all: 0.95, rare: 0.001}) == [rare]
    assert worth_looking_up({often: 0.3, seldom: 0.005, rare: 0.001}) == [rare, seldom]
    assert worth_looking_up({often: 0.3, nearly_all: 0.5}) == [often, nearly_all]
    assert worth_looking_up({nearly_all: 1.0}) == [nearly_all]


# --- whatever is written and asked -----------------------------------------------------------------------------------

HOSTILE = st.sampled_from(
    [
        '"', "'", "\\", "-x", "a:b", "NEAR(a b)", "a AND", "OR", "NOT a", "*", "a*", "(", ")", "^a", "{a}:b", ":*", "&",
        "|", "!", "<->", "%", "$$", "words:a", "%(asked)s", ":asked", "\ud7ff", "İı", "ß", "ﬁ", "漢字", "日本", "한국",
        "हिन्दी", "café", "cafe\u0301", "a\u200bb", "𝔘𝔫𝔦", "\U00020000", "x" * 100, "1.2.3", "snake_case", "C++",
    ]
)  # fmt: skip
PLAIN = st.sampled_from(["alpha", "alphabet", "beta", "be", "bet", "gamma", "7", "77", "777"])
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
PHRASE = st.lists(st.one_of(HOSTILE, PLAIN, ANY), max_size=6).map(" ".join)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Driver, Driver]]:
    """A database, and the memory store beside it."""
    if request.param == "sqlite":
        engine: Engine = SqliteEngine(tmp_path_factory.mktemp("notes") / "swarm.sqlite", synchronous="off")
    else:
        from agent_swarm.store.sql.postgres import PostgresEngine
        from agent_swarm.testing import postgres

        kept = postgres.database_with_tables(request.getfixturevalue("postgres_server"))
        engine = PostgresEngine(kept.__enter__())
        request.addfinalizer(lambda: kept.__exit__(None, None, None))  # noqa: PT021 - after the engine is closed
    engine.open()
    memory = MemoryEngine()
    memory.open()
    yield Driver(engine), Driver(memory)
    engine.close()


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(query=st.one_of(PHRASE, HOSTILE, st.text(st.characters(exclude_characters="\0"), max_size=40)), tag=PHRASE)
def test_given_any_query_when_it_is_asked_then_it_is_no_error_and_all_stores_find_the_same(
    pair: tuple[Driver, Driver], query: str, tag: str
) -> None:
    database, memory = pair
    for places in (None, (), (SWARM,), PLACES):
        for limit in (2, 100):
            answers = [found(one.engine, query, places=places, tag=tag, limit=limit) for one in (database, memory)]
            assert answers[0] == answers[1]


@pytest.mark.slow
def test_given_a_query_of_ten_kilobytes_when_it_is_asked_then_it_is_no_error(pair: tuple[Driver, Driver]) -> None:
    for query in ("x" * 10_000, "a " * 5_000, '"' * 10_000, " ".join(map(str, range(2_000)))):
        assert found(pair[0].engine, query) == found(pair[1].engine, query)


MOVE = st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(PLACES), PHRASE, st.booleans())


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    moves=st.lists(MOVE, min_size=1, max_size=12),
    queries=st.lists(PHRASE, min_size=1, max_size=4),
    limit=st.sampled_from([1, 3, 100]),
)
def test_given_a_history_of_notes_when_any_words_are_looked_for_then_all_stores_find_the_same(
    pair: tuple[Driver, Driver], moves: list[tuple[str, NotePlace, str, bool]], queries: list[str], limit: int
) -> None:
    for name, place, text, goes in moves:
        note_id = new_id()
        for one in pair:
            kept = named(one.engine, place, name)
            if goes and kept is not None:
                one.do(RemoveNote(note=kept, actor="operator"))
            elif text.strip():
                one.do(note(text, name=name, place=place, note_id=note_id, tags=(f"t{len(text) % 3}",)))
    words = [word for _, _, text, _ in moves for word in text.split()]
    for query in (*queries, *words[:6], "alp", "be"):
        for tag in ("", "t1"):
            database, memory = (found(one.engine, query, places=PLACES[:2], tag=tag, limit=limit) for one in pair)
            assert database == memory, query
    dumps = [one.engine.read(lambda queries: queries.scan(NOTES, limit=1_000)) for one in pair]
    assert [(one.number, one.name, one.words) for one in dumps[0]] == [(o.number, o.name, o.words) for o in dumps[1]]


# --- databases as a whole --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_given_notes_when_their_database_is_copied_then_the_copy_finds_them_and_keeps_its_index(
    make: Make, source: str, target: str
) -> None:
    origin, copy = make(source), make(target)
    with serving(origin) as engine:
        Driver(engine).do(note("alpha", name="one", tags=("t",)))
    copy_database(origin, copy)
    with serving(copy) as engine:
        swarm = Driver(engine)
        assert found(engine, "alpha", tag="t") == ["one"]
        swarm.do(note("beta", name="one"))
        swarm.do(note("alpha", name="two"))
        assert (found(engine, "alpha"), found(engine, "beta")) == (["two"], ["one"])


def test_given_notes_that_came_and_went_when_sqlite_checks_its_index_then_it_is_whole(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    swarm = Driver(engine)
    kept = [swarm.do(note(f"alpha {number}", name=f"n{number}")) for number in range(5)]
    swarm.do(RemoveNote(note=kept[0], actor="operator"))
    swarm.do(note("other", name="n1"))
    engine.close()
    database = sa.create_engine(f"sqlite:///{tmp_path / 'swarm.sqlite'}")
    with database.begin() as connection:
        connection.exec_driver_sql("INSERT INTO note_search (note_search, rank) VALUES ('integrity-check', 1)")
    database.dispose()


def vectors(swarm: Driver) -> list[tuple[int, str, str]]:
    kept = swarm.engine.read(lambda queries: queries.scan(NOTE_VECTORS, limit=100))
    return [(-one.rank, one.model, one.vector) for one in kept]


def test_given_vectors_of_notes_when_they_are_kept_then_only_of_those_that_are_still_what_was_read(
    swarm: Driver,
) -> None:
    kept, anew, removed = (swarm.do(note(f"text {number}", name=f"n{number}")) for number in range(3))
    swarm.advance(1)
    swarm.do(note("another text", name=anew.name))
    swarm.do(RemoveNote(note=removed, actor="operator"))

    stored = StoreVectors(model="m", notes=(kept, anew, removed), vectors=("1111", "2222", "3333"))

    assert swarm.do(stored) == 1
    assert vectors(swarm) == [(kept.number, "m", "1111")]


def test_given_a_note_with_a_vector_when_it_is_written_anew_or_removed_then_the_vector_goes_with_the_old_text(
    swarm: Driver,
) -> None:
    one, two = swarm.do(note("text", name="one")), swarm.do(note("text", name="two"))
    swarm.do(StoreVectors(model="m", notes=(one, two), vectors=("1111", "2222")))
    both = {(one.number, "m", "1111"), (two.number, "m", "2222")}
    assert vectors(swarm) == sorted(both, reverse=True)  # the newest first

    swarm.do(note("another", name="one"))
    assert vectors(swarm) == [(two.number, "m", "2222")]
    swarm.do(RemoveNote(note=two, actor="operator"))
    assert vectors(swarm) == []
