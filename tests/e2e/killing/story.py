"""The story: rounds of traffic, each ended by SIGKILL at some moment, and a look at what is left."""

from __future__ import annotations

from pathlib import Path
from random import Random

import trio

from badge.config.team import WorkflowSettings
from badge.offices.groups import group_of
from badge.storage.ports import Store
from badge.storage.reading import open_to_read, read_only
from tests.e2e.killing.people import Forgetful, Person, Reader, Speaker, Wire, Worker
from tests.e2e.killing.promises import Promises
from tests.e2e.killing.servers import Servers

ANNA, BERT, CORA, MINA, RITA = "ourplace:1", "ourplace:2", "cora", "mina", "rita"

LONGEST_ROUND = 0.7
"""Seconds."""

NOTICED_WITHIN = 0.5
"""Seconds in which everybody notices the death of a server; a handshake that it cut off would wait for ever."""

VISITS = 4
"""Rounds from one visit of the reader to the next."""


class Story:
    """Five clients and what they were promised."""

    def __init__(self, seed: int) -> None:
        self.promises = Promises()
        self.moments: list[float] = []
        """seconds from the start of each server to its end"""
        self._chance = Random(seed)
        self._anna = Worker(ANNA, self.promises, Random(f"{seed} {ANNA}"), friends=(BERT, CORA))
        self._bert = Worker(BERT, self.promises, Random(f"{seed} {BERT}"), friends=(CORA, ANNA))
        self._cora = Reader(CORA, self.promises, Random(f"{seed} {CORA}"))
        self._mina = Speaker(MINA, self.promises, Random(f"{seed} {MINA}"), words=100)
        self._rita = Forgetful(RITA, self.promises, Random(f"{seed} {RITA}"), every=0.8)

    async def round(self, servers: Servers, *, cold: bool = False) -> None:
        """Start a server, and kill it at some moment."""
        port = await servers.start(cold=cold)
        begun = trio.current_time()
        people: list[Person] = [self._anna, self._bert, self._mina, self._rita]
        if len(self.moments) % VISITS == VISITS - 1:
            people.append(self._cora)
        async with trio.open_nursery() as nursery:
            for person in people:
                nursery.start_soon(person.live, port)
            await trio.sleep(self._chance.uniform(0, LONGEST_ROUND))
            await servers.kill()
            self.moments.append(round(trio.current_time() - begun, 3))
            nursery.cancel_scope.deadline = trio.current_time() + NOTICED_WITHIN

    async def look(self, file: Path) -> None:
        """Compare with what a file holds."""
        with open_to_read(file) as connection:  # asking the store for what waits would change it
            queued = connection.execute("SELECT sender, \"to\", id FROM letters WHERE status = 'queued'").fetchall()
        self.promises.letters.compare(queued)
        with read_only(file) as store:
            await self._compare(store)

    async def _compare(self, store: Store) -> None:
        promises = self.promises
        tasks = (await store.tasks.snapshot(group_of(ANNA, WorkflowSettings()))).tasks
        promises.tasks.compare([{"id": task.id, "status": task.status, "owner": task.owner} for task in tasks])
        records = await store.meetings.latest(device=MINA)
        segments = {record.id: await store.meetings.segments(record.id) for record in records}
        promises.meetings.compare(records, segments)
        promises.meetings.compare_minutes(segments)
        promises.reminders.compare([reminder.text for reminder in await store.reminders.of(RITA)])

    async def end(self, servers: Servers, *, within: float) -> None:
        """Everybody gets what they wait for from one last server, within so many seconds."""
        port = await servers.start()
        promises = self.promises
        everybody: tuple[Person, ...] = (self._anna, self._bert, self._cora, self._mina, self._rita)
        for person in everybody:
            person.occupations = ()
        self._mina.occupations = (self._close,)
        async with trio.open_nursery() as nursery:
            for person in everybody:
                nursery.start_soon(person.live, port)
            with trio.move_on_after(within):
                while promises.letters.missing() or promises.meetings.unfinished() or self._due():
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        promises.letters.broken += [f"letter {letter} does not come" for letter in promises.letters.missing()]
        promises.meetings.broken += [f"minutes of {one} do not come" for one in promises.meetings.unfinished()]
        promises.reminders.broken += [f"reminder {text!r} does not come" for text in self._due()]
        await servers.kill()

    async def _close(self, wire: Wire) -> None:
        await wire.tell(type="mode", state="start", mode="meeting")
        await self._mina.finish(wire)

    def _due(self) -> set[str]:
        """Reminders that were for soon, and did not come."""
        return {text for text in self.promises.reminders.missing() if int(text.split()[-1]) % 2}
