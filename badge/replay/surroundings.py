"""What surrounds a session that is repeated: the registry, the clock and the request of its badge, as they were then."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import trio
from attrs import frozen

from badge.clock import Ids
from badge.components import Component
from badge.config import Settings
from badge.dialogue import Dialogue
from badge.link import Mailbox, Outbox
from badge.llms import Llms
from badge.modes.base import Purpose
from badge.peers.presence import Presence, Resident
from badge.phrases import Phrases
from badge.replay.script import Script
from badge.services import Services
from protocol import Framing
from providers.ports import ToolSpec


class PlayedPresence(Presence):
    """A registry in which the device finds what it found then."""

    def __init__(self, script: Script) -> None:
        said, full = script.arrival()
        super().__init__(0 if full else 2)
        self.mailbox = Mailbox(Outbox(lambda: None), lambda _: None)
        self._said = said

    def enter(self, device: str, mailbox: Mailbox, dialogue: Dialogue) -> tuple[Resident, Mailbox | None]:
        """Register; a connection that was here before has left its dialogue."""
        if self._said is not None:
            before = Dialogue(len(self._said) + 1)
            for user, answer in self._said:
                exchange = before.begin(user)
                if answer:
                    exchange.add(answer)
            super().enter(device, Mailbox(Outbox(lambda: None), lambda _: None), before)
        self.mailbox = mailbox
        return super().enter(device, mailbox, dialogue)


@frozen
class PlayedClock:
    """The time of day then."""

    started: datetime.datetime

    def now(self) -> datetime.datetime:
        """The moment of the session."""
        return self.started + datetime.timedelta(seconds=trio.current_time())


def services_of(
    script: Script, settings: Settings, component: Callable[[str], Component[Any]], presence: Presence
) -> Services:
    """All that a session shares with others: only it and its badge are real. `component` gives one by its kind."""
    purposes = {Purpose.CHAT: settings.llm_by_purpose.chat}
    return Services(
        settings=settings,
        clock=PlayedClock(datetime.datetime.fromisoformat(str(script.header["started"]))),
        ids=Ids(int(script.header["seed"])),
        presence=presence,
        phrases=Phrases(wake=settings.phrases.wake, exits=settings.phrases.exit),
        vad=component("vad"),
        asr=component("asr"),
        tts=component("tts"),
        recall=component("recall"),
        llms=Llms({name: component(f"llm.{name}") for name in settings.llm}, purposes),
        tools=tuple(ToolSpec(**tool) for tool in script.header.get("tools", ())),
    )


def target_of(script: Script) -> str:
    """The request that the badge makes."""
    identity: Mapping[str, str] = script.identity
    query = {"device-id": identity["device"], "client-id": identity["client"]}
    if script.framing is Framing.GATEWAY:
        return f"/?{urlencode(query)}&from=mqtt_gateway"
    return f"/?{urlencode({**query, 'protocol-version': script.framing.value})}"
