"""The clerk: carries out what the user wants done about reminders and tasks, and says what came of it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from badge import orders, sayings
from badge.clock import WallClock
from badge.desk import Desk, RefusedError, answered
from badge.log import get_log
from badge.modes.base import Act, Answer
from badge.orders import Order
from badge.storage.tasks import Draft, Edit, Task, latest_of
from providers.language import language_of
from providers.ports import Language

log = get_log(__name__)


class Clerk:
    """Takes orders in any mode in which the assistant is talked to."""

    def __init__(self, device: str, desk: Desk, clock: WallClock) -> None:
        self._device = device
        self._desk = desk
        self._clock = clock

    def understand(self, text: str) -> Answer | None:
        """How words are answered that want something done; None when they are talk."""
        now = self._clock.now()
        order = orders.order(text, now)
        return None if order is None else Act(partial(self._carry_out, order, now, language_of(text)))

    async def _carry_out(self, order: Order, now: datetime, language: Language) -> str:
        try:
            match order:
                case orders.Remind() | orders.RemindWhat() | orders.ListReminders() | orders.CancelReminders():
                    return await answered(self._remind(order, now, language))
                case _:
                    return await answered(self._work(order, now, language))
        except RefusedError as exc:
            log.warning("an order was refused", code=exc.code)
            return sayings.failed(language)

    async def _remind(self, order: Order, now: datetime, language: Language) -> str:
        desk = self._desk.reminders
        match order:
            case orders.Remind(text, due):
                await desk.remind(self._device, text, round(due.timestamp() * 1000))
                return sayings.will_remind(text, due, now, language)
            case orders.RemindWhat(text):
                return sayings.ask_when(text, language)
            case orders.CancelReminders():
                return sayings.cancelled(await desk.cancel(self._device), language)
            case _:
                waiting = await desk.of(self._device)
                times = [(one.text, datetime.fromtimestamp(one.due / 1000, now.tzinfo)) for one in waiting]
                return sayings.reminders(times, now, language)

    async def _work(self, order: Order, now: datetime, language: Language) -> str:
        desk = self._desk.tasks
        match order:
            case orders.AddTask(title, due):
                written = orders.iso(due)
                await desk.create(self._device, (Draft(id="", title=title, due=written),))
                return sayings.added(title, written, now, language)
            case orders.AddWhat():
                return sayings.ask_what(language)
            case orders.ListTasks():
                tasks = [(task.title, task.due) for task in await desk.of(self._device) if task.status == "open"]
                return sayings.tasks(sorted(tasks, key=lambda task: task[1] or "~"), now, language)
        task = latest_of(await desk.of(self._device), self._device)
        return sayings.no_task(language) if task is None else await self._edit(order, task, now, language)

    async def _edit(self, order: Order, task: Task, now: datetime, language: Language) -> str:
        match order:
            case orders.RenameTask(title):
                edit, said = Edit(id=task.id, title=title), sayings.renamed(title, language)
            case orders.SetDue(due):
                written = orders.iso(due)
                said = sayings.due_changed(task.title, written, now, language)
                edit = Edit(id=task.id, due=written or "")
            case _:
                edit, said = Edit(id=task.id, release=True), sayings.released(task.title, language)
        (result,) = await self._desk.tasks.change(self._device, (edit,))
        return said if result.outcome in ("changed", "unchanged") else sayings.failed(language)
