"""Every reachable state of a session, visited: what holds everywhere, and that the checks would notice."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from badge.commands.diagram import MACHINES
from badge.machines.base import cells
from badge.session import answering, conversation, hearing, scribe, session, turns, watchdog
from badge.session.answering import Answers
from badge.session.conversation import Conversation
from badge.session.hearing import Ear
from badge.session.session import Session
from badge.session.turns import Turns
from tests.machines import exploration
from tests.machines.exploration import ALL_TERMS, explore
from tests.machines.guards import Seen, witnessed
from tests.machines.properties import Explored, ViolationError
from tests.machines.snapshot import Snapshot
from tests.machines.world import StandingClock, World, state_of

GUARDED = (answering, conversation, hearing, scribe, session, turns, watchdog)


@pytest.fixture(scope="module")
def everything() -> tuple[list[Explored], Seen]:
    """All explorations; a property that does not hold fails here, with the way to it."""
    with witnessed(*GUARDED) as seen:
        return [explore(terms) for terms in ALL_TERMS], seen


@pytest.mark.req("I-2", "I-3", "I-4", "CH-30", "B-73")
def test_all_properties_hold_everywhere(
    everything: tuple[list[Explored], Seen], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["", *(f"{found.terms.name}: {found.counts[0]} states, {found.counts[1]} edges" for found in everything[0])]
    with capsys.disabled():
        print("\n".join(lines))  # noqa: T201 - the numbers are for people to read
    assert all(
        min(found.counts[:2]) > 100 for found in everything[0]
    )  # a violation is raised by the exploration itself


def test_the_document_is_as_explored(everything: tuple[list[Explored], Seen]) -> None:
    """`python tests/machines/exploration.py --write` writes it anew."""
    assert exploration.DOCUMENT.read_text(encoding="utf-8") == exploration.document(everything[0])


LOOKS_FIRST = "the watchdog looks at the state before it fires"
UNREACHED = {
    ("SessionMachine", "opening", "close"): "nobody knows a connection that has not registered",
    ("SessionMachine", "superseded", "supersede"): "a superseded connection is nobody's address any more",
    ("SessionMachine", "superseded", "idle"): LOOKS_FIRST,
    ("SessionMachine", "superseded", "active"): LOOKS_FIRST,
    ("SessionMachine", "closing", "idle"): LOOKS_FIRST,
    ("SessionMachine", "closing", "active"): LOOKS_FIRST,
    ("TurnMachine", "speaking", "first_audio"): "each turn has one first audio",
    ("TurnMachine", "speaking", "nothing_heard"): "the conversation looks who has the floor before it fires",
}
"""Cells of the tables that are there for safety only: no way leads to them."""


REFUSED = {("CodingMachine", "idle", "log"), ("CodingMachine", "idle", "phase")}
"""What a badge may send all the same, and is told that it is refused."""

NOT_OF_A_SESSION = {
    "SnapshotMachine": "tests/offices/test_bulletin.py",
    "MeetingMachine": "tests/meetings/test_every_order.py",
}
"""Machines of those who serve all sessions, and where all orders of their events are tried."""


def test_every_cell_of_every_table_is_reached(everything: tuple[list[Explored], Seen]) -> None:
    """Later machines, too: what is in `MACHINES` has to be explored."""
    known = {
        (machine.__name__, *cell)
        for machine in MACHINES
        if machine.__name__ not in NOT_OF_A_SESSION
        for cell in cells(machine)
    }
    reached = set().union(*(found.cells for found in everything[0]))
    assert reached - REFUSED <= known
    assert known - reached == set(UNREACHED)


TASKS, WIRE, ENDPOINTING = "tasks do not run here", "the world sends well-formed frames", "edges come in order"
OPEN = "every badge is served here; see tests/session/test_binding.py"
HELLO = "the badge of the world says hello at once"
DRAFTS = "a draft moves nothing: it only ever holds tokens"
PLAYED = "badges of the world do not know what they have played"
ONE_WAY = {
    "Answers._acknowledge: plan.show is not None": "whatever gets no answer has words",
    "Conversation.partly_understood: self._traits.features.partials": "partial texts move nothing",
    "Answers._strange: not self._traits.introduced": HELLO,
    "Answers.answer: reporting.spent": OPEN,
    "Answers.begin_after: self._turns.current": OPEN,
    "Session._housed: services.settings.devices.binding == 'open'": OPEN,
    "Session.announce: self._services.tenancy.terms.bound": OPEN,
    "Session.greet: self._services.tenancy.terms.bound": OPEN,
    "Session._open_up: self._mode_before != 'chat'": TASKS,
    "Session._open_up: self.traits.introduced": TASKS,
    "Answers._strange: trio.current_time() < self._begun + HELLO_WITHIN": HELLO,
    "Answers.announce: self._strange": HELLO,
    "Answers.announce_next: self._strange": HELLO,
    "Answers.announce_next: self._turns.current": "a turn has the floor",
    "Answers.answer: self.takes_turns": "words that switch modes are said where nothing supersedes",
    "Answers.announce: not self._announcer.take(notice, told)": "more than is explored",
    "Conversation.abort: played_ms is not None": PLAYED,
    "Ear._decide: edge is Edge.UNHEARD": ENDPOINTING,
    "Ear._decide: self._capture is None": ENDPOINTING,
    "Ear._decode_and_watch: isinstance(item, bytes)": "there is nothing else",
    "Ear._take: len(self._early) < (EARLY_ITEMS if isinstance(item, bytes) else 2 * EARLY_ITEMS)": "more than is explored",
    "Ear.miss_audio: now >= self._last_item + MISSING_AUDIO": "a packet that comes at the last moment",
    "Scribe._too_much: sum((waiting.size for waiting in self._waiting)) > WAITING_BYTES": "more than is explored",
    "Scribe.forget: self._current is not None": TASKS,
    "Scribe.forget: which(self._current)": TASKS,
    "Session.announce: notice.kind in ('message', 'waiting')": "what a badge plays itself is no matter here",
    "Session.announce: self.traits.features.peer_audio": "what a badge plays itself is no matter here",
    "Session.spawn: self._tasks is not None": TASKS,
    "Turns.played: self._current is not None": PLAYED,
    "Session._complain: None": WIRE,
    "Session._complain: ref": WIRE,
    "Session._dispatch: isinstance(message, Echo)": WIRE,
    "Session._dispatch: isinstance(message, Unknown)": WIRE,
    "Session._hear: len(packet.opus) > limit": WIRE,
    "Session._refuse: exc.code is ErrorCode.BAD_FRAME": WIRE,
    "Session._refuse: exc.reply is not None": WIRE,
    "Session._refuse: self.traits.count_bad_frame() > 1": WIRE,
    "Session.say_goodbye: self._tasks is not None": TASKS,
    "Watchdog.expire: trio.current_time() < self.deadline": "a frame that comes in the last moment",
    "Watchdog.expire: state == 'superseded'": "other states have no deadline",
    "Watchdog.give_up_slow: self._too_slow": "the bell that nobody rang for slowness",
    "_trace: capture.ended_at is not None": "recognition ends after the utterance",
    "Answers.expect: ask is not None": DRAFTS,
    "Answers.expect: self.takes_turns": DRAFTS,
    "Conversation.__init__: listen.eager": "a setting",
    "Conversation._get_ready: services.intent == 'intent_llm'": "a setting",
    "Conversation.likely_said: not capture.mode.overhears": DRAFTS,
    "Conversation.likely_said: not text": DRAFTS,
    "Conversation.likely_said: self._ear.capture in (capture, None)": DRAFTS,
    "Session.device_tools: self._device_tools is None": TASKS,
    "Session.toolbox: self._device_tools is not None": TASKS,
}
"""Decisions that the exploration does not see go both ways, with the reason."""


def test_every_guard_goes_both_ways(everything: tuple[list[Explored], Seen]) -> None:
    assert {decision for decision, ways in everything[1].items() if len(ways) < 2} == set(ONE_WAY)


def test_a_copied_state_is_the_state_that_its_way_leads_to(everything: tuple[list[Explored], Seen]) -> None:
    """The search goes back by copies; here some hundred ways are gone from their beginning, in a world of their own."""

    async def walk(found: Explored) -> None:
        for state in list(found.came)[:: max(1, len(found.came) // 25)]:
            world = World(found.terms, trio.lowlevel.current_clock())  # type: ignore[arg-type]
            for move in found.way(state):
                assert move.may(world), move.name
                world.step(move.make)
            assert state_of(world) == state

    for found in everything[0]:
        with exploration.recorded([], []):
            trio.run(walk, found, clock=StandingClock())


def test_a_snapshot_brings_everything_back() -> None:
    async def there_and_back() -> None:
        world = World(ALL_TERMS[0], trio.lowlevel.current_clock())  # type: ignore[arg-type]
        before, copies = state_of(world), Snapshot.of(world)
        for move in exploration.moves_of(world.terms):
            if move.may(world):
                world.step(move.make)
        assert state_of(world) != before
        copies.restore()
        assert state_of(world) == before
        assert world.talk is None

    trio.run(there_and_back, clock=StandingClock())


# --- the checks can fail: the server is broken on purpose ---


def _receive_always(self: Any, frame: str | bytes) -> None:
    try:
        self._hear(session.AudioPacket(frame)) if isinstance(frame, bytes) else self._dispatch(
            session.decode_text(frame), len(frame)
        )
    except session.RemoteProtocolError as exc:
        self._refuse(exc)


def _cancel_without_close(self: Any, _: str) -> None:
    self._next = self._current = None


def _cancel_what_runs_only(self: Any, reason: str) -> None:
    kept = self._next
    CANCEL(self, reason)
    self._next = kept


def _over_but_not_finished(self: Any, _: object) -> None:
    self._listening.stir()


def _over_and_the_queue_goes_on(self: Any, turn: Any) -> None:
    self.floor.finished()
    if parting := turn.plan.parting or self._parting:
        self._door.leave(parting)
    elif queued := self._turns.next_queued():
        self.floor.heard(queued)


def _start_late(self: Any) -> None:
    self._answers.floor.listen()
    self._ear.bound(hearing.Bound.START)


def _farewell_at_any_time(self: Any) -> None:
    self._answers.begin(conversation.farewell("en", conversation.TurnTrace(0.0)))


def _nothing(*_: object, **__: object) -> None:
    """Does not do what it should."""


def _raise(*_: object, **__: object) -> None:
    raise RuntimeError


CANCEL = Turns.cancel
DEFAULT = ALL_TERMS[0].name
BROKEN = [
    (Turns, "cancel", _cancel_without_close, DEFAULT, "the truth about speaking"),
    (Turns, "cancel", _cancel_what_runs_only, DEFAULT, "a turn without the floor"),
    (Turns, "start", _nothing, DEFAULT, "thinking about nothing"),
    (Answers, "turn_over", _over_but_not_finished, DEFAULT, "speaking without a turn|thinking about nothing"),
    (Answers, "turn_over", _over_and_the_queue_goes_on, "new words wait", "although none may begin"),
    (Conversation, "not_recognised", _nothing, DEFAULT, "thinking about nothing"),
    (Conversation, "understood", _nothing, DEFAULT, "words are lost|thinking about nothing"),
    (Answers, "unheard", _nothing, DEFAULT, "thinking about nothing|listening to nobody"),
    (Conversation, "start_listening", _start_late, DEFAULT, "closes and listens"),
    (Conversation, "long_silence", _farewell_at_any_time, DEFAULT, "an answer is cut off"),
    (Answers, "takes_turns", property(lambda _: False), DEFAULT, "words are lost"),
    (Answers, "takes_turns", property(lambda _: False), "recognition switched off", "no turn can ever begin"),
    (Conversation, "utterance_begins", _raise, DEFAULT, "an error was caught"),
    (Conversation, "end", _nothing, DEFAULT, "closes and"),
    (Ear, "miss_audio", _nothing, "no detector", "waits for nothing"),
    (Ear, "_end", _nothing, "realtime", "waits for nothing"),
    (Session, "receive", _receive_always, "recognition switched off", "closes and|none may begin"),
    (watchdog.Watchdog, "expire", _nothing, "recognition switched off", "can never close|waits for nothing"),
]


@pytest.mark.parametrize(("owner", "name", "broken", "terms", "violated"), BROKEN)
def test_a_broken_server_is_noticed(
    owner: type, name: str, broken: Any, terms: str, violated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(ViolationError, match=violated):
        explore(next(known for known in ALL_TERMS if known.name == terms))
