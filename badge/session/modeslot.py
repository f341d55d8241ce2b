"""The mode slot: which mode the session is in, and what has to happen when that changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from attrs import AttrsInstance

from badge import texts
from badge.boundary import boundary
from badge.desk import RefusedError
from badge.llms import Purpose
from badge.log import get_log
from badge.machines.mode import ModeMachine
from badge.modes.base import Mode
from badge.modes.chat import CHAT
from badge.modes.coding import Coding
from badge.modes.meeting import Meeting, finalise
from badge.modes.working import Working
from badge.services import Services
from badge.session.errands import Errands
from badge.session.traits import Traits
from protocol.inbound import Coding as CodingMessage
from protocol.outbound import ModeAck
from providers.ports import Prompt

log = get_log(__name__)


class ModeHost(Protocol):
    """What modes need of their session."""

    def tell(self, message: AttrsInstance) -> None:
        """Send the badge a message."""

    async def ask(self, purpose: Purpose, prompt: Prompt) -> str:
        """The whole answer of a model. Raises `ProviderError`, `trio.TooSlowError`."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives; its end is not the session's."""

    def be_silent(self) -> None:
        """Stop answering."""

    def await_listening(self) -> None:
        """The badge is about to bound its utterances itself."""

    def mode_over(self, mode: Mode) -> None:
        """A mode has been left; what is being said in it still belongs to it."""


class ModeSlot:
    """Holds one mode at a time. Entering and leaving take effect at once; what takes a moment, and the acknowledgement
    after it, are errands."""

    def __init__(self, services: Services, traits: Traits, errands: Errands, host: ModeHost) -> None:
        self._services = services
        self._traits = traits
        self._errands = errands
        self._host = host
        self._machine = ModeMachine(self, services.watch)
        self._mode: Mode = CHAT
        self._coding: Coding | None = None
        self._unbegun: tuple[Mode, ModeAck] | None = None  # and what the badge was told

    @property
    def state(self) -> str:
        """chat, meeting, coding or working."""
        return self._machine.state

    @property
    def current(self) -> Mode:
        """The mode that answers."""
        return self._mode

    # --- what the badge or its user wants ---

    def start(self, name: str, *, again: bool = False) -> None:
        """Enter a mode, and leave the present one; `again`: the device was in this mode on another connection."""
        before = self._mode
        self._change(f"start_{name}", again=again)
        errand = self._confirm if self._mode is before else self._begin
        self._errands.put("mode", partial(errand, name, self._mode))

    def end(self, name: str) -> None:
        """Leave a mode."""
        if self.state == name:
            self._change(f"end_{name}")
            self._errands.put("mode", partial(self._acknowledge, "end", name))
        else:
            if name == "meeting":
                self._finalise()
            self._errands.put("mode", self._refuse)

    def finalise(self) -> None:
        """Have the minutes of the meeting made, which ends it."""
        if self.state == "meeting":
            self._change("end_meeting")
        else:
            self._finalise()

    def steer_coding(self, message: CodingMessage) -> None:
        """Carry out a message about the log stream, which may run in any mode."""
        self._stream().steer(message)

    def settled(self, mode: Mode) -> None:
        """Nothing that was said in a mode is open any more. That is news when the mode is over."""
        if mode is not self._mode and mode.overhears:
            self._errands.put("mode", partial(self._heard_out, mode))

    def _change(self, event: str, **details: Any) -> None:
        """Tell the machine; that a mode is over is told when it is known what follows."""
        before = self._mode
        self._machine.send(event, **details)
        if before is not self._mode and before is not CHAT:
            self._host.mode_over(before)

    # --- what the machine makes happen ---

    def enter(self, mode: str, *, again: bool) -> None:
        """The mode begins."""
        self._mode = self._made(mode)
        self._traits.imposed = self._mode.listening
        if self._mode.listening == "manual":
            self._host.await_listening()
        if self._mode.overhears:
            self._host.be_silent()
        self._mode.enter(again=again)

    def leave(self, mode: str) -> None:
        """The mode ends: the badge is listened to as it wants."""
        left, self._mode = self._mode, CHAT
        self._traits.imposed = None
        self._errands.put(mode, left.end, vital=True)

    # --- errands ---

    async def _begin(self, name: str, mode: Mode) -> None:
        """Everything that the mode brings, then the acknowledgement; a mode that cannot be is left again."""
        with boundary("mode", log, on_error=lambda: self._give_up(name, mode, texts.MODE_FAILED)):
            try:
                await mode.begin()
            except RefusedError as exc:
                log.warning("a mode could not be entered", mode=name, code=exc.code)
                self._give_up(name, mode, exc.message)
            else:
                await self._acknowledge("start", name)

    def _give_up(self, name: str, mode: Mode, message: str) -> None:
        answer = ModeAck(status="error", mode=name, message=message)
        self._unbegun = mode, answer
        self._host.tell(answer)
        if self._mode is mode:
            self._change(f"end_{name}")

    async def _confirm(self, name: str, mode: Mode) -> None:
        """The mode is on already, or it turned out meanwhile that it cannot be."""
        if self._unbegun is not None and self._unbegun[0] is mode:
            self._host.tell(self._unbegun[1])
        else:
            await self._acknowledge("start", name)

    async def _acknowledge(self, state: str, name: str) -> None:
        self._host.tell(ModeAck(state="start" if state == "start" else "end", mode=name))

    async def _heard_out(self, mode: Mode) -> None:
        mode.heard_out()

    async def _refuse(self) -> None:
        self._host.tell(ModeAck(status="error", message=texts.NOT_IN_MODE))

    def _finalise(self) -> None:
        async def ask() -> None:
            await finalise(
                device=self._traits.device,
                session=self._traits.session_id,
                desk=self._services.desk.meetings,
                tell=self._host.tell,
            )

        self._errands.put("meeting", ask)

    # --- the modes ---

    def _made(self, name: str) -> Mode:
        desk, settings, host = self._services.desk, self._services.settings, self._host
        match name:
            case "meeting":
                return Meeting(
                    device=self._traits.device,
                    session=self._traits.session_id,
                    settings=settings.meeting,
                    desk=desk.meetings,
                    tell=host.tell,
                )
            case "working":
                return Working(device=self._traits.device, desk=desk.tasks, tell=host.tell, errand=self._errands.put)
            case _:
                return self._stream()

    def _stream(self) -> Coding:
        if self._coding is None:
            host = self._host
            self._coding = Coding(
                settings=self._services.settings.coding,
                tell=host.tell,
                ask=host.ask,
                spawn=host.spawn,
                watch=self._services.watch,
            )
        return self._coding
