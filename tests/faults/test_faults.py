"""One fault at a time, at every await of a session on the world: what the user gets, and that a wrong thing is noticed."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio

from badge import desk, sayings, texts
from badge.link import Outbox, Wire
from badge.peers.presence import Presence, Resident
from badge.recording.desk import SUBJECTS
from badge.recording.fileformat import Recording
from badge.recording.records import Kind
from badge.session import scribe, session, voice
from badge.session.answering import Answers
from badge.session.conversation import Conversation
from badge.session.modeslot import ModeSlot
from badge.session.session import Session
from badge.session.speaking import Mouth
from badge.session.turns import Turn
from tests.faults.exploration import Findings, coverage, explore, quiet_log, report
from tests.faults.points import FAULTS, Fault, Seam
from tests.faults.story import record_story

LETTERS = {
    "answered": "A",
    "apologised": "S",
    "denied": "R",
    "unheard": "U",
    "the badge is gone": "G",
    "its end was cut short": "C",
    "closed: 1001 server going away": "D",
    "closed: 1011 internal error": "F",
    "closed: 1000 idle": "I",
    "closed: 1011 keepalive timeout: no pong": "K",
    "closed: 1013 too slow: messages were not read": "T",
}

TABLE = """
                error  refusal  unforeseen  timeout  slow  cancel
