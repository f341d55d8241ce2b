"""What is remembered of devices: kept within bounds, found again by its words, and gone without a trace when it is erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest
import structlog
import trio

from badge.storage.ports import Store
from badge.storage.reading import read_only
from badge.storage.recollections import Exchanged, Fact, Known, Lesson
from badge.storage.schema import MIGRATIONS, migrate
from badge.storage.sqlite import SCRUB_AGAIN
from badge.storage.terms import MOST_TERMS, sought, terms
from tests.storage.stores import KINDS, exchange, fact, load, opened, save, sqlite, store_of


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, nursery: trio.Nursery, tmp_path: Path) -> Store:
    made = store_of(request.param, tmp_path)
    await nursery.start(made.run)
    return made


async def learn(
    store: Store,
    *facts: Fact,
    device: str = "a",
    gone: Sequence[str] = (),
    revalued: Sequence[Fact] = (),
    keep: int = 99,
    summaries: int = 99,
) -> None:
    number = await store.recall.add(exchange("something", device=device), keep=1000)
    lesson = Lesson(device=device, upto=number, facts=facts, gone=tuple(gone), revalued=tuple(revalued))
    assert await store.recall.learn(lesson, keep=keep, summaries=summaries)


async def known(store: Store, device: str = "a") -> list[str]:
    return [one.id for one in await store.recall.facts(device)]


# --- exchanges --------------------------------------------------------------------------------------------------------


@pytest.mark.req("ME-5")
async def test_exchanges_are_kept_in_order_and_for_each_device_alone(store: Store) -> None:
    assert await store.recall.exchanges("a") == ()
    numbers = [await store.recall.add(exchange(str(at), at=at), keep=9) for at in (5, 6, 7)]
    assert numbers == sorted(set(numbers))
    await store.recall.add(exchange("other", device="A", at=6), keep=9)
    found = await store.recall.exchanges("a")
    assert found == tuple(
        Exchanged(device="a", session="s", at=at, user=str(at), answer=f"answer to {at}", number=number)
        for at, number in zip((5, 6, 7), numbers, strict=True)
    )
    assert [one.user for one in await store.recall.exchanges("a", since=6)] == ["6", "7"]
    assert [one.user for one in await store.recall.exchanges("a", since=6, until=6)] == ["6"]
    assert [one.user for one in await store.recall.exchanges("a", limit=2)] == ["6", "7"]
    assert [one.user for one in await store.recall.exchanges("a", limit=0)] == []


async def test_of_too_many_exchanges_the_oldest_go_and_of_one_device_only(store: Store) -> None:
    await save(store, "b", "stays")
    for number in range(6):
        await store.recall.add(exchange(str(number)), keep=3)
    assert await load(store, "a") == "3 4 5"
    assert await load(store, "b") == "stays"


@pytest.mark.req("ME-4", "B-76")
async def test_what_nothing_was_learned_of_is_known_and_is_not_forgotten_before(store: Store) -> None:
    first = [await store.recall.add(exchange(str(at), at=at), keep=9) for at in range(3)]
    await save(store, "b", "unread")
    assert await store.recall.unread_devices() == ("a", "b")
    assert await store.recall.learn(Lesson(device="a", upto=first[1]), keep=9, summaries=9)
    assert [one.number for one in await store.recall.unread("a")] == [first[2]]
    assert [one.read for one in await store.recall.exchanges("a")] == [True, True, False]
    assert await store.recall.expire(before=99) == 2
    assert await load(store, "a") == "2"
    assert await store.recall.learn(Lesson(device="a", upto=first[2]), keep=9, summaries=9)
    assert await store.recall.unread_devices() == ("b",)
    assert await store.recall.expire(before=2, after=2) == 0
    assert await store.recall.expire(before=2, after=1) == 1


# --- facts ------------------------------------------------------------------------------------------------------------


async def test_facts_are_learned_and_replaced_together(store: Store) -> None:
    await learn(store, fact("1", "likes tea", created=1), fact("2", "lives in Rome", created=2))
    assert await known(store) == ["2", "1"]
    await learn(store, fact("1", "likes coffee", created=5), fact("3", "lives in Oslo", created=3), gone=["2", "x"])
    assert await known(store) == ["3", "1"]
    (_, first) = await store.recall.facts("a")
    assert (first.text, first.created, first.used) == ("likes tea", 1, 1), "it is there already"
    assert await store.recall.matching("a", sought("Rome coffee"), limit=9) == ()
    assert await store.recall.matching("a", sought("tea"), limit=9) == (first,)


async def test_known_facts_get_other_vectors_and_those_that_were_erased_stay_so(store: Store) -> None:
    one, two = fact("1", "likes tea", created=1), fact("2", "lives in Rome", created=2)
    await learn(store, one, two)
    await store.recall.serve("a", ["1"], now=9)
    await store.recall.forget("a", fact="2")
    await learn(store, revalued=[attrs.evolve(one, vector=b"1234", embedder="m", text="x"), two])
    assert await store.recall.facts("a") == (attrs.evolve(one, vector=b"1234", embedder="m", used=9),)


async def test_of_too_many_facts_those_go_that_have_not_served_longest(store: Store) -> None:
    for number in range(4):
        await learn(store, fact(str(number), f"fact {number}", created=number))
    await store.recall.serve("a", ["0", "unknown"], now=50)
    await store.recall.serve("b", ["1"], now=99)
    await learn(store, fact("4", "new", created=10), keep=3)
    assert await known(store) == ["0", "4", "3"]
    await learn(store, *(fact(f"s{n}", "talk", kind="summary", created=60 + n) for n in range(3)), keep=9, summaries=2)
    assert await known(store) == ["s2", "s1", "0", "4", "3"]


@pytest.mark.req("ME-5", "B-75")
async def test_nobody_finds_what_another_said(store: Store) -> None:
    await learn(store, fact("1", "likes tea"), device="a")
    await learn(store, fact("1", "likes tea, too", device="A"), device="A")
    assert [one.text for one in await store.recall.matching("A", sought("tea"), limit=9)] == ["likes tea, too"]
    assert await store.recall.matching("b", sought("tea"), limit=9) == ()
    assert await store.recall.facts("b") == ()
    await store.recall.forget("A")
    assert [one.text for one in await store.recall.matching("a", sought("tea"), limit=9)] == ["likes tea"]


@pytest.mark.req("ME-4")
async def test_exchanges_that_were_erased_meanwhile_teach_nothing(store: Store) -> None:
    number = await store.recall.add(exchange("a secret"), keep=9)
    await store.recall.forget("a", part="exchanges")
    assert not await store.recall.learn(
        Lesson(device="a", upto=number, facts=(fact("1", "a secret"),)), keep=9, summaries=9
    )
    again = await store.recall.add(exchange("nothing secret"), keep=9)
    assert again > number
    assert not await store.recall.learn(
        Lesson(device="a", upto=number, facts=(fact("1", "a secret"),)), keep=9, summaries=9
    )
    assert await known(store) == []


async def test_pauses_and_who_is_known(store: Store) -> None:
    await learn(store, fact("1", "likes tea", created=4))
    await store.recall.add(exchange("hello", at=7), keep=9)
    await store.recall.keep_pauses("b", [0.5, 1.25], now=3)
    await store.recall.keep_pauses("b", [0.75], now=2)
    assert await store.recall.pauses("b") == (0.75,)
    assert await store.recall.pauses("a") == ()
    assert await store.recall.devices() == (
        Known(device="a", exchanges=2, facts=1, latest=7),
        Known(device="b", exchanges=0, facts=0, latest=2),
    )
    await store.recall.forget("b")
    assert await store.recall.pauses("b") == ()


async def test_one_fact_or_one_part_is_erased(store: Store) -> None:
    await learn(store, fact("1", "one"), fact("2", "two"))
    assert await store.recall.forget("a", fact="1") == 1
    assert await store.recall.forget("a", fact="1") == 0
    assert await known(store) == ["2"]
    assert await store.recall.forget("a", part="facts") == 1
    assert len(await store.recall.exchanges("a")) == 1
    await learn(store, fact("3", "three"))
    assert await store.recall.forget("a") == 3
    assert await store.recall.devices() == ()


# --- terms ------------------------------------------------------------------------------------------------------------

FACTS = {
    "name": "The user's name is Anna.",
    "tea": "Likes oolong tea in the morning.",
    "dog": "Has a dog called Rex.",
    "city": "Lives in Berlin, near the zoo.",
    "sister": "Her sister Marie studies physics in Zürich.",
    "allergy": "Is allergic to peanuts.",
    "茶": "喜欢喝乌龙茶，不加糖。",
    "狗": "家里有一只狗，名字叫旺财。",
    "城市": "住在上海浦东。",
    "女儿": "女儿今年上小学二年级。",
    "工作": "在医院当护士，经常上夜班。",
    "过敏": "对花生过敏。",
}
QUESTIONS = {
    "what is my name": "name",
    "which teas do I like": "tea",
    "tell me about my dog": "dog",
    "how are the dogs": "dog",
    "what can I do in Berlin today": "city",
    "what does my sister study": "sister",
    "Is Zürich far": "sister",
    "can I eat peanut butter": "allergy",
    "我喜欢喝什么茶": "茶",
    "茶": "茶",
    "我的狗叫什么名字": "狗",
    "上海今天天气怎么样": "城市",
    "我女儿上几年级": "女儿",
    "明天要上夜班吗": "工作",
    "花生酱我能吃吗": "过敏",
}


@pytest.mark.req("ME-2")
@pytest.mark.parametrize("asked", QUESTIONS)
async def test_facts_are_found_by_their_words_in_english_and_chinese(store: Store, asked: str) -> None:
    await learn(store, *(fact(number, text) for number, text in FACTS.items()))
    found = [one.id for one in await store.recall.matching("a", sought(asked), limit=3)]
    assert found[:1] == [QUESTIONS[asked]], found


async def test_a_question_without_a_word_of_it_finds_nothing(store: Store) -> None:
    await learn(store, *(fact(number, text) for number, text in FACTS.items()))
    for asked in ("", "?!", "what is it", "你是谁", '" OR owner : "x', "\0", "supercalifragilistic"):
        assert await store.recall.matching("a", sought(asked), limit=3) == (), asked


def test_terms() -> None:
    assert terms("Likes TEAS, liked it; 喝茶!") == ("lik", "tea", "lik", "it", "喝", "茶", "喝茶")
    assert sought("What do I like? I like cafés") == ("lik", "cafés")
    assert terms("Ｔｅａ") == terms("tea")
    assert sought("我喜欢喝什么") == ("喜", "欢", "喝", "我喜", "喜欢", "欢喝", "喝什")
    assert len(sought(" ".join(map(str, range(1000))))) == MOST_TERMS
    assert all(term.isascii() is False or term.isalnum() for term in terms("a_b c-d 'e' \"f\" \0g\n*"))


# --- erasing ----------------------------------------------------------------------------------------------------------

SECRET = "Kryptonit"


def traces(folder: Path) -> dict[str, int]:
    """In which files a word is found, however it is written, and how often."""
    found = {}
    for file in folder.iterdir():
        data = file.read_bytes().lower()
        count = data.count(SECRET.lower().encode())
        if count:
            found[file.name] = count
    return found


@pytest.mark.req("CL-5")
async def test_nothing_of_what_is_erased_is_left_in_any_file(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        for number in range(300):  # so that pages split, and the index has several segments
            what = SECRET if number % 3 == 0 else "something else"
            device = "a" if number % 3 == 0 else "b"
            text = f"{what} number {number} " + "and more " * (number % 17)
            await learn(store, fact(str(number), text, device=device), device=device, keep=1000)
            await store.recall.add(exchange(text, device=device), keep=1000)
        assert traces(tmp_path)
        assert await store.recall.forget("a", fact="0") == 1
        assert await store.recall.forget("a") == 299
        assert traces(tmp_path) == {}, "while the server runs"
        assert len(await store.recall.matching("b", sought("something else number 1"), limit=999)) == 200
    assert traces(tmp_path) == {}


async def test_erasing_does_not_wait_for_ever_for_somebody_who_reads(tmp_path: Path) -> None:
    """The log cannot be emptied under a reader; the erasing itself is done all the same, and the operator is told."""
    async with sqlite(tmp_path) as store:
        await learn(store, fact("1", SECRET))
        reader = sqlite3.connect(tmp_path / "badge.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM facts").fetchall()
        with structlog.testing.capture_logs() as logs:
            assert await store.recall.forget("a") == 2
        assert [line["event"][:21] for line in logs] == ["what was erased is st"]
        reader.close()
        assert await store.recall.facts("a") == ()
        await store.recall.forget("a")
        assert traces(tmp_path) == {}


async def test_the_log_is_emptied_when_somebody_has_read(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store, trio.open_nursery() as nursery:
        await learn(store, fact("1", SECRET))
        reader = sqlite3.connect(tmp_path / "badge.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM facts").fetchall()

        async def end() -> None:
            await trio.sleep(SCRUB_AGAIN)
            reader.close()

        nursery.start_soon(end)
        with structlog.testing.capture_logs() as logs:
            assert await store.recall.forget("a") == 2
        assert (traces(tmp_path), logs) == ({}, [])


# --- versions ---------------------------------------------------------------------------------------------------------


async def test_a_file_of_the_version_before_gets_a_memory(tmp_path: Path) -> None:
    before = sqlite3.connect(tmp_path / "badge.db", isolation_level=None)
    migrate(before, MIGRATIONS[:1])
    before.execute("INSERT INTO drops VALUES ('a', 5)")
    before.close()
    async with sqlite(tmp_path) as store:
        await learn(store, fact("1", "likes tea"))
        assert [one.id for one in await store.recall.matching("a", sought("tea"), limit=9)] == ["1"]
        assert (await store.mail.waiting("a", now=0)).dropped == 5
    async with opened(store_of("sqlite", tmp_path)) as again:
        assert await known(again) == ["1"]


async def test_a_reader_finds_what_the_server_has_learned(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        await learn(store, fact("1", "likes tea"))
        with read_only(tmp_path / "badge.db") as stores:
            assert [one.id for one in await stores.recall.matching("a", sought("tea"), limit=9)] == ["1"]
            assert len(await stores.recall.devices()) == 1
