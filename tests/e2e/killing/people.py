"""The clients of a server that is killed: they go on with what they were doing when it is back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

import trio
import trio_websocket

from tests.e2e.killing.promises import Promises

Message = dict[str, Any]


class Wire:
    """One connection of one device."""

    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self._socket = socket

    async def tell(self, **message: Any) -> None:
        await self._socket.send_message(json.dumps(message))

    async def listen(self, take: Callable[[Message], None]) -> None:
        """Everything that comes, to the last byte that the server has sent."""
        while True:
            data = await self._socket.get_message()
            if isinstance(data, str):
                take(json.loads(data))


class Person:
    """Somebody with a badge. `live` is one connection, until the server dies or it is cancelled."""

    def __init__(self, device: str, promises: Promises, chance: Random) -> None:
        self.device = device
        self.promises = promises
        self.chance = chance
        self.occupations: tuple[Callable[[Wire], Awaitable[None]], ...] = ()
        self._news = trio.Event()

    async def live(self, port: int) -> None:
        try:
            await self._live(port)
        except* (OSError, trio.BrokenResourceError, trio_websocket.ConnectionClosed, trio_websocket.HandshakeError):
            pass  # the server is dead

    async def _live(self, port: int) -> None:
        headers = [(b"device-id", self.device.encode())]
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
            socket = await trio_websocket.wrap_client_stream(
                nursery, stream, "127.0.0.1", "/xiaozhi/v1/", extra_headers=headers
            )
            wire = Wire(socket)
            self.arrive()
            async with trio.open_nursery() as occupied:
                for occupation in self.occupations:
                    occupied.start_soon(self._follow, occupation, wire)
                await wire.listen(self._take)

    async def _follow(self, occupation: Callable[[Wire], Awaitable[None]], wire: Wire) -> None:
        with suppress(trio_websocket.ConnectionClosed):  # who listens still reads what came before that
            await occupation(wire)

    def arrive(self) -> None:
        """A connection begins."""

    def take(self, message: Message) -> None:
        """A message came."""

    def _take(self, message: Message) -> None:
        self.take(message)
        self._news.set()
        self._news = trio.Event()

    async def until(self, happened: Callable[[], bool]) -> None:
        while not happened():
            await self._news.wait()

    async def pause(self, most: float) -> None:
        await trio.sleep(self.chance.uniform(0, most))


class Worker(Person):
    """Writes to others, and works on tasks, each from its beginning to its end."""

    def __init__(self, device: str, promises: Promises, chance: Random, *, friends: tuple[str, ...]) -> None:
        super().__init__(device, promises, chance)
        self.occupations = (self._write, self._work)
        self._friends = friends
        self._letters = self._task = self._answers = 0
        self._step = 1
        self._board: list[Message] | None = None

    def arrive(self) -> None:
        self._board, self._answers = None, 0

    def take(self, message: Message) -> None:
        match message:
            case {"type": "peer", "event": "message"}:
                self.promises.letters.receive(self.device, message)
            case {"type": "peer", "status": "ok", "id": number, "to": fates}:
                self.promises.letters.promised |= {(self.device, to, number) for to in fates}
            case {"type": "workflow", "event": "update", "tasks": tasks} if self._board is None:
                self._board = tasks
                self.promises.tasks.compare(tasks, mine=f"{self.device} ")
            case {"type": "workflow", "event": "result", "results": [{"id": task, "outcome": outcome}]}:
                self.promises.tasks.answer(message["request"], task, outcome)

    async def _write(self, wire: Wire) -> None:
        """To one friend or both; the last letter once more when it was not answered before the server died."""
        letters = self.promises.letters
        while True:
            number = f"{self.device}-{self._letters}"
            friends = self._friends[: 1 + self._letters % len(self._friends)]
            letters.wished |= {(self.device, to, number) for to in friends}
            await wire.tell(type="peer", to=list(friends), id=number, category="event", payload={"text": number})
            await self.until(lambda: (self.device, friends[0], number) in letters.promised)  # noqa: B023 - awaited here
            self._letters += 1
            await self.pause(0.02)

    async def _work(self, wire: Wire) -> None:
        tasks = self.promises.tasks
        await wire.tell(type="workflow", event="refresh")
        await self.until(lambda: self._board is not None)
        while True:
            task = f"{self.device} {self._task}"
            for step, wish in (
                ("open", {"event": "create", "tasks": [{"id": task, "title": task}]}),
                ("assigned", {"event": "assign", "id": task}),
                ("done", {"event": "complete", "ids": [task]}),
            ):
                tasks.wish(task, step)
                if not tasks.promises(task, step):
                    await wire.tell(type="workflow", **wish)
                    await self.until(lambda: tasks.promises(task, step))  # noqa: B023 - awaited here
                    await self.pause(0.04)
            self._task += 1


class Reader(Person):
    """Comes now and then, and reads letters."""

    def take(self, message: Message) -> None:
        if (message.get("type"), message.get("event")) == ("peer", "message"):
            self.promises.letters.receive(self.device, message)


class Speaker(Person):
    """Holds meetings, one after the other, of about so many words."""

    def __init__(self, device: str, promises: Promises, chance: Random, *, words: int) -> None:
        super().__init__(device, promises, chance)
        self.occupations = (self._meet,)
        self._words = words
        self._acknowledged = False
        self._closed = False

    def take(self, message: Message) -> None:
        meetings = self.promises.meetings
        match message:
            case {"type": "mode", "status": "ok", "state": "start"}:
                self._acknowledged = True
            case {"type": "meeting", "phase": "snippet"}:
                meetings.push(message["meetingId"], message["segments"])
            case {"type": "meeting", "phase": "finalize"}:
                self._closed = True
                if "meetingId" in message:
                    meetings.closing.add(message["meetingId"])
            case {"type": "meeting", "phase": "summary"}:
                meetings.minutes[message["meetingId"]] = message["segments"]

    async def _meet(self, wire: Wire) -> None:
        meetings = self.promises.meetings
        while True:
            self._acknowledged = False
            await wire.tell(type="mode", state="start", mode="meeting")
            await self.until(lambda: self._acknowledged)
            meetings.going_on = True
            for _ in range(self.chance.randrange(2 * self._words)):
                meetings.said += 1
                await wire.tell(type="listen", state="detect", text=f"we have come to point {meetings.said}")
                await self.pause(0.02)
            await self.finish(wire)

    async def finish(self, wire: Wire) -> None:
        """End the meeting, if there is one."""
        self._closed = self.promises.meetings.going_on = False
        self.promises.meetings.current = ""
        await wire.tell(type="meeting", phase="finalize")
        await self.until(lambda: self._closed)


class Forgetful(Person):
    """Wants to be reminded, now soon, now much later."""

    def __init__(self, device: str, promises: Promises, chance: Random, *, every: float) -> None:
        super().__init__(device, promises, chance)
        self.occupations = (self._think,)
        self._every = every
        self._number = 0

    def take(self, message: Message) -> None:
        reminders = self.promises.reminders
        match message:
            case {"type": "reminder", "text": text}:
                reminders.reminded.add(text)
            case {"type": "tts", "state": "sentence_start", "text": text} if text == f"{self._text}.":
                reminders.promised.add(self._text)

    @property
    def _text(self) -> str:
        return f"water plant {self._number}"

    async def _think(self, wire: Wire) -> None:
        while True:
            await self.pause(self._every)
            self._number += 1
            when = "in 2 seconds" if self._number % 2 else "in 5 hours"
            await wire.tell(type="listen", state="detect", text=f"remind me {when} to {self._text}")
            await self.until(lambda: self._text in self.promises.reminders.promised)
