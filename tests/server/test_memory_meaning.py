"""`/api/memory` with an embedding model: notes are found by what they mean, and by their words whatever it does."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.test_memory import attempt, names, search, store
from tests.server.world import World, opened

from agent_swarm.services.embedding.endpoint import EmbeddingModel, ModelAddress, ModelUnreachable
from agent_swarm.store.families.notes import NOTE_VECTORS, NoteVector
from agent_swarm.testing.embedding_server import EmbeddingServer, embedding_server
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio
KEY = "sk-of-the-model"


@pytest.fixture
def model() -> Iterator[EmbeddingServer]:
    with embedding_server() as model:
        yield model


def told_of(model: EmbeddingServer, **more: Any) -> dict[str, Any]:
    """The settings of a server that has this model."""
    return {"embeddings_url": model.url, "embeddings_model": "concepts", "embeddings_key": KEY, **more}


@pytest.fixture
async def world(model: EmbeddingServer, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    async with opened(tmp_path, address=tmp_path / "swarm.sqlite", **told_of(model)) as world:
        yield world


async def vectors(world: World) -> list[NoteVector]:
    return list(await world.store.read(lambda queries: queries.scan(NOTE_VECTORS, limit=100)))


async def until_asked(world: World, count: int, model: str = "concepts") -> None:
    """Until so many notes have a vector of the model."""
    give_up_at = time.monotonic() + 10
    while [one.model for one in await vectors(world)] != [model] * count:
        assert time.monotonic() < give_up_at, await vectors(world)
        await asyncio.sleep(0.005)


async def test_given_notes_when_another_word_for_the_same_is_searched_then_those_that_mean_it_are_found(
    world: World,
) -> None:
    await store(world, "postgres runs on port 5433", name="where")
    await store(world, "the cat sleeps", name="pets")
    await until_asked(world, 2)

    found = await search(world, "database")

    assert (names(found), found["matched"]) == (["where"], "meaning")


async def test_given_words_and_meanings_when_it_is_searched_then_what_has_both_comes_first(world: World) -> None:
    await store(world, "a rollout takes an hour", name="like it")
    await store(world, "ship on Mondays", name="both")
    await store(world, "a ship on the sea, cat and dog and animal", name="the word alone")
    await until_asked(world, 3)

    found = await search(world, "ship")

    assert (names(found)[0], found["matched"]) == ("both", "all")
    assert sorted(names(found)) == ["both", "like it", "the word alone"]
    assert names(await search(world, "ship", tag="no")) == []


async def test_given_a_model_that_is_down_when_notes_are_stored_and_searched_then_words_do_and_it_catches_up(
    world: World, model: EmbeddingServer
) -> None:
    model.status = 503
    await store(world, "postgres runs on port 5433", name="where")
    await until(lambda: model.asked)
    assert names(await search(world, "postgres")) == ["where"]
    assert names(await search(world, "database")) == []

    model.status = 200
    await store(world, "something else", name="new")  # a note more has it ask again at once
    await until_asked(world, 2)

    assert names(await search(world, "storage")) == ["where"]
    answered = await world.call("GET", "/metrics")
    assert 'agent_swarm_embedding_requests_total{outcome="failed"}' in answered.text


async def test_given_a_note_that_is_written_anew_or_removed_then_it_is_not_found_by_what_it_meant(world: World) -> None:
    await store(world, "postgres runs on port 5433", name="one")
    other = await store(world, "a table of prices", name="two")
    await until_asked(world, 2)

    await store(world, "the dog barks", name="one")
    await until_asked(world, 2)
    assert names(await search(world, "database")) == ["two"]
    await world.call("DELETE", f"/api/memory/{other['id']}")
    assert names(await search(world, "database")) == []
    assert len(await vectors(world)) == 1


async def test_given_notes_of_another_agent_when_an_attempt_searches_then_no_meaning_leads_to_them(
    world: World,
) -> None:
    ada, bob = await attempt(world, "ada"), await attempt(world, "bob")
    await store(world, "postgres is slow", name="adas", token=ada.token)
    await store(world, "the release is late", name="bobs", token=bob.token)
    await until_asked(world, 2)

    assert names(await search(world, "database", token=bob.token)) == []
    assert names(await search(world, "rollout", token=bob.token)) == ["bobs"]
    assert names(await search(world, "rollout", scope="agent", token=bob.token)) == ["bobs"]


async def test_given_notes_of_before_when_a_server_starts_with_a_model_or_another_one_then_it_asks_about_them(
    model: EmbeddingServer, tmp_path: Path
) -> None:
    address = tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=address) as world:
        await store(world, "postgres runs on port 5433", name="where")
        assert names(await search(world, "database")) == []
    for name in ("concepts", "others"):
        async with opened(tmp_path, address=address, **told_of(model, embeddings_model=name)) as world:
            await until_asked(world, 1, name)
            assert names(await search(world, "database")) == ["where"]
    asked = len(model.asked)
    async with opened(tmp_path, address=address, **told_of(model, embeddings_model="others")) as world:
        await store(world, "new", name="new")
        await until_asked(world, 2, "others")
    assert len(model.asked) == asked + 1  # what is known is not asked about again


async def test_given_a_secret_in_a_note_and_a_query_then_the_model_does_not_hear_it(
    world: World, model: EmbeddingServer
) -> None:
    world.app.context.redactor.register(["hunter2hunter2"])
    await store(world, "the password is hunter2hunter2", name="key")
    await until_asked(world, 1)
    await search(world, "what is hunter2hunter2")

    assert len(model.asked) == 2
    assert not any("hunter2" in text for text in model.asked)
    assert {headers["authorization"] for headers in model.headers} == {f"Bearer {KEY}"}
    assert {headers["path"] for headers in model.headers} == {"/v1/embeddings"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": [{"index": 0}]}',
        b'{"data": []}',
        b'{"data": [{"index": 1, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": ["a"]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
    ],
)
async def test_given_an_answer_that_is_no_vector_then_it_is_a_failure_and_nothing_else(
    model: EmbeddingServer, body: bytes
) -> None:
    model.body = body
    with pytest.raises(ModelUnreachable):
        await EmbeddingModel(ModelAddress(url=model.url, model="concepts")).vectors(["text"])


async def test_given_a_redirect_then_the_key_is_not_taken_there(model: EmbeddingServer) -> None:
    with embedding_server() as other:
        model.status, model.location = 307, f"{other.url}/embeddings"
        with pytest.raises(ModelUnreachable, match="307"):
            await EmbeddingModel(ModelAddress(url=model.url, model="concepts", key=KEY)).vectors(["text"])
        assert other.headers == []
