"""Meeting: what is said is written down, and nobody is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import AttrsInstance

from badge import texts
from badge.config.team import MeetingSettings
from badge.desk import Closing, MeetingDesk, answered
from badge.llms import Purpose
from badge.log import get_log
from badge.modes.base import Answer, Ask, Taken
from protocol import ListenMode
from protocol.outbound import LocalSound, MeetingClosing

log = get_log(__name__)

EARLY = 1000
"""Utterances that wait until the meeting is open; more would be hours, and are dropped."""


class Meeting:
    """The badge's part of a meeting; the meeting itself is kept by others, and outlives the connection."""

    purpose = Purpose.MEETING
    overhears = True

    def __init__(
        self,
        *,
        device: str,
        session: str,
        settings: MeetingSettings,
        desk: MeetingDesk,
        tell: Callable[[AttrsInstance], None],
    ) -> None:
        self.muted = settings.disable_tts
        self.listening: ListenMode | None = "manual" if settings.prefer_device_vad else None
        self._device = device
        self._session = session
        self._desk = desk
        self._tell = tell
        self._early: (
            list[Callable[[], None]] | None
        ) = []  # what was said before it is known that it can be written down

    def enter(self, *, again: bool) -> None:
        """Tell the user, by a sound that the badge has."""
        if not again:
            self._tell(LocalSound(state="start", url=texts.MEETING_SOUND, text=texts.MEETING_BEGUN))
            self._tell(LocalSound(state="stop"))

    async def begin(self) -> None:
        """Begin to write down, or go on."""
        await answered(self._desk.open(self._device, self._session))
        early, self._early = self._early or [], None
        for tell in early:
            tell()

    async def end(self) -> None:
        """Have the minutes made."""
        if self._early is None:  # otherwise there is nothing that could be closed
            await finalise(device=self._device, session=self._session, desk=self._desk, tell=self._tell)

    def hear(self, words: str, began: int) -> Answer:
        """Write it down."""
        self._write(partial(self._desk.add, self._device, words, began))
        return Taken()

    def would_ask(self, words: str) -> Ask | None:  # noqa: ARG002 - whatever they are
        """Nothing is a question to the assistant."""
        return None

    def miss(self, since: int, until: int, reason: str) -> None:
        """Write down that something is missing."""
        self._write(partial(self._desk.miss, self._device, since, until, reason))

    def _write(self, tell: Callable[[], None]) -> None:
        if self._early is None:
            tell()
        elif len(self._early) < EARLY:
            self._early.append(tell)

    def heard_out(self) -> None:
        """Nothing more will come."""
        self._desk.heard_out(self._device)


async def finalise(*, device: str, session: str, desk: MeetingDesk, tell: Callable[[AttrsInstance], None]) -> Closing:
    """Have the minutes of the device's meeting made, if there is one, and tell the badge so at once."""
    closing = await answered(desk.finalise(device, session))
    none = closing.status == "none"
    tell(
        MeetingClosing(
            sessionId=session,
            startedAt=closing.started,
            pendingCount=closing.pending,
            status="none" if none else None,
            meetingId=None if none else closing.meeting,
        )
    )
    log.info(texts.LOG_FINALIZE_ACK)
    return closing