vad.ready       AS     AS       F           AS       A     D
vad.feed        -      -        AS          -        -     D
asr.ready       A      S        S           A        A     D
asr.enter       A      S        S           A        A     D
asr.feed        A      S        S           A        A     D
asr.finish      A      S        S           A        A     D
asr.leave       A      S        S           A        A     D
recall.ready    A      A        AS          A        A     D
recall.recall   A      A        AS          A        A     D
llm.ready       AS     AS       AS          AS       A     D
llm.enter       AS     AS       AS          AS       A     D
llm.receive     AS     AS       AS          AS       A     D
llm.leave       AS     AS       AS          AS       A     D
tts.ready       A      A        S           A        A     D
tts.enter       A      A        A           A        A     D
tts.receive     A      A        A           A        A     D
tts.leave       A      A        A           A        A     D
desk.ask        -      ARS      ARS         ARS      AS    D
wire.receive    G      -        F           AI       A     D
wire.send       G      -        F           CT       AC    CD
wire.ping       G      -        F           AK       A     D
wire.close      -      -        -           -        A     A
"""
"""What users get, by kind of await and fault. `AS`: answered where something had been said already, or where a question
that was about to be cut short came to its end."""

GARBAGE = {"asr.finish garbage: blank": "U", "llm.receive garbage: empty": "AS", "llm.receive garbage: tool call": "AS"}
"""What users get when garbage comes, where that is not an answer."""


@pytest.fixture(scope="module")
def story() -> list[Recording]:
    """The recorded sessions."""
    with quiet_log():
        return record_story()


@pytest.fixture(scope="module")
def chapters(story: list[Recording]) -> list[Findings]:
    """All of their points with all faults."""
    return [explore(recording) for recording in story]


@pytest.mark.req("RT-12")
def test_the_story_asks_the_desk_for_everything(story: list[Recording]) -> None:
    questions = {
        f"{name}.{method}"
        for name, protocol in SUBJECTS.items()
        for method, function in vars(protocol).items()
        if inspect.iscoroutinefunction(function)
    }
    asked = {record.data[1] for recording in story for record in recording.records if record.kind is Kind.DESK_ASK}
    assert asked == questions - OF_BOUND_BADGES


OF_BOUND_BADGES = {"devices.terms", "devices.spoke"}
"""Asked where badges belong to somebody; `tests/session/test_binding.py` has what becomes of them."""


def test_every_await_was_hit_with_every_fault(chapters: list[Findings]) -> None:
    points, hit = coverage(chapters)
    assert hit == points > 300
    assert sum(len(findings.runs) for findings in chapters) > 2000
    assert {point.kind for findings in chapters for point in findings.points} == set(FAULTS)
    assert any("coverage" in line and "100.00%" in line for line in report(chapters))


def test_no_user_gets_what_no_user_should_get(chapters: list[Findings]) -> None:
    assert [str(run) for findings in chapters for run in findings.violations] == []


def test_what_users_get(chapters: list[Findings]) -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for findings in chapters:
        for run in findings.runs:
            found[f"{run.point.kind} {run.fault}"].add(LETTERS[run.outcome])
    assert {what: "".join(sorted(letters)) for what, letters in found.items()} == _expected()


def _expected() -> dict[str, str]:
    header, *rows = (line.split() for line in TABLE.strip().splitlines())
    table = {f"{row[0]} {fault}": letters for row in rows for fault, letters in zip(header, row[1:], strict=True)}
    garbage = {f"{kind} {f}": "A" for kind, faults in FAULTS.items() for f in faults if f.name.startswith("garbage")}
    return {what: letters for what, letters in (table | garbage | GARBAGE).items() if letters != "-"}


# --- it can fail ---------------------------------------------------------------------------------------------------------


def wrong(story: Sequence[Recording], kind: str, fault: str) -> str:
    """What is found to be wrong, with or without a fault."""
    try:
        chapters = [
            explore(recording, lambda point, f: point.kind == kind and f.name.startswith(fault)) for recording in story
        ]
    except AssertionError as exc:  # already without
        return str(exc)
    return "\n".join(map(str, (run for findings in chapters for run in findings.violations)))


def nobody_is_asked_to_say_it_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Conversation, "not_recognised", lambda self, capture, error: None)


def recognition_is_waited_for_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scribe, "patience", lambda seconds: _patience(1e9))


_patience: Callable[[float], Any] = scribe.patience


def speech_is_waited_for_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(voice, "patience", lambda seconds: _patience(1e9))


def a_model_that_fails_is_not_excused(patch: pytest.MonkeyPatch) -> None:
    for language in ("en", "zh"):
        patch.setitem(texts.LLM_FAILED, language, "")


def a_broken_turn_is_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Answers, "turn_broke", lambda self: None)


def a_detector_that_breaks_is_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Conversation, "detector_broke", lambda self: None)


def a_turn_that_broke_is_not_closed(patch: pytest.MonkeyPatch) -> None:
    close = Mouth.close

    def sometimes(self: Mouth, turn: Turn) -> None:
        if turn.plan.trace.stages().get("tts") is not None:
            close(self, turn)

    patch.setattr(Mouth, "close", sometimes)


def a_failed_session_does_not_say_so(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_failed", lambda self: None)


def a_badge_that_does_not_read_is_kept(patch: pytest.MonkeyPatch) -> None:
    write = session.write_frames

    async def for_ever(wire: Wire, outbox: Outbox, *, stall: float) -> None:
        await write(wire, outbox, stall=1e9)

    patch.setattr(session, "write_frames", for_ever)


def a_session_that_is_cancelled_stays_registered(patch: pytest.MonkeyPatch) -> None:
    leave = Presence.leave

    def sometimes(self: Presence, device: str, resident: Resident) -> bool:
        cancelled = trio.current_effective_deadline() == -float("inf")
        return not cancelled and leave(self, device, resident)

    patch.setattr(Presence, "leave", sometimes)


def an_error_leaves_a_task_behind(patch: pytest.MonkeyPatch) -> None:
    def broke(self: Answers) -> None:
        nursery = trio.lowlevel.current_task().parent_nursery
        while nursery is not None and nursery.parent_task.parent_nursery is not None:
            outer, nursery = nursery, nursery.parent_task.parent_nursery
        outer.start_soon(trio.sleep, 1e6)
        told(self)

    told = Answers.turn_broke
    patch.setattr(Answers, "turn_broke", broke)


def the_desk_is_waited_for_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(desk, "ANSWER_WITHIN", 1e9)


def an_errand_that_fails_is_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_complain", lambda self, code, message, ref: None)


def a_mode_that_breaks_is_not_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModeSlot, "_give_up", lambda self, name, mode, message: None)


def a_refusal_ends_the_order_in_silence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sayings, "failed", lambda language: "")


def points_are_missed(patch: pytest.MonkeyPatch) -> None:
    def meets(self: Seam, kind: str) -> Fault | None:
        self.passed[kind] += 1
        return None

    patch.setattr(Seam, "meets", meets)


@pytest.mark.parametrize(
    ("mutation", "kind", "fault", "what"),
    [
        (nobody_is_asked_to_say_it_again, "asr.finish", "refusal", "silence"),
        (recognition_is_waited_for_for_ever, "asr.ready", "timeout", "silence"),
        (speech_is_waited_for_for_ever, "tts.enter", "timeout", "tts start without stop"),
        (a_model_that_fails_is_not_excused, "llm.ready", "error", "silence"),
        (a_broken_turn_is_not_told, "recall.recall", "unforeseen", "silence"),
        (a_detector_that_breaks_is_not_told, "vad.ready", "error", "silence"),
        (a_turn_that_broke_is_not_closed, "llm.enter", "unforeseen", "two answers at once"),
        (a_failed_session_does_not_say_so, "wire.receive", "unforeseen", "1001 server going away"),
        (a_badge_that_does_not_read_is_kept, "wire.send", "timeout", "dead connection|silence|the connection ended"),
        (a_session_that_is_cancelled_stays_registered, "llm.enter", "cancel", "still registered"),
        (an_error_leaves_a_task_behind, "recall.recall", "unforeseen", "a task of the session goes on"),
        (the_desk_is_waited_for_for_ever, "desk.ask", "timeout", "silence"),
        (an_errand_that_fails_is_not_told, "desk.ask", "unforeseen", "silence"),
        (a_mode_that_breaks_is_not_left, "desk.ask", "unforeseen", "silence"),
        (a_refusal_ends_the_order_in_silence, "desk.ask", "refusal", "silence"),
        (points_are_missed, "llm.leave", "error", "was not reached"),
    ],
)
def test_what_is_wrong_is_found(
    story: list[Recording],
    monkeypatch: pytest.MonkeyPatch,
    mutation: Callable[[pytest.MonkeyPatch], None],
    kind: str,
    fault: str,
    what: str,
) -> None:
    assert wrong(story, kind, fault) == ""
    mutation(monkeypatch)
    assert any(part in wrong(story, kind, fault) for part in what.split("|"))
