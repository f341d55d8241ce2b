"""What surrounds a session that is repeated: the registry, the clock and the request of its badge, as they were then."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

import trio
import trio.testing
import trio_websocket

from badge.clock import Ids
from badge.components import Component
from badge.config.settings import AuthSettings, Settings
from badge.desk import Desk
from badge.dialogue import Dialogue
from badge.edge.auth import Gate
from badge.edge.server import Attend, Reception
from badge.link import Goodbye, Mailbox, Outbox
from badge.llms import purposes
from badge.llms.fixed import FixedLlms
from badge.notices import Notice
from badge.peers.presence import Presence, Resident
from badge.phrases import Phrases
from badge.private import NoPrivate, Private
from badge.recording.records import Kind, Record
from badge.replay.script import Script
from badge.services import Services
from protocol import Framing

LAST_MOMENTS = 10.0
"""Seconds after the last record within which a session has to be over."""


class PlayedPresence(Presence):
    """A registry in which the device finds what it found then."""

    def __init__(self, script: Script) -> None:
        said, full = script.arrival()
        super().__init__(0 if full else 2)
        self._mailbox = Mailbox(Outbox(lambda: None), lambda _: None)
        self._said = said
        self._mode = script.inherited()
        self._device = script.identity["device"]

    def enter(self, device: str, mailbox: Mailbox, dialogue: Dialogue) -> tuple[Resident, Mailbox | None]:
        """Register; a connection that was here before has left its dialogue."""
        if self._said is not None:
            before = Dialogue(len(self._said) + 1)
            for user, answer in self._said:
                exchange = before.begin(user)
                if answer:
                    exchange.add(answer)
            super().enter(device, Mailbox(Outbox(lambda: None), lambda _: None, mode=lambda: self._mode), before)
        self._mailbox = mailbox
        return super().enter(device, mailbox, dialogue)

    def hear(self, record: Record) -> None:
        """Somebody else puts a message in the mailbox, or wants the session to end."""
        match record.kind, record.data:
            case Kind.POST, (frame, stale, *matters):
                self._mailbox.post(frame, stale=stale, arrival=_nobody if any(matters) else None)
            case Kind.ANNOUNCE, (kind, text, packets):
                self._mailbox.announce(Notice(kind=kind, text=text, clip=tuple(packets)))
            case Kind.RENEW, ():
                self._mailbox.renew()
            case Kind.RETIRE, (goodbye,):
                if Goodbye[goodbye] is Goodbye.SUPERSEDED and self.is_online(self._device):
                    super().enter(self._device, Mailbox(Outbox(lambda: None), lambda _: None), Dialogue(1))
                self._mailbox.retire(Goodbye[goodbye])


def _nobody(_: bool) -> None:  # noqa: FBT001 - the type of `Arrival`
    """Nobody is there who waits for the arrival of a message; that it is asked for is what counts."""


class PlayedClock:
    """The time of day then: what the clock said; where that was not recorded, what it must have said."""

    def __init__(self, script: Script) -> None:
        self._started = datetime.datetime.fromisoformat(str(script.header["started"]))
        self._said = iter(script.times_of_day())

    def now(self) -> datetime.datetime:
        """The moment of the session."""
        if (moment := next(self._said, None)) is not None:
            return datetime.datetime.fromisoformat(moment)
        return self._started + datetime.timedelta(seconds=trio.current_time())


def services_of(
    script: Script,
    settings: Settings,
    component: Callable[[str], Component[Any]],
    presence: Presence,
    desk: Desk,
    private: Private | None = None,
) -> Services:
    """All that a session shares with others: only it and its badge are real. `component` gives one by its kind."""
    return Services(
        settings=settings,
        clock=PlayedClock(script),
        ids=Ids(int(script.header["seed"])),
        presence=presence,
        phrases=Phrases(wake=settings.phrases.wake, exits=settings.phrases.exit),
        vad=component("vad"),
        asr=component("asr"),
        tts=component("tts"),
        recall=component("recall"),
        llms=FixedLlms(
            {name: component(f"llm.{name}") for name in settings.llm}, purposes(settings.llm_by_purpose, settings.llm)
        ),
        desk=desk,
        private=private or NoPrivate(),
    )


async def connect(
    nursery: trio.Nursery, script: Script, services: Services, attend: Attend
) -> tuple[trio_websocket.WebSocketConnection, trio.abc.Stream]:
    """Let the badge of a script come in, in memory but by the real door: its end of the connection, and of what is below."""
    theirs, ours = trio.testing.memory_stream_pair()
    gate = Gate(AuthSettings(), "", services.clock)
    http_url = str(script.identity.get("http_url", ""))
    nursery.start_soon(Reception(services, gate, attend, lambda _: http_url).receive, ours)
    stream = cast(trio.SocketStream, theirs)  # all that is asked of it is to be a stream
    return await trio_websocket.wrap_client_stream(nursery, stream, "badge", _target(script)), theirs


async def listen(connection: trio_websocket.WebSocketConnection, take: Callable[[str | bytes], object]) -> None:
    """Take what the server sends, until it goes."""
    try:
        while True:
            take(await connection.get_message())
    except trio_websocket.ConnectionClosed:
        return


def _target(script: Script) -> str:
    """The request that the badge makes."""
    identity: Mapping[str, str] = script.identity
    query = {"device-id": identity["device"], "client-id": identity["client"]}
    if script.framing is Framing.GATEWAY:
        return f"/?{urlencode(query)}&from=mqtt_gateway"
    return f"/?{urlencode({**query, 'protocol-version': script.framing.value})}"
