"""The post office: messages from badge to badge, and words of the operator for a badge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from badge.boundary import boundary
from badge.clock import Ids, WallClock, milliseconds
from badge.config.team import PeerSettings
from badge.desk import Fate, Outgoing, RefusedError
from badge.link import Mailbox
from badge.log import get_log
from badge.notices import Notice
from badge.offices.addressing import Addresses, Content, check_volume, read_addresses, read_content
from badge.offices.rounds import Rounds
from badge.offices.wording import LONGEST_TEXT, OPERATOR, Wording
from badge.peers.presence import Presence
from badge.storage.ports import Store, StoreError
from badge.storage.records import Letter
from protocol.identity import MAX_ID, normalise
from providers.ports import Language, well_formed

log = get_log(__name__)

MOST_UNREAD = 1000
"""Letters of one sender that may wait, for whomever: a badge that writes to devices that never come fills no disk."""

AT_ONCE = 100
"""Letters of one message that are given to the store at the same time: it has others to serve, and refuses what is too much."""

EXPIRE_EVERY = 60.0
"""Seconds."""

HOUR = 3_600_000
"""Milliseconds."""


class PostOffice:
    """A `PostDesk` and a `Delivery`.

    A letter is in the store before anything else happens to it, and is delivered when its badge has shown a sign of life
    that came after it. Until then it waits, and whoever comes next gets it: a badge may get a letter twice, and knows it
    by its sender and id. It is announced when it is delivered for the first time; see `ReadingOut`.

    `language` is for announcements that have no text to go by.
    """

    def __init__(
        self,
        *,
        store: Store,
        presence: Presence,
        settings: PeerSettings,
        groups: Callable[[str], str],
        clock: WallClock,
        ids: Ids,
        language: Language = "en",
    ) -> None:
        self._store = store
        self._presence = presence
        self._settings = settings
        self._groups = groups
        self._clock = clock
        self._ids = ids
        wording = Wording(use=settings.announce, language=language)
        self._rounds = Rounds(mail=store.mail, clock=clock, wording=wording)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `started` when badges can be served. The store must be open before, and until after."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._rounds.run)
            nursery.start_soon(self._expire)
            task_status.started()

    # --- the desk ---

    async def send(self, device: str, message: Outgoing) -> dict[str, Fate]:
        """Send a message: device -> what has become of it by now. Later fates are told as receipts. Raises
        `RefusedError`."""
        if device == OPERATOR:
            raise RefusedError("reserved", f"no device may write under the name {OPERATOR}: give this one another id")
        return await self._send(device, message)

    def heard(self, device: str, letters: Sequence[tuple[str, str]]) -> None:
        """Letters of this device, as (sender, id), were played."""
        self._rounds.heard(device, letters)

    # --- the operator ---

    async def push(self, device: str, text: str) -> Fate:
        """Have a badge say something as soon as it is free, and no meeting runs. Raises `RefusedError`."""
        await trio.lowlevel.checkpoint()
        device, text = _operators(device, text)
        mailbox = self._presence.find(device)
        if mailbox is None:
            raise RefusedError("offline", f"{device} is not online")
        if not mailbox.announce(Notice(kind="push", text=text)):
            raise RefusedError(
                "not-announced", f"{device} takes no announcement now: it is leaving, or too many wait there"
            )
        return "sent"

    async def leave(self, device: str, text: str) -> Fate:
        """Write to a device in the name of the operator; it gets the letter when it comes. Raises `RefusedError`."""
        device, text = _operators(device, text)
        message = Outgoing(id=self._ids.sentence(), to=(device,), category="text", payload={"text": text})
        return next(iter((await self._send(OPERATOR, message)).values()))

    # --- arrivals and departures ---

    def arrived(self, device: str, mailbox: Mailbox) -> None:
        """The device has registered: what waits for it is handed over."""
        self._rounds.begin(device, mailbox)

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        """The device has said hello: everything it waits for is on its way already."""

    def left(self, device: str) -> None:
        """The device has gone."""
        self._rounds.end(device)

    async def handed_over(self, device: str) -> None:
        """Wait until a device that has come was handed all that had waited for it, or has gone."""
        if (closed := self._rounds.backlog(device)) is not None:
            await closed.wait()

    # --- work ---

    async def _send(self, device: str, message: Outgoing) -> dict[str, Fate]:
        content = read_content(message, self._settings)
        try:
            targets = await self._targets(device, read_addresses(message.to))
            check_volume(content, len(targets))
            await self._check_room(device, len(targets))
            return await self._dispatch(self._letters(device, content, targets))
        except StoreError as exc:
            log.error("a message was not kept", error=str(exc))
            raise RefusedError("not-kept", "the message could not be kept for everybody; send it again") from exc

    async def _targets(self, device: str, addresses: Addresses) -> list[str]:
        """Who is meant: those named first, then the others."""
        targets = dict.fromkeys(addresses.devices)
        if addresses.everyone:
            targets |= dict.fromkeys(self._presence.others(device))
        if addresses.group:
            members = await self._store.presence.members(self._groups(device))
            targets |= dict.fromkeys(member for member in members if member != device)
        return list(targets)

    async def _check_room(self, device: str, targets: int) -> None:
        unread = await self._store.mail.unread(device)
        if unread and unread + targets > MOST_UNREAD:  # who has nothing waiting may write to everybody
            raise RefusedError(
                "too-much-mail",
                f"{unread} of your messages wait for their receivers; with this one they would be more than {MOST_UNREAD}. "
                "Try again when some have been delivered",
            )

    def _letters(self, device: str, content: Content, targets: Sequence[str]) -> list[Letter]:
        now = milliseconds(self._clock)
        expires = now + round(self._settings.keep_h * HOUR)
        return [
            Letter(
                id=content.id,
                sender=device,
                to=to,
                category=content.category,
                payload=content.payload,
                sent=now,
                expires=expires,
            )
            for to in targets
        ]

    async def _dispatch(self, letters: Sequence[Letter]) -> dict[str, Fate]:
        """Forward all letters of one message, many at the same time."""
        turns = trio.CapacityLimiter(AT_ONCE)
        fates: dict[str, Fate] = {}
        failures: list[StoreError] = []

        async def forward(letter: Letter) -> None:
            async with turns:
                try:
                    fates[letter.to] = await self._rounds.forward(letter, bound=self._settings.queue)
                except StoreError as exc:  # the others are kept
                    failures.append(exc)

        async with trio.open_nursery() as nursery:
            for letter in letters:
                nursery.start_soon(forward, letter)
        if failures:
            raise failures[0]
        return {letter.to: fates[letter.to] for letter in letters}

    async def _expire(self) -> None:
        while True:
            await trio.sleep(EXPIRE_EVERY)
            with boundary("expiry of letters", log):
                if dropped := await self._store.mail.expire(now=milliseconds(self._clock)):
                    log.info("letters were dropped, as they had waited too long", dropped=dropped)


def _operators(device: str, text: str) -> tuple[str, str]:
    """A device id and a text, made fit; raises `RefusedError`."""
    device, text = normalise(device[: 4 * MAX_ID]), text.strip()
    if not device:
        raise RefusedError("no-target", "name a device")
    if not 0 < len(text) <= LONGEST_TEXT or text != well_formed(text):
        raise RefusedError("bad-text", f"a text has 1 to {LONGEST_TEXT} whole characters")
    return device, text
