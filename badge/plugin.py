"""What authors of plugins need: a function with type hints and a docstring becomes a tool of the language model.

    from badge.plugin import tool

    @tool
    def dice(sides: int = 6) -> str:
        "Throw a die."

See docs/tools.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from attrs import field, frozen

if TYPE_CHECKING:  # a process with a plugin needs no offices
    from badge.desk import TaskDesk
    from badge.storage.records import Found, Reminder

_F = TypeVar("_F", bound=Callable[..., Any])

_MARK = "__badge_tool__"


@frozen
class Spoken:
    """A result that is said to the user as it is; the model is not asked again."""

    text: str = field(repr=False)


@frozen
class Silent:
    """A result after which nothing is said."""


@frozen
class Within:
    """Bounds of a number, both included: `Annotated[int, Within(0, 100), "per cent"]`."""

    low: float
    high: float


class ReminderBook(Protocol):
    """What is to be said later."""

    async def remind(self, device: str, text: str, due: int) -> Reminder:
        """Remind of `text` at `due`, in ms since the epoch. Raises `RefusedError`."""

    async def of(self, device: str) -> tuple[Reminder, ...]:
        """What waits, the next first."""

    async def forget(self, device: str, reminder: str) -> bool:
        """Forget one reminder of the device, by its id; false when there is none."""

    async def cancel(self, device: str) -> int:
        """Forget all reminders of the device; gives how many there were."""


class MeetingArchive(Protocol):
    """What was said in meetings."""

    async def search(self, device: str, words: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Where the words, separated by spaces, were said together in meetings of the device, the newest first."""


@frozen(kw_only=True)
class Offices:
    """Those of the server that a trusted plugin can ask."""

    tasks: TaskDesk
    reminders: ReminderBook
    meetings: MeetingArchive


class NotAvailableError(Exception):
    """A plugin asks for what it cannot have."""


@frozen(kw_only=True)
class Context:
    """What a tool may know beside its arguments. A parameter with this annotation gets it; the model does not see it.

    `settings` is the table [tools.plugin.NAME] of the plugin. An `async` tool asks the offices with `await`, another one
    by `trio.from_thread.run(context.tasks.of, context.device)`.
    """

    device: str
    now: datetime
    """the present moment, with its time zone"""
    language: Literal["en", "zh"] = "en"
    settings: Mapping[str, Any] = field(factory=dict, repr=False)
    offices: Offices | None = field(default=None, repr=False)
    """None for a plugin that is not trusted"""

    @property
    def tasks(self) -> TaskDesk:
        """The tasks of the device's group. Raises `NotAvailableError`."""
        return self._offices().tasks

    @property
    def reminders(self) -> ReminderBook:
        """What is to be said later. Raises `NotAvailableError`."""
        return self._offices().reminders

    @property
    def meetings(self) -> MeetingArchive:
        """What was said in meetings. Raises `NotAvailableError`."""
        return self._offices().meetings

    def _offices(self) -> Offices:
        if self.offices is None:
            raise NotAvailableError("Only trusted plugins can ask for this. Put the plugin on the list tools.trusted.")
        return self.offices


@frozen(kw_only=True)
class Marks:
    """What `tool` was told. `effects`: the tool changes something, so the same call is not made twice, and is not cut off
    when nobody waits for it any more; `seconds`: how long it may take, where that is less than what is configured."""

    effects: bool = False
    seconds: float | None = None


@overload
def tool(function: _F) -> _F: ...


@overload
def tool(*, effects: bool = False, seconds: float | None = None) -> Callable[[_F], _F]: ...


def tool(function: _F | None = None, *, effects: bool = False, seconds: float | None = None) -> Any:
    """Make a tool of a function. Its name is the function's, its description the first paragraph of the docstring, its
    parameters are those of the function."""

    def mark(function: _F) -> _F:
        setattr(function, _MARK, Marks(effects=effects, seconds=seconds))
        return function

    return mark if function is None else mark(function)


def marks_of(value: object) -> Marks | None:
    """The marks of a tool; None for whatever is none."""
    marks = getattr(value, _MARK, None) if callable(value) else None
    return marks if isinstance(marks, Marks) else None
