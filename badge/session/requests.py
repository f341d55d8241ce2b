"""What a badge asks for by message and gets an answer to later: one errand per kind of request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from badge import texts
from badge.desk import Outgoing, RefusedError, answered
from badge.offices.wishes import MOST_WISHES, answer, drafts, edits, ids, outcomes, valid
from badge.storage.tasks import Result
from protocol.inbound import Meeting, Peer, Workflow
from protocol.outbound import MeetingTasks, PeerSent, TaskResults

if TYPE_CHECKING:
    from badge.session.session import Session

MOST_HEARD = 100
"""Messages that one report may be about."""


async def send(session: Session, message: Peer) -> None:
    """Send a message to other badges, and say what has become of it by now."""
    payload = dict(message.payload)
    category = message.category if message.category is not None else payload.pop("category", "text")
    outgoing = Outgoing(
        id=message.id or session.draw_id(),
        to=tuple(message.to),
        category=str(category),
        payload=payload,
    )
    try:
        fates = await answered(session.desk.post.send(session.traits.device, outgoing))
    except RefusedError as exc:
        text = texts.INVALID_CATEGORY if exc.code == "invalid-category" else exc.message
        session.tell(PeerSent(status="error", id=message.id, code=exc.code, message=text))
        return
    session.tell(PeerSent(status="ok", id=outgoing.id, to=dict(fates)))


async def adopt(session: Session, message: Meeting) -> None:
    """Make tasks of the action items of a meeting."""
    try:
        items = None if message.items is None else tuple(message.items)
        results = await answered(session.desk.meetings.adopt(session.traits.device, message.meetingId or "", items))
    except RefusedError as exc:
        session.tell(MeetingTasks(status="error", meetingId=message.meetingId, message=exc.message))
        return
    session.tell(MeetingTasks(status="ok", meetingId=message.meetingId, tasks=outcomes(results)))


async def assign(session: Session, message: Workflow) -> None:
    """Take one task."""
    wishes = ids([message.id])
    device, tasks = session.traits.device, session.desk.tasks
    await _answer(session, "assign", 1, wishes, lambda: _each(tasks.assign(device, one) for one in valid(wishes)))


async def complete(session: Session, message: Workflow) -> None:
    """These tasks are done."""
    named = message.ids if message.id is None else [*message.ids, message.id]
    wishes = ids(named[:MOST_WISHES])
    device, tasks = session.traits.device, session.desk.tasks
    await _answer(session, "complete", len(named), wishes, lambda: tasks.complete(device, tuple(valid(wishes))))


async def create(session: Session, message: Workflow) -> None:
    """Add tasks."""
    wishes = drafts(message.tasks[:MOST_WISHES])
    device, tasks = session.traits.device, session.desk.tasks
    await _answer(session, "create", len(message.tasks), wishes, lambda: tasks.create(device, tuple(valid(wishes))))


async def update(session: Session, message: Workflow) -> None:
    """Edit the tasks that have an id, and add the others."""
    named = message.tasks[:MOST_WISHES]
    changed = edits([task for task in named if task.get("id") is not None])
    new = drafts([task for task in named if task.get("id") is None])
    device, tasks = session.traits.device, session.desk.tasks

    async def do() -> tuple[Result, ...]:
        edited = await tasks.change(device, tuple(valid(changed))) if valid(changed) else ()
        created = await tasks.create(device, tuple(valid(new))) if valid(new) else ()
        return (*edited, *created)

    await _answer(session, "update", len(message.tasks), (*changed, *new), do)


WORKFLOW: dict[str, Callable[[Session, Workflow], Awaitable[None]]] = {
    "assign": assign,
    "complete": complete,
    "create": create,
    "update": update,
}
"""What a badge may ask for about tasks."""


async def _each(requests: Iterable[Awaitable[Result]]) -> tuple[Result, ...]:
    return tuple([await request for request in requests])


async def _answer(
    session: Session,
    request: str,
    number: int,
    wishes: Sequence[object],
    do: Callable[[], Awaitable[Sequence[Result]]],
) -> None:
    """Carry out the wishes that can be, and say what became of each. `number`: how many the message has; no more than may
    be were looked at, as that takes its time."""
    problem = "" if wishes else "there is no task in the message"
    if number > MOST_WISHES:
        problem = f"{number} tasks in one message: at most {MOST_WISHES} are taken"
    results: Sequence[Result] = ()
    if not problem and valid(wishes):
        try:
            results = await answered(do())
        except RefusedError as exc:
            problem = exc.message
    if problem:
        session.tell(TaskResults(request=request, status="error", results=[], message=problem))
    else:
        session.tell(answer(request, wishes, results))
