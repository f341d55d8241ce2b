"""One connection from welcome to goodbye: its life, its tasks, and the way in for everything that a badge sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial

import attrs
import structlog
import trio

from badge import texts
from badge.boundary import boundary
from badge.desk import Desk
from badge.dialogue import Dialogue
from badge.link import Goodbye, LinkClosedError, Mailbox, Outbox, Wire, keep_alive, write_frames
from badge.llms import Purpose, whole_answer
from badge.log import describe, get_log, outline
from badge.machines.base import TransitionNotAllowed
from badge.machines.session import SessionMachine
from badge.modes.base import Mode as ModeObject
from badge.notices import Notice, Told
from badge.peers.presence import HouseFullError
from badge.services import Services
from badge.session.binding import DeviceBinding
from badge.session.conversation import Conversation
from badge.session.devicetools import DeviceTools
from badge.session.errands import Errands
from badge.session.handlers import HANDLERS
from badge.session.modeslot import ModeSlot
from badge.session.remembering import tell_over
from badge.session.toolbox import DeskTools, Toolbox
from badge.session.traits import Traits
from badge.session.watchdog import Watchdog
from protocol import (
    AudioPacket,
    Echo,
    ErrorCode,
    Identity,
    Phase,
    RemoteProtocolError,
    Unknown,
    decode_frame,
    decode_text,
    dump,
    encode_text,
    require_legal,
    wire_name,
)
from protocol.outbound import Error, System, Welcome
from providers.ports import Prompt

log = get_log(__name__)

LONGEST_ANSWER = 100_000
"""Characters of a whole answer; of a model that says more the rest is not taken."""

LAST_WORDS = 2.0
"""Seconds that the last messages of a closing session have to get out."""


class Session:
    """Serves one badge. Nothing of it outlives `run`."""

    def __init__(self, identity: Identity, wire: Wire, services: Services) -> None:
        settings = services.settings
        self.traits = Traits(
            device=identity.device,
            session_id=services.ids.session(),
            framing=identity.framing,
            asked=settings.listen.mode,
            frame_ms=settings.tts.frame_ms,
            http_url=identity.http_url,
        )
        self.outbox = Outbox(lambda: self._watchdog.ring(too_slow=True))
        self._services = self._housed(services, identity.client)
        self._wire = wire
        self._life = SessionMachine(self, services.watch)
        self._watchdog = Watchdog(settings.timeouts, self._life, lambda: self.busy)
        self._goodbye: Goodbye | None = Goodbye.SHUTDOWN  # the reason when this task is simply cancelled
        self._tasks: trio.Nursery | None = None
        self._context = Context()  # of its log lines
        self._conversation: Conversation | None = None
        self._errands: Errands | None = None
        self._modes: ModeSlot | None = None
        self._mode_before = "chat"  # on the connection that this one replaces
        self._device_tools: DeviceTools | None = None

    async def run(self) -> None:
        """Register, talk, clean up whatever happens, and close the connection."""
        with structlog.contextvars.bound_contextvars(device=self.traits.device, session=self.traits.session_id):
            try:
                with boundary("session", log, on_error=self._failed):
                    await self._register_and_talk()
            finally:
                self._life.gone()
                self.outbox.finish()
                self.outbox.lose()
                if self._goodbye is not None:
                    await self._wire.close(self._goodbye.code, self._goodbye.reason)  # noqa: ASYNC102 - shielded, bounded
                log.info(texts.LOG_RELEASED, bad_frames=self.traits.bad_frames)

    async def _register_and_talk(self) -> None:
        presence = self._services.presence
        dialogue = Dialogue(self._services.settings.chat.history)
        mode = lambda: self._modes.state if self._modes else self._mode_before  # noqa: E731
        tenancy = self._services.tenancy
        mailbox = Mailbox(
            self.outbox, self.retire, self.announce, mode, tenancy.renew, served=lambda: tenancy.terms.bound
        )
        try:
            resident, previous = presence.enter(self.traits.device, mailbox, dialogue)
        except HouseFullError as exc:
            log.warning("registration failed", reason=str(exc))
            self.outbox.post(encode_text(System(event="register_failed", message=texts.REGISTER_FAILED)))
            self._goodbye = Goodbye.REGISTER_FAILED
            self.outbox.finish()
            await self._write()
            return
        try:
            self._dialogue, self._mailbox = resident.dialogue, resident.mailbox
            self._life.registered()
            if previous is not None:
                self._mode_before = previous.mode
                previous.retire(Goodbye.SUPERSEDED)
            await self._talk()
        finally:
            if self._conversation is not None:
                self._conversation.end()
            spoken = len(resident.dialogue) > 0
            if presence.leave(self.traits.device, resident):
                if spoken:
                    tell_over(self._services, self.traits)
                for delivery in self._services.deliveries:
                    delivery.left(self.traits.device)

    async def _talk(self) -> None:
        """Run all tasks of the session; the first one that ends, ends the rest."""
        self._context = copy_context()
        async with trio.open_nursery() as self._tasks:
            for task in (self._read, self._write, self._ping, self._watchdog.run):
                self._tasks.start_soon(self._run, task)
            self._services.tenancy.begin(self._open_up)

    def _open_up(self) -> None:
        """The badge is served: from now on there are tasks for what others want to have said."""
        for delivery in self._services.deliveries:
            delivery.arrived(self.traits.device, self._mailbox)
            if self.traits.introduced:
                delivery.greeted(self.traits.device, self._mailbox)
        if self._mode_before != "chat":
            self.modes.start(self._mode_before, again=True)

    async def _run(self, task: Callable[[], Awaitable[None]]) -> None:
        assert self._tasks is not None
        await task()
        self._tasks.cancel_scope.cancel(f"{getattr(task, '__name__', task)} ended")

    @property
    def conversation(self) -> Conversation:
        """The conversation, begun by the first word or sound: a badge that only waits costs no ear and no voice."""
        if self._conversation is None:
            self._conversation = Conversation(self._services, self.traits, self.outbox, self._dialogue, self)
            for task in self._conversation.tasks:
                self.spawn(partial(self._run, task))
        return self._conversation

    @property
    def errands(self) -> Errands:
        """What the session has done for it elsewhere."""
        if self._errands is None:
            self._errands = Errands(self._complain)
            self.spawn(partial(self._run, self._errands.run))
        return self._errands

    @property
    def modes(self) -> ModeSlot:
        """The mode that the session is in."""
        if self._modes is None:
            self._modes = ModeSlot(self._services, self.traits, self.errands, self)
        return self._modes

    @property
    def toolbox(self) -> Toolbox:
        """What the model can call."""
        own = self._device_tools.for_answers if self._device_tools is not None else ()
        server = DeskTools(self.desk.tools, self.traits.device)
        used = self._services.tenancy.reporting.used
        return Toolbox((server, *own), seconds=self._services.settings.chat.tool_s, used=used)

    @property
    def device_tools(self) -> DeviceTools:
        """What the badge can do itself."""
        if self._device_tools is None:
            self._device_tools = DeviceTools(self.tell, self.traits.session_id)
        return self._device_tools

    def _housed(self, services: Services, client: str) -> Services:
        """The services as this badge gets them."""
        if services.settings.devices.binding == "open":
            return services
        return DeviceBinding(services, self.traits, client, self).services

    @property
    def busy(self) -> bool:
        """Whether an answer is being given."""
        return self._conversation is not None and self._conversation.busy

    # --- tasks ---

    async def _read(self) -> None:
        try:
            while True:
                self.receive(await self._wire.receive())
        except LinkClosedError as exc:
            log.info("the badge has closed the connection", code=exc.code)
            self._goodbye = None

    async def _write(self) -> None:
        try:
            await write_frames(self._wire, self.outbox, stall=self._services.settings.timeouts.stall_s)
        except LinkClosedError:
            self._goodbye = None
        except trio.TooSlowError:
            log.warning("the badge does not take a frame", seconds=self._services.settings.timeouts.stall_s)
            self._goodbye = Goodbye.TOO_SLOW

    async def _ping(self) -> None:
        try:
            await keep_alive(self._wire, self.outbox)
            self._goodbye = Goodbye.SILENT
        except LinkClosedError:
            self._goodbye = None

    # --- the way in: no await from the socket to the microphone's queue ---

    def receive(self, frame: str | bytes) -> None:
        """Take one whole message; errors are answered, nothing that a badge sends can end the session."""
        self._watchdog.touch()
        if self._life.state == "closing":
            return
        try:
            if isinstance(frame, bytes):
                self._hear(decode_frame(self.traits.framing, frame))
            else:
                self._dispatch(decode_text(frame), len(frame))
        except RemoteProtocolError as exc:
            self._refuse(exc)

    def _hear(self, packet: AudioPacket) -> None:
        limit = self.traits.longest_packet
        if len(packet.opus) > limit:
            raise RemoteProtocolError(ErrorCode.BAD_FRAME, f"an audio packet has at most {limit} bytes")
        self._services.tenancy.admit(packet, lambda packet: self.conversation.hear(packet), size=len(packet.opus))

    def _dispatch(self, message: object, size: int) -> None:
        if isinstance(message, Echo):
            log.info(texts.LOG_RECEIVED, kind=texts.RECEIVED_KIND["echo"], message=f"{len(message.text)} characters")
            self.outbox.post(message.text)
            return
        if isinstance(message, Unknown):
            log.error(texts.LOG_UNKNOWN_TYPE, message=dump(outline(message.fields)))
            return
        name = wire_name(message)
        log.info(texts.LOG_RECEIVED, kind=texts.RECEIVED_KIND.get(name, name), message=describe(message))
        require_legal(self._phase, message)
        self._services.tenancy.admit(message, self._handle, size=size)

    def _handle(self, message: object) -> None:
        name, handler = wire_name(message), HANDLERS[type(message)]
        with boundary(name, log, on_error=lambda: self._complain(ErrorCode.INTERNAL, f"{name} failed", {"type": name})):
            try:
                handler(self, message)
            except RemoteProtocolError as exc:
                self._refuse(exc)
            except TransitionNotAllowed as exc:
                self._complain(ErrorCode.NOT_NOW, str(exc), {"type": name})

    @property
    def _phase(self) -> Phase:
        return Phase.SUPERSEDED if self._life.state == "superseded" else Phase.OPEN

    def _refuse(self, exc: RemoteProtocolError) -> None:
        if exc.reply is not None:
            self.outbox.post(dump(exc.reply))
        elif exc.code is ErrorCode.BAD_FRAME and self.traits.count_bad_frame() > 1:
            return  # said once: a badge with the wrong framing sends 16 bad frames a second
        else:
            self._complain(exc.code, exc.detail, exc.ref)

    def _complain(self, code: str, message: str, ref: dict[str, object]) -> None:
        self.outbox.post(encode_text(Error(code=code, message=message, ref=ref or None)))

    # --- what handlers, the conversation, modes and others ask ---

    @property
    def desk(self) -> Desk:
        """Where the session asks for what is not its own."""
        return self._services.desk

    def draw_id(self) -> str:
        """A fresh id."""
        return self._services.ids.sentence()

    def tell(self, message: attrs.AttrsInstance) -> None:
        """Send the badge a message."""
        self.outbox.post(encode_text(message))

    async def ask(self, purpose: Purpose, prompt: Prompt) -> str:
        """The whole answer of a model. Raises `ProviderError`, `trio.TooSlowError`."""
        patience = self._services.settings.chat.first_token_s
        llms, device = self._services.llms, self.traits.device
        return await whole_answer(llms, purpose, prompt, seconds=patience, longest=LONGEST_ANSWER, device=device)

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives; its end is not the session's. It is of this session, whoever has asked
        for it."""
        if self._tasks is not None:
            self._context.run(self._tasks.start_soon, task)

    def be_silent(self) -> None:
        """Stop answering."""
        if self._conversation is not None:
            self._conversation.be_silent()

    def await_listening(self) -> None:
        """The badge is about to bound its utterances itself."""
        if self._conversation is not None:
            self._conversation.await_listening()

    def mode_over(self, mode: ModeObject) -> None:
        """A mode has been left; what is being said in it still belongs to it."""
        if self._conversation is not None:
            self._conversation.mode_over(mode)
        else:
            self.modes.settled(mode)

    def announce(self, notice: Notice, told: Told) -> bool:
        """Have something said as soon as the badge is free; false when it will not be."""
        if self.traits.features.peer_audio and notice.kind in ("message", "waiting"):
            return False
        return self._services.tenancy.terms.bound and self.say(notice, told)

    def say(self, notice: Notice, told: Told) -> bool:
        """Have something said by ourselves as soon as the badge is free; false when it will not be."""
        return self.takes_turns and self.conversation.announce(notice, told)

    def part(self, text: str) -> None:
        """Say this after the running answer, and leave."""
        self.conversation.take_leave(text)

    def complain(self, code: str, message: str, ref: dict[str, object]) -> None:
        """Tell the badge of an error."""
        self._complain(code, message, ref)

    def greet(self) -> None:
        """Answer a hello: the welcome once more, and what waits for badges that say hello."""
        self.welcome()
        if self._services.tenancy.terms.bound:
            for delivery in self._services.deliveries:
                delivery.greeted(self.traits.device, self._mailbox)

    @property
    def takes_turns(self) -> bool:
        """Whether new turns may begin."""
        return self._life.state in ("open", "warned")

    def leave(self, goodbye: Goodbye) -> None:
        """End the session."""
        self._life.close(goodbye)

    def retire(self, goodbye: Goodbye) -> None:
        """Somebody outside wants the session to end: at once when it is quiet, after the running answer otherwise."""
        if goodbye is Goodbye.SUPERSEDED:
            self._life.supersede()
        elif self.busy:
            self.conversation.part(goodbye)
        else:
            self._life.close(goodbye)

    # --- what the life cycle makes happen ---

    def welcome(self) -> None:
        """The first message that a badge sees."""
        welcome = Welcome(session_id=self.traits.session_id, audio_params=self.traits.audio_params())
        fields = {"type": wire_name(welcome), **self._services.settings.welcome, **attrs.asdict(welcome)}
        fields["audio_params"] = {k: v for k, v in fields["audio_params"].items() if v is not None}
        self.outbox.post(dump(fields))
        for kind, reason in self._services.failures():
            self._complain(ErrorCode.COMPONENT_FAILED, f"{kind} is not working: {reason}", {"component": kind})

    def warn(self) -> None:
        """Silence will cost the connection."""
        self.outbox.post(encode_text(System(event="timeout_warning", message=texts.TIMEOUT_WARNING)))

    def give_way(self) -> None:
        """A newer connection has come."""
        self.outbox.post(encode_text(System(message=texts.TAKEOVER_NOTICE)))
        self._watchdog.ring()

    def say_goodbye(self, goodbye: Goodbye) -> None:
        """Stop everything, let the last messages out within a bound."""
        self._goodbye = goodbye
        if self._conversation is not None:
            self._conversation.end()
        self.outbox.finish()
        if self._tasks is not None:
            self._tasks.cancel_scope.deadline = trio.current_time() + LAST_WORDS

    def _failed(self) -> None:
        self._goodbye = Goodbye.FAILED


async def converse(identity: Identity, wire: Wire, services: Services) -> None:
    """Serve one badge from welcome to goodbye."""
    await Session(identity, wire, services).run()
