"""The durable store and the one in memory give the same answers, whatever they are asked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import trio
from attrs import frozen
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from badge.config.team import StoreSettings
from badge.storage import tasks
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store, StoreError
from badge.storage.recollections import Exchanged, Fact, Lesson
from badge.storage.records import Hole, Letter, MeetingRecord, Reminder
from badge.storage.registry import DeviceEdit, Visit
from badge.storage.sqlite import SqliteStore
from badge.storage.tasks import Assign, Change, Claim, Complete, Create, Draft, Edit, Finish
from badge.storage.terms import sought
from tests.storage.stores import opened

EXAMPLES = int(os.environ.get("BADGE_AGREEMENTS", "60"))


@frozen
class Ask:
    """One call of a store."""

    part: str
    method: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]


REOPEN = Ask("", "", (), {})

ids = st.sampled_from(["1", "2", "3", "ä", "0\0", "'"])
devices = st.sampled_from(["a", "b", "A"])
groups = st.sampled_from(["g", "h"])
times = st.integers(0, 12)
texts = st.text(max_size=5)


def asks(part: str, method: str, /, *positional: Any, **named: Any) -> st.SearchStrategy[Ask]:
    return st.builds(Ask, st.just(part), st.just(method), st.tuples(*positional), st.fixed_dictionaries(named))


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=4).map(tuple)


drafts = st.builds(Draft, id=ids, title=texts, due=st.none() | texts, source=texts)
edits = st.builds(
    Edit,
    id=ids,
    title=st.none() | texts,
    due=st.sampled_from([None, "", "2026-11-22"]),
    status=st.sampled_from([None, "open", "done"]),
    release=st.booleans(),
)
commands = st.one_of(
    st.builds(Create, device=devices, at=times, drafts=some(drafts)),
    st.builds(Change, device=devices, at=times, edits=some(edits)),
    st.builds(Assign, device=devices, at=times, id=ids),
    st.builds(Claim, device=devices, at=times),
    st.builds(Complete, device=devices, at=times, ids=some(ids)),
    st.builds(Finish, device=devices, at=times),
)
letters = st.builds(
    Letter, id=ids, sender=devices, to=devices, category=texts, payload=texts, sent=times, expires=times
)
meetings = st.builds(
    MeetingRecord,
    id=ids,
    device=devices,
    started=times,
    state=st.sampled_from(["active", "interrupted", "finalising", "summarising", "finalised"]),
    ended=times,
    seen=times,
    pushed=times,
    pushes=times,
    segments=times,
    checkpoint=texts,
    minutes=texts,
    delivered=st.booleans(),
)
holes = st.builds(Hole, since=times, until=times, reason=texts)
reminders = st.builds(Reminder, id=ids, device=devices, due=times, text=texts, created=times)

codes = st.sampled_from(["", "1", "2", "3"])
visits = st.builds(
    Visit, device=devices, client=ids, serial=st.sampled_from(["", "s"]), at=times, codes=some(codes), expires=times
)
device_edits = st.builds(
    DeviceEdit,
    bound=st.none() | st.booleans(),
    client=st.none() | ids,
    name=st.none() | texts,
    owner=st.none() | texts,
)

TASKS = asks("tasks", "carry_out", groups, commands)
MAIL = st.one_of(
    asks("mail", "post", letters, bound=st.integers(0, 3), sparing=some(st.tuples(devices, ids)).map(frozenset)),
    asks("mail", "unread", devices),
    asks("mail", "waiting", devices, now=times, limit=st.integers(0, 4)),
    asks("mail", "mark", devices, some(st.tuples(devices, ids)), heard=st.booleans()),
    asks("mail", "expire", now=times),
)
MEETINGS = st.one_of(
    asks("meetings", "begin", meetings),
    asks("meetings", "save", meetings),
    asks("meetings", "add", ids, ts=times, text=texts),
    asks("meetings", "miss", ids, holes),
    asks("meetings", "current", devices),
    asks("meetings", "latest", device=st.none() | devices, limit=st.integers(0, 4)),
    asks("meetings", "unfinished"),
    asks("meetings", "undelivered", devices),
    asks("meetings", "segments", ids, after=st.integers(-1, 3), limit=st.integers(0, 3)),
)
facts = st.builds(
    Fact,
    id=ids,
    device=devices,
    text=st.sampled_from(["likes tea", "drinks teas", "喜欢喝茶", "a dog named Rex", "狗叫旺财", ""]),
    kind=st.sampled_from(["fact", "summary"]),
    session=texts,
    created=times,
    used=times,
    vector=st.binary(max_size=8),
    embedder=texts,
)
kept = st.integers(0, 4)


@st.composite
def lessons(draw: st.DrawFn) -> Lesson:
    device = draw(devices)
    learned = tuple(attrs.evolve(one, device=device) for one in draw(some(facts)))
    revalued = draw(some(facts))
    return Lesson(
        device=device, upto=draw(st.integers(0, 20)), facts=learned, gone=draw(some(ids)), revalued=tuple(revalued)
    )


RECALL = st.one_of(
    asks(
        "recall",
        "add",
        st.builds(Exchanged, device=devices, session=texts, at=times, user=texts, answer=texts, read=st.booleans()),
        keep=kept,
    ),
    asks("recall", "learn", lessons(), keep=kept, summaries=kept),
    asks("recall", "exchanges", devices, since=times, until=times, limit=kept),
    asks("recall", "unread", devices, limit=kept),
    asks("recall", "expire", before=times, after=times),
    asks("recall", "facts", devices, limit=kept),
    asks("recall", "serve", devices, some(ids), now=times),
    asks("recall", "keep_pauses", devices, some(st.floats(0, 9)), now=times),
    asks("recall", "forget", devices, part=st.sampled_from(["all", "exchanges", "facts"]), fact=st.just("") | ids),
)
OTHERS = st.one_of(
    asks("reminders", "add", reminders),
    asks("reminders", "remove", ids),
    asks("reminders", "due", now=times),
    asks("reminders", "next", after=times),
    asks("presence", "seen", devices, groups, now=times),
    asks("devices", "speak", devices, codes, times),
    st.just(REOPEN),
)
DEVICES = st.one_of(
    asks("devices", "visit", visits, most=st.integers(1, 3)),
    asks("devices", "edit", devices, device_edits, now=times),
    asks("devices", "of_code", codes, now=times),
    asks("devices", "known", limit=st.integers(0, 4)),
)

EVERYTHING = [
    *(Ask("tasks", "snapshot", (group,), {}) for group in ("g", "h")),
    *(
        Ask("meetings", method, (one,), {})
        for method in ("get", "segments", "holes")
        for one in ("1", "2", "3", "ä", "0\0", "'")
    ),
    *(
        Ask("recall", method, (device,), {})
        for method in ("exchanges", "unread", "facts", "pauses")
        for device in ("a", "b", "A")
    ),
    *(
        Ask("recall", "matching", (device, sought(words)), {"limit": 9})
        for device in ("a", "b", "A")
        for words in ("tea", "茶", "狗叫什么", "my dog's name", "nothing of it")
    ),
    Ask("recall", "unread_devices", (), {}),
    Ask("recall", "devices", (), {}),
    *(Ask("reminders", "of", (device,), {}) for device in ("a", "b", "A")),
    *(Ask("presence", "members", (group,), {}) for group in ("g", "h")),
    *(Ask("mail", "waiting", (device,), {"now": 0}) for device in ("a", "b", "A")),
    *(Ask("devices", "get", (device,), {}) for device in ("a", "b", "A")),
    *(Ask("devices", "speak", (device, "1", 0), {}) for device in ("a", "b", "A")),
    Ask("devices", "known", (), {}),
    Ask("mail", "expire", (), {"now": 99}),
    Ask("meetings", "latest", (), {}),
]


async def answer(store: Store, ask: Ask) -> Any:
    try:
        given = await getattr(getattr(store, ask.part), ask.method)(*ask.positional, **ask.named)
    except StoreError as exc:
        return exc.detail
    return sorted(given, key=lambda fact: fact.id) if ask.method == "matching" else given  # rarity is a matter of taste


async def compare(file: Path, wishes: list[Ask]) -> None:
    model = MemoryStore()
    while wishes:
        async with opened(SqliteStore(StoreSettings(file=str(file), synchronous="normal"))) as durable:
            while wishes:
                ask = wishes.pop(0)
                if ask == REOPEN:
                    break
                expected = await answer(model, ask)
                assert await answer(durable, ask) == expected, ask


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    [
        Ask(
            "mail",
            "post",
            (Letter(id="1", sender="a", to="b", category="", payload="", sent=0, expires=1),),
            {"bound": 0},
        )
    ]
)
@given(st.lists(st.one_of(TASKS, MAIL, MEETINGS, RECALL, DEVICES, OTHERS), min_size=1, max_size=60))
def test_the_stores_agree(wishes: list[Ask]) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(tasks, "MOST_TASKS", 4):
        trio.run(compare, Path(folder) / "badge.db", [*wishes, REOPEN, *EVERYTHING])
