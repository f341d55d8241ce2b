"""What is remembered of devices, in SQLite."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from sqlite3 import Connection

import trio

from badge.storage.carrying import Carry
from badge.storage.recollections import END_OF_TIME, Exchanged, Fact, Known, Lesson, Part
from badge.storage.rows import build, columns, insert, names
from badge.storage.terms import terms

_EXCHANGES = f"SELECT {columns(Exchanged)} FROM exchanges"
_FACTS = f"SELECT {columns(Fact)} FROM facts"
_LATEST = f"{_EXCHANGES} WHERE device = ? AND at BETWEEN ? AND ? ORDER BY number DESC LIMIT ?"
_ADD = "INSERT INTO exchanges (device, session, at, user, answer, read) VALUES (?, ?, ?, ?, ?, ?)"
_SURPLUS = """DELETE FROM exchanges WHERE number IN (
    SELECT number FROM exchanges WHERE device = ? ORDER BY number DESC LIMIT -1 OFFSET ?
)"""
_FOUND = f"""SELECT {", ".join(f"facts.{name}" for name in names(Fact))}
    FROM found JOIN facts ON facts.seq = found.rowid
    WHERE found MATCH ? AND facts.device = ? ORDER BY bm25(found, 0, 1), facts.seq DESC LIMIT ?"""
_REVALUE = "UPDATE facts SET vector = ?, embedder = ? WHERE device = ? AND id = ?"
_LEAST = """DELETE FROM facts WHERE seq IN (
    SELECT seq FROM facts WHERE device = ? ORDER BY used DESC, seq DESC LIMIT -1 OFFSET ?
)"""
_OLD_SUMMARIES = """DELETE FROM facts WHERE seq IN (
    SELECT seq FROM facts WHERE device = ? AND kind = 'summary' ORDER BY seq DESC LIMIT -1 OFFSET ?
)"""
_KNOWN = """SELECT device, sum(exchanges), sum(facts), max(latest) FROM (
    SELECT device, 1 AS exchanges, 0 AS facts, at AS latest FROM exchanges
    UNION ALL SELECT device, 0, 1, created FROM facts UNION ALL SELECT device, 0, 0, at FROM pauses
) GROUP BY device ORDER BY device"""
_PAUSES = "INSERT INTO pauses VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET pauses = excluded.pauses, at = excluded.at"


class SqliteRecall:
    """A `RecallStore`. `scrub` takes what was erased out of the log beside the file."""

    def __init__(self, carry: Carry, scrub: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint) -> None:
        self._carry = carry
        self._scrub = scrub

    async def add(self, exchange: Exchanged, *, keep: int) -> int:
        """Keep an exchange."""
        return await self._carry(lambda db: _add(db, exchange, keep))

    async def exchanges(
        self, device: str, *, since: int = 0, until: int = END_OF_TIME, limit: int = 1_000_000
    ) -> tuple[Exchanged, ...]:
        """The latest exchanges of a device, in order."""
        asked = device, since, until, limit
        return await self._carry(lambda db: build(Exchanged, db.execute(_LATEST, asked))[::-1])

    async def unread(self, device: str, *, limit: int = 1_000_000) -> tuple[Exchanged, ...]:
        """Exchanges of which nothing was learned yet."""
        sql = f"{_EXCHANGES} WHERE device = ? AND NOT read ORDER BY number LIMIT ?"
        return await self._carry(lambda db: build(Exchanged, db.execute(sql, (device, limit))))

    async def unread_devices(self) -> tuple[str, ...]:
        """Devices that have some."""
        sql = "SELECT DISTINCT device FROM exchanges WHERE NOT read ORDER BY device"
        return await self._carry(lambda db: tuple(device for (device,) in db.execute(sql)))

    async def learn(self, lesson: Lesson, *, keep: int, summaries: int) -> bool:
        """Keep what was learned, and know that it was."""
        return await self._carry(lambda db: _learn(db, lesson, keep, summaries))

    async def expire(self, *, before: int, after: int = END_OF_TIME) -> int:
        """Forget exchanges that are over."""
        sql = "DELETE FROM exchanges WHERE read AND (at < ? OR at > ?)"
        return await self._carry(lambda db: db.execute(sql, (before, after)).rowcount)

    async def matching(self, device: str, words: Sequence[str], *, limit: int) -> tuple[Fact, ...]:
        """Facts with at least one of these terms."""
        if not words:
            await trio.lowlevel.checkpoint()
            return ()
        any_of = " OR ".join(f'"{word}"' for word in words)
        match = f"owner : {owner_of(device)} AND terms : ({any_of})"
        return await self._carry(lambda db: build(Fact, db.execute(_FOUND, (match, device, limit))))

    async def facts(self, device: str, *, limit: int = 1_000_000) -> tuple[Fact, ...]:
        """The facts of a device."""
        sql = f"{_FACTS} WHERE device = ? ORDER BY used DESC, seq DESC LIMIT ?"
        return await self._carry(lambda db: build(Fact, db.execute(sql, (device, limit))))

    async def serve(self, device: str, ids: Collection[str], *, now: int) -> None:
        """These facts have served."""
        sql = "UPDATE facts SET used = ? WHERE device = ? AND id = ?"
        await self._carry(lambda db: db.executemany(sql, [(now, device, one) for one in ids]).rowcount)

    async def keep_pauses(self, device: str, pauses: Sequence[float], *, now: int) -> None:
        """The latest pauses of a user."""
        row = device, json.dumps(list(pauses)), now
        await self._carry(lambda db: db.execute(_PAUSES, row).rowcount)

    async def pauses(self, device: str) -> tuple[float, ...]:
        """The latest pauses of a user."""
        sql = "SELECT pauses FROM pauses WHERE device = ?"
        row = await self._carry(lambda db: db.execute(sql, (device,)).fetchone())
        return () if row is None else tuple(map(float, json.loads(row[0])))

    async def devices(self) -> tuple[Known, ...]:
        """Everybody of whom something is remembered."""
        return await self._carry(
            lambda db: tuple(
                Known(device=device, exchanges=exchanges, facts=facts, latest=latest)
                for device, exchanges, facts, latest in db.execute(_KNOWN)
            )
        )

    async def forget(self, device: str, *, part: Part = "all", fact: str = "") -> int:
        """Erase a part of a device's memory, or one fact."""
        erased = await self._carry(lambda db: _forget(db, device, part, fact))
        await self._scrub()
        return erased


