"""How one badge is served where badges belong to somebody. Until that is known its words wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar, cast

import attrs
import trio

from badge import texts
from badge.boundary import boundary
from badge.desk import Terms
from badge.link import Goodbye
from badge.log import get_log
from badge.notices import Notice, Told
from badge.services import Services
from badge.session.reporting import Reporter
from badge.session.tailoring import tailored
from badge.session.traits import Traits
from protocol import AudioPacket, ErrorCode, wire_name
from protocol.inbound import Abort, ConfigUpdate, Hello, Iot, Listen, Mcp, Ping
from protocol.outbound import System, Tts
from providers.ports import Language

log = get_log(__name__)

T = TypeVar("T")

HELD = 512
HELD_BYTES = 4 * 1_048_576
"""Packets and messages that wait until the terms are known: 5 s of 20 ms, and as much again. One more is dropped and counted."""

CODE_EVERY = 60.0
"""Seconds between two times at which a badge that is not bound says so."""

ASK_EVERY = 10.0
"""Seconds between two times at which it is asked, when such a badge is spoken to, whether it has been bound."""

TERMS_WITHIN = 5.5
"""Seconds after which nobody waits any more for what the desk says; it answers within 5 s itself."""

NOT_YET = Terms(bound=False)

_ALWAYS = (Hello, Ping, ConfigUpdate, Mcp, Iot)
"""Messages that have nothing to do with whose badge it is: signs of life, and what the badge says of itself, once."""


class BindingHost(Protocol):
    """What the session does for it; every verb is synchronous."""

    def tell(self, message: attrs.AttrsInstance) -> None:
        """Send the badge a message."""

    def complain(self, code: str, message: str, ref: dict[str, object]) -> None:
        """Tell the badge of an error."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives."""

    def say(self, notice: Notice, told: Told) -> bool:
        """Have something said as soon as the badge is free; false when it will not be."""

    @property
    def busy(self) -> bool:
        """Whether something is being said."""

    def retire(self, goodbye: Goodbye) -> None:
        """End the session when it is quiet."""

    def part(self, text: str) -> None:
        """Say this after the running answer, and leave."""


class Waiting:
    """What came before the terms were known, in its order."""

    def __init__(self) -> None:
        self.over = False
        self._held: deque[Callable[[], None]] = deque()
        self._bytes = 0
        self._dropped = 0

    def keep(self, work: Callable[[], None], size: int) -> None:
        """Keep this, if there is room."""
        if len(self._held) < HELD and self._bytes + size <= HELD_BYTES:
            self._held.append(work)
            self._bytes += size
        else:
            self._dropped += 1

    async def let_go(self) -> None:
        """Have all of it done; what comes meanwhile, too."""
        while self._held:
            self._held.popleft()()
            await trio.lowlevel.checkpoint()  # the rest must not keep the thread from others
        self.over = True
        if self._dropped:
            log.warning("not everything could wait until the terms were known", dropped=self._dropped)


class CodeCall:
    """Tells the code of a badge that is not bound, not too often."""

    def __init__(self, language: Language, say: Callable[[Notice, Told], bool]) -> None:
        self._language = language
        self._say = say
        self._last = -CODE_EVERY

    def tell(self, code: str, *, at_once: bool = False) -> None:
        """Say how it can be bound."""
        now = trio.current_time()
        if at_once or now - self._last >= CODE_EVERY:
            self._last = now
            self.say(texts.BIND_ME[self._language].format(code=code) if code else texts.NOT_KNOWN[self._language])

    def bound(self) -> None:
        """Say that it is bound now."""
        self.say(texts.NOW_BOUND[self._language])

    def say(self, text: str) -> None:
        """Say this when the badge is free."""
        if not self._say(Notice(kind="push", text=text), lambda _: None):
            log.info("a badge that is about to go is told nothing")

    def aloud(self, code: str, sentence: str) -> str:
        """The digits of the code are spoken one by one."""
        if not code or code not in sentence:
            return sentence
        between, digits = texts.DIGITS[self._language]
        return sentence.replace(code, between.join(digits[int(digit)] for digit in code))


