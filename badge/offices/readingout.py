"""Letters read aloud to one device, one after another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from badge.link import Mailbox
from badge.log import get_log
from badge.notices import Ending
from badge.offices.wording import Wording
from badge.storage.records import Letter

log = get_log(__name__)

MOST_UNREAD = 100
MOST_CHARACTERS = 2 * 1024 * 1024
"""Letters that wait to be read aloud, and what they hold together; beyond it letters are delivered, and not announced."""


class ReadingOut:
    """Has letters announced in their order, the next one when the last one is over.

    What a connection could not say to its end, because another one took its place, is said again there. A letter that the
    session does not take, because the badge plays messages itself or there is too much to be said already, is skipped.
    """

    def __init__(self, wording: Wording, heard: Callable[[Letter], None]) -> None:
        self._wording = wording
        self._heard = heard
        self._waiting: list[Letter] = []  # an empty deque takes 760 bytes
        self._mailbox: Mailbox | None = None
        self._speaking: Letter | None = None

    def move(self, mailbox: Mailbox | None) -> None:
        """From now on letters are read out here, or not at all."""
        self._mailbox = mailbox
        self._go_on()

    def add(self, letter: Letter) -> None:
        """Read this out, after those before it."""
        if not self._wording.reads(letter):
            return
        size = sum(len(other.payload) for other in self._waiting) + len(letter.payload)
        if len(self._waiting) >= MOST_UNREAD or size > MOST_CHARACTERS:
            log.info("a message is not read out: too many wait", waiting=len(self._waiting))
            return
        self._waiting.append(letter)
        self._go_on()

    def _go_on(self) -> None:
        while self._speaking is None and self._waiting and self._mailbox is not None:
            self._speaking = self._waiting.pop(0)
            notice = self._wording.letter(self._speaking)
            told = partial(self._told, self._speaking, self._mailbox)
            if notice is None or not self._mailbox.announce(notice, told):
                self._speaking = None

    def _told(self, letter: Letter, mailbox: Mailbox, ending: Ending) -> None:
        self._speaking = None
        if ending == "played":
            self._heard(letter)
        elif ending == "lost":
            self._waiting.insert(0, letter)
            if self._mailbox is mailbox:  # which is about to be gone
                self._mailbox = None
        self._go_on()