def owner_of(device: str) -> str:
    """A device as a term of its own, which no word is."""
    return "x" + device.encode().hex()


def _add(db: Connection, exchange: Exchanged, keep: int) -> int:
    row = exchange.device, exchange.session, exchange.at, exchange.user, exchange.answer, exchange.read
    number = db.execute(_ADD, row).lastrowid
    assert number is not None
    db.execute(_SURPLUS, (exchange.device, keep))
    return number


def _learn(db: Connection, lesson: Lesson, keep: int, summaries: int) -> bool:
    sql = "UPDATE exchanges SET read = TRUE WHERE device = ? AND number <= ? AND NOT read"
    if not db.execute(sql, (lesson.device, lesson.upto)).rowcount:
        return False
    db.executemany("DELETE FROM facts WHERE device = ? AND id = ?", [(lesson.device, one) for one in lesson.gone])
    for fact in lesson.facts:
        also = {"owner": owner_of(fact.device), "terms": " ".join(terms(fact.text))}
        insert(db, "facts", fact, clause="ON CONFLICT (device, id) DO NOTHING", **also)
    revalued = [(fact.vector, fact.embedder, lesson.device, fact.id) for fact in lesson.revalued]
    db.executemany(_REVALUE, revalued)
    db.execute(_OLD_SUMMARIES, (lesson.device, summaries))
    db.execute(_LEAST, (lesson.device, keep))
    return True


def _forget(db: Connection, device: str, part: Part, fact: str) -> int:
    erased = 0
    if fact:
        erased += db.execute("DELETE FROM facts WHERE device = ? AND id = ?", (device, fact)).rowcount
    elif part != "exchanges":
        erased += db.execute("DELETE FROM facts WHERE device = ?", (device,)).rowcount
    if not fact and part != "facts":
        erased += db.execute("DELETE FROM exchanges WHERE device = ?", (device,)).rowcount
    if not fact and part == "all":
        db.execute("DELETE FROM pauses WHERE device = ?", (device,))
    db.execute("INSERT INTO found (found) VALUES ('optimize')")  # deleted terms leave the index only when it is merged
    return erased