class DeviceBinding:
    """A `Tenancy` whose terms are asked for."""

    def __init__(self, services: Services, traits: Traits, client: str, host: BindingHost) -> None:
        self.services = attrs.evolve(tailored(services, lambda: self.terms), tenancy=self)
        self.reporting = Reporter(services, traits, host, lambda: self.terms)
        self._traits = traits
        self._client = client
        self._host = host
        self._terms: Terms | None = None
        self._waiting = Waiting()
        self._call = CodeCall(services.settings.asr.language, host.say)
        self._asking = trio.CancelScope()
        self._asked = -ASK_EVERY
        self._open_up: Callable[[], None] = lambda: None

    @property
    def terms(self) -> Terms:
        """On which terms the badge is served; not at all as long as they are not known."""
        return self._terms or NOT_YET

    # --- finding out ---

    def begin(self, open_up: Callable[[], None]) -> None:
        """The session has begun."""
        self._open_up = open_up
        self._inquire()

    def renew(self) -> None:
        """Somebody has bound or unbound the badge."""
        self._inquire()

    def _inquire(self, *, remind: bool = False) -> None:
        """Find out on which terms the badge is served, now; `remind`: it hears its code again if it is still nobody's."""
        self._asking.cancel("the terms may have changed again")
        self._asking, self._asked = trio.CancelScope(), trio.current_time()
        self._host.spawn(partial(self._find_out, self._asking, remind=remind))

    async def _find_out(self, scope: trio.CancelScope, *, remind: bool) -> None:
        with scope:
            self._settle(await self._ask())
            if remind and not self.terms.bound:
                self._call.tell(self.terms.code)
            await self.reporting.begin()  # before what waits is answered: the badge may have said enough today
            await self._waiting.let_go()

    async def _ask(self) -> Terms:
        """What the desk says; it keeps its time, but nobody has to rely on that."""
        with boundary("terms", log), trio.move_on_after(TERMS_WITHIN):
            return await self.services.desk.devices.terms(self._traits.device, self._client)
        return Terms(unknown=True)

    def _settle(self, terms: Terms) -> None:
        before, self._terms = self._terms, terms
        if before is None:
            self._move_in()
        elif terms.unknown:
            self._terms = before  # nobody knows better
        elif terms.bound and not before.bound:
            self._move_in()
            self._call.bound()
        elif before.bound and not terms.bound:
            self._host.retire(Goodbye.EXIT)

    def _move_in(self) -> None:
        if self.terms.unknown:
            self._host.tell(System(event="default_config", message=texts.TERMS_UNKNOWN))
        if self.terms.bound:
            self._open_up()
        else:
            self._call.tell(self.terms.code, at_once=True)

    # --- the way in ---

    def admit(self, item: T, take: Callable[[T], None], *, size: int) -> None:
        """Let something through from the badge, as soon as it is known whether it may come in."""
        if isinstance(item, _ALWAYS):
            take(item)
        elif self._waiting.over:
            self._let_in(item, take)
        else:
            self._waiting.keep(partial(self._let_in, item, take), size)

    def _let_in(self, item: T, take: Callable[[T], None]) -> None:
        if not self.terms.bound and not isinstance(item, Abort):
            self._turn_away(item)
            return
        if isinstance(item, AudioPacket):
            self.reporting.sent(item.opus)
        take(item)

    def _turn_away(self, item: object) -> None:
        """A badge that is not bound hears its code, whatever it says."""
        match item:
            case AudioPacket():
                self._spoken_to()
            case Listen():
                if item.mode is not None:
                    self._traits.ask(item.mode)
                if item.state == "detect":  # the badge is in its speaking state
                    self._host.tell(Tts(state="stop", session_id=self._traits.session_id))
                self._spoken_to()
            case _:
                name = wire_name(cast(attrs.AttrsInstance, item))
                self._host.complain(ErrorCode.UNAVAILABLE, texts.NOT_BOUND, {"type": name})

    def _spoken_to(self) -> None:
        """Somebody speaks to a badge that was nobody's: it may have been bound meanwhile, or its code may be another one."""
        if trio.current_time() - self._asked >= ASK_EVERY:
            self._inquire(remind=True)

    def aloud(self, sentence: str) -> str:
        """The digits of the code are spoken one by one."""
        return self._call.aloud(self.terms.code, sentence)
