"""The desk: what a session asks of those who outlive it, and how they say no.

Everything a session wants from outside its own connection crosses one of these protocols, so that it can be recorded
and replayed: arguments and answers are plain values. What others want of a session comes through its mailbox.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Literal, Protocol, TypeVar

import trio
from attrs import field, frozen

from badge.storage.records import Reminder
from badge.storage.tasks import Draft, Edit, Result, Task
from providers.ports import ToolSpec

ANSWER_WITHIN = 30.0
"""Seconds that a session waits for an answer."""

T = TypeVar("T")


class RefusedError(Exception):
    """What was asked is not done: `code` for programs, kebab-case; the message is an English sentence with the remedy."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


async def answered(question: Awaitable[T]) -> T:
    """The answer to a question at the desk. Raises `RefusedError`, also when none comes in time: then nobody knows whether it
    was done."""
    with trio.move_on_after(ANSWER_WITHIN):
        return await question
    raise RefusedError(
        "busy", f"There was no answer within {ANSWER_WITHIN:g} s. Look what became of it, then try again."
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


class TaskDesk(Protocol):
    """The tasks of the device's group. Whatever changes is told to every badge of the group that is online."""

    async def of(self, device: str) -> tuple[Task, ...]:
        """All tasks of the group, the oldest first. Raises `RefusedError`."""

    async def create(self, device: str, drafts: Sequence[Draft]) -> tuple[Result, ...]:
        """Add tasks; one without an id gets one."""

    async def change(self, device: str, edits: Sequence[Edit]) -> tuple[Result, ...]:
        """Edit tasks."""

    async def assign(self, device: str, task: str) -> Result:
        """Take one task."""

    async def claim(self, device: str) -> Result:
        """Take whatever is free."""

    async def complete(self, device: str, tasks: Sequence[str]) -> tuple[Result, ...]:
        """These tasks are done."""

    async def finish(self, device: str) -> Result:
        """Whatever this device works on is done."""

    def show(self, device: str) -> None:
        """Send the device a snapshot, unless it has a fresh one."""

    def refresh(self, device: str) -> None:
        """Send the device a snapshot in any case, now."""


# --- messages between badges --------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Outgoing:
    """A message before it is addressed. `to`: device ids, `*` for everybody who is online, `@group` for the sender's
    group, here or not. The id is the sender's own: the same message again is not delivered again."""

    id: str
    to: Sequence[str]
    category: str
    payload: dict[str, Any] = field(repr=False)


Fate = Literal["queued", "sent", "delivered", "heard"]
"""queued: kept for a device that is not here; sent: on its way to it; delivered: it has it; heard: it was played."""


class PostDesk(Protocol):
    """Messages between badges."""

    async def send(self, device: str, message: Outgoing) -> dict[str, Fate]:
        """Send a message: device -> what has become of it by now. Later fates are told as receipts. Raises
        `RefusedError`."""

    def heard(self, device: str, letters: Sequence[tuple[str, str]]) -> None:
        """Letters of this device, as (sender, id), were played."""


# --- meetings -----------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Opened:
    """A meeting that goes on now; `resumed`: it had begun before."""

    meeting: str
    started: int
    """ms since the epoch"""
    resumed: bool = False


@frozen(kw_only=True)
class Closing:
    """The answer to a wish to finalise. `none`: there is no meeting; `again`: the minutes are made already, or there."""

    meeting: str = ""
    started: int = 0
    pending: int = 0
    status: Literal["closing", "again", "none"] = "closing"


class MeetingDesk(Protocol):
    """The one meeting of a device."""

    async def open(self, device: str, session: str) -> Opened:
        """Begin a meeting, or go on with the one that was interrupted. Raises `RefusedError`."""

    def add(self, device: str, text: str, at: int) -> None:
        """Somebody said this; `at` in ms since the epoch."""

    def miss(self, device: str, since: int, until: int, reason: str) -> None:
        """Something was said from `since` to `until`, and is lost."""

    async def finalise(self, device: str, session: str) -> Closing:
        """No more words, except those that are being recognised: their end is told by `heard_out`, and awaited for
        3 s. The minutes come by the mailbox, now or when the device comes back."""

    def heard_out(self, device: str) -> None:
        """All words of the meeting are in."""

    async def adopt(self, device: str, meeting: str, items: Sequence[int] | None) -> tuple[Result, ...]:
        """Make tasks of the action items of a meeting (`meeting` empty: the latest one; `items`: their places from 0,
        None: all). Raises `RefusedError`."""


# --- reminders ----------------------------------------------------------------------------------------------------------


class ReminderDesk(Protocol):
    """What is to be said later."""

    async def remind(self, device: str, text: str, due: int) -> Reminder:
        """Remind of `text` at `due`, in ms since the epoch. Raises `RefusedError`."""

    async def of(self, device: str) -> tuple[Reminder, ...]:
        """What waits, the next first."""

    async def cancel(self, device: str) -> int:
        """Forget all reminders of the device; gives how many there were."""


# --- tools --------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Tool:
    """A function that a model may call. `effects`: it changes something, so that the same call is not made twice. Where two
    have one name, an MCP server goes before the badge, and the badge before a plugin."""

    spec: ToolSpec
    effects: bool = False
    origin: Literal["mcp", "badge", "plugin"] = "plugin"


@frozen(kw_only=True)
class ToolResult:
    """What became of a call.

    answer: the text goes to the model, which answers with its help; spoken: the text is said as it is; silent: nothing
    follows; unknown and failed: there is no such tool, or it did not work, and the text says so to the user.
    """

    kind: Literal["answer", "spoken", "silent", "unknown", "failed"]
    text: str = field(default="", repr=False)


class ToolDesk(Protocol):
    """What the server itself can do for a language model: plugins, and tools of MCP servers."""

    async def offered(self, device: str) -> tuple[Tool, ...]:
        """All tools for this device."""

    async def call(self, device: str, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool. A call with effects that is made again under its `key` is not made twice: it gets the result of the
        first one, also when that is still under way. Every call ends within its deadline; what goes wrong is a result."""


# --- memory -------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Said:
    """One exchange."""

    user: str = field(repr=False)
    answer: str = field(repr=False)


@frozen(kw_only=True)
class Past:
    """What is known of a device when its conversation begins: the last exchanges, and the pauses that its user makes
    within sentences, in s."""

    exchanges: tuple[Said, ...] = ()
    pauses: tuple[float, ...] = ()


class MemoryDesk(Protocol):
    """What a device said before. What is worth remembering for words comes through the `Recall` port."""

    async def past(self, device: str) -> Past:
        """What was said within the window in which a conversation is resumed; everything that was told before is in it."""

    def said(self, device: str, session: str, said: Said) -> None:
        """An exchange is over."""

    def paused(self, device: str, pauses: Sequence[float]) -> None:
        """The latest pauses of the user within sentences, in s."""

    def over(self, device: str, session: str) -> None:
        """The conversation is over: what is worth remembering of it is worked out now."""


# --- devices ------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Terms:
    """How one device is served, where that differs from the settings of the server.

    A device that is not `bound` gets no answers; it is told its `code`, or, without one, that it is not known. `llms`,
    `tts` … are keys of private settings, which the back office knows: no secret comes this way. `unknown`: the console
    did not answer, so that the settings of the server hold.
    """

    bound: bool = True
    code: str = ""
    unknown: bool = False
    prompt: str | None = field(default=None, repr=False)
    memory: str = field(default="", repr=False)
    """what somebody else remembers of the user, in place of our own memory"""
    forgets: bool = False
    """nothing is remembered of the user"""
    llms: dict[str, str] = field(factory=dict)
    """purpose -> key"""
    vad: str = ""
    asr: str = ""
    tts: str = ""
    intent: Literal["function_call", "intent_llm", "none", ""] = ""
    functions: tuple[str, ...] | None = None
    """the only plugins that are offered; None: all"""
    longest_output: int = 0
    """characters that may be spoken in a day; 0: any number"""
    reported: Literal["none", "text", "audio"] = "none"
    """what of the conversation is reported to the console"""


class DeviceDesk(Protocol):
    """Who a device belongs to, and how it is served."""

    async def terms(self, device: str, client: str) -> Terms:
        """How to serve the device; never an error, and never later than after 5 s."""

    async def spoke(self, device: str, characters: int) -> bool:
        """So many characters were spoken; false when the device has now used up what it may have in a day."""


class ReportDesk(Protocol):
    """The history of conversations, for the console."""

    def report(
        self, device: str, session: str, kind: Literal["user", "agent", "tool"], text: str, audio: str, at: int
    ) -> None:
        """Something was said at that time (ms since the epoch); `audio`: Opus packets of it, in base64 with a space
        between, or empty."""


@frozen(kw_only=True)
class Desk:
    """Everything that a session can ask for."""

    tasks: TaskDesk
    post: PostDesk
    meetings: MeetingDesk
    reminders: ReminderDesk
    tools: ToolDesk
    memory: MemoryDesk
    devices: DeviceDesk
    reports: ReportDesk
