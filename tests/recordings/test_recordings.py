"""Every recording in this folder is a test: the server does again what it did. There is nothing to write for another one.

`make.py` makes those that are here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from badge.commands.replay import Report, Task, carry_out, describe
from badge.recording.fileformat import Packer, Recording, read
from badge.recording.journal import SUFFIX
from badge.recording.records import Kind, Record

FOLDER = Path(__file__).parent
FILES = {path.stem: path for path in sorted(FOLDER.rglob(f"*{SUFFIX}"))}


def replayed(path: Path, *seeds: int) -> Report:
    """What comes of replaying a file, as the command line does it: once, or in these orders of tasks."""
    return carry_out(Task(path=path, seeds=seeds or (None,), partly=False))


@pytest.mark.parametrize("path", FILES.values(), ids=FILES.keys())
def test_the_server_does_again_what_it_did(path: Path) -> None:
    report = replayed(path)
    told = "\n".join(describe(report))
    assert report.outcomes, told
    assert not report.diverging, told


@pytest.mark.parametrize("path", FILES.values(), ids=FILES.keys())
def test_it_does_so_in_whatever_order_its_tasks_run(path: Path) -> None:
    report = replayed(path, 1, 2, 3)
    assert not report.diverging, "\n".join(describe(report))


# --- each file tells what its name says -------------------------------------------------------------------------------------


@frozen
class Story:
    """What a recording tells, as questions that tests have."""

    recording: Recording

    @property
    def records(self) -> tuple[Record, ...]:
        return self.recording.records

    def data(self, kind: Kind) -> list[tuple[Any, ...]]:
        """The data of all records of a kind."""
        return [record.data for record in self.records if record.kind is kind]

    def steps(self) -> Iterator[tuple[Record, str]]:
        """Each record, and who had the floor when it was made."""
        floor = "idle"
        for record in self.records:
            yield record, floor
            if record.kind is Kind.STATE and record.data[0] == "TurnMachine":
                floor = record.data[3]

    def transitions(self, machine: str = "TurnMachine") -> list[tuple[str, ...]]:
        """Event, state before and state after."""
        return [data[1:] for data in self.data(Kind.STATE) if data[0] == machine]

    def messages(self, kind: Kind) -> list[dict[str, Any]]:
        """The JSON messages in or out."""
        texts = [data[0] for data in self.data(kind) if isinstance(data[0], str) and data[0][:1] == "{"]
        return [json.loads(text) for text in texts]

    def told(self, **message: Any) -> bool:
        """Whether the badge has sent a message with these fields."""
        return any(message.items() <= sent.items() for sent in self.messages(Kind.IN) if message)

    def whole_turn(self, *path: str) -> bool:
        """Whether the floor went this way and the answer came to its end, with sound."""
        states = [after for _, before, after in self.transitions() if before != after]
        kinds = {record.kind for record in self.records}
        return " ".join(path) in " ".join(states) and Kind.TTS_CHUNK in kinds and self.stops > 0

    @property
    def stops(self) -> int:
        """How many answers ended."""
        return sum(m.get("state") == "stop" for m in self.messages(Kind.OUT) if m["type"] == "tts")

    @property
    def closed(self) -> list[int]:
        """With which code the server closed the connection, if it did."""
        return [data[0] for data in self.data(Kind.CLOSE)]

    def before(self, first: Kind, *others: Kind) -> bool:
        """Whether there is something of the first kind, and of the others only later."""
        kinds = [record.kind for record in self.records]
        return first in kinds and not any(other in kinds[: kinds.index(first)] for other in others)


BY_VOICE = ("listening", "thinking", "speaking", "idle")
BY_TEXT = ("thinking", "speaking", "idle")


def voice_turn(story: Story) -> bool:
    """Words so far, understood words, an answer that is heard, and what it cost."""
    out = story.messages(Kind.OUT)
    shown = any(m.get("partial") for m in out) and any(m["type"] == "ledger" for m in out)
    return story.whole_turn(*BY_VOICE) and shown


def by_mode(mode: str, *, bounded: bool) -> Callable[[Story], bool]:
    """A turn by voice in this listen mode, whose end the badge tells, or not."""

    def tells(story: Story) -> bool:
        stopped = story.told(type="listen", state="stop")
        heard = any(text for _, text in story.data(Kind.ASR_FINAL))
        return story.told(state="start", mode=mode) and stopped == bounded and heard and story.whole_turn(*BY_VOICE)

    return tells


def barge_in(story: Story) -> bool:
    """A voice takes the floor from the answer."""
    return ("listen", "speaking", "listening") in story.transitions() and story.stops == 2


def abort_before_first_token(story: Story) -> bool:
    """The model is asked, and then the user wants silence before it has said anything."""
    opened = token = False
    for record in story.records:
        if record.kind is Kind.IN and isinstance(record.data[0], str) and '"abort"' in record.data[0]:
            return opened and not token
        opened |= record.kind is Kind.LLM_OPEN
        token |= record.kind is Kind.LLM_TOKEN
    return False


def takeover_old(story: Story) -> bool:
    """Another connection comes while an answer is under way."""
    floors = [floor for record, floor in story.steps() if record.kind is Kind.RETIRE]
    superseded = story.data(Kind.RETIRE) == [("SUPERSEDED",)]
    return superseded and floors[0] in ("thinking", "speaking") and story.closed == [1000]


def takeover_new(story: Story) -> bool:
    """The dialogue goes on from where it was."""
    ((said, _),) = story.data(Kind.ENTER)
    return bool(said) and story.whole_turn(*BY_TEXT)


def idle_timeout(story: Story) -> bool:
    """Warned, and then sent away."""
    life = [event for event, _, _ in story.transitions("SessionMachine")]
    return life == ["registered", "idle", "close", "gone"] and len(story.closed) == 1


def garbage(story: Story) -> bool:
    """Errors of several kinds are told, and the badge is served afterwards."""
    codes = [message["code"] for message in story.messages(Kind.OUT) if message["type"] == "error"]
    return len(codes) >= 5 and len(set(codes)) >= 3 and story.whole_turn(*BY_TEXT)


def own_tools(story: Story) -> bool:
    """The badge is asked page by page, its question is refused, and what it says of its things is heeded."""
    asked = [message["payload"] for message in story.messages(Kind.OUT) if message["type"] == "mcp"]
    methods = [payload.get("method", payload.get("error", {}).get("code")) for payload in asked]
    wrong = [message["ref"]["field"] for message in story.messages(Kind.OUT) if message["type"] == "error"]
    return (
        methods == ["initialize", "tools/list", "tools/list", -32601]
        and wrong == ["states[0].state.volume"]
        and story.whole_turn(*BY_TEXT)
    )


def llm_error_mid_stream(story: Story) -> bool:
    """The answer had begun; the next one is whole."""
    return story.before(Kind.LLM_TOKEN, Kind.LLM_ERROR) and len(story.data(Kind.LLM_ERROR)) == 1 and story.stops == 2


def exit_word(story: Story) -> bool:
    """The server says goodbye, without asking a model, and closes."""
    return story.told(text="Goodbye!") and not story.data(Kind.LLM_OPEN) and len(story.closed) == 1 and story.stops == 1


def wake_word(story: Story) -> bool:
    """The badge is greeted, and its own wake word is not shown to it."""
    shown = any(message["type"] == "stt" for message in story.messages(Kind.OUT))
    return story.told(state="detect", text="你好小智") and story.whole_turn(*BY_TEXT) and not shown


# --- a team of badges


def asked(story: Story, what: str) -> list[list[Any]]:
    """The arguments of each question at the desk, or of what was told there."""
    questions = [data[1:] for data in story.data(Kind.DESK_ASK)] + story.data(Kind.DESK_TELL)
    return [arguments for name, arguments in questions if name == what]


def news(story: Story, **fields: Any) -> list[dict[str, Any]]:
    """The messages to the badge with these fields."""
    return [message for message in story.messages(Kind.OUT) if fields.items() <= message.items()]


def meeting_lost(story: Story) -> bool:
    """One utterance is written down, and of the next one it is told that it is lost."""
    (words,) = [arguments[1] for arguments in asked(story, "meetings.add")]
    (lost,) = asked(story, "meetings.miss")
    return words == "go forward ten meters" and lost[1] < lost[2] and not news(story, type="tts", text="go")


def meeting_resumed(story: Story) -> bool:
    """The meeting of before goes on; its minutes have the words of both connections, and the hole."""
    answers = [value for _, value in story.data(Kind.DESK_ANSWER)]
    (summary,) = news(story, type="meeting", phase="summary")
    minutes = summary["minutes"]
    return answers[0]["resumed"] and summary["segments"] == 2 and len(minutes["holes"]) >= 1


def meeting_taken_over(story: Story) -> bool:
    """A new connection comes in a meeting; this one is told so, and does not end the meeting."""
    return story.data(Kind.RETIRE) == [("SUPERSEDED",)] and not asked(story, "meetings.finalise")


def meeting_continued(story: Story) -> bool:
    """The new connection is in the meeting without having asked for it."""
    (summary,) = news(story, type="meeting", phase="summary")
    in_mode = story.data(Kind.INHERIT) == [("meeting",)] and not story.told(type="mode", state="start")
    return in_mode and summary["segments"] == 2 and not story.data(Kind.TTS_OPEN)


def working(story: Story) -> bool:
    """Spoken words claim a task, written ones complete it, and nothing is said about it."""
    heard = [text for _, text in story.data(Kind.ASR_FINAL)]
    outcomes = [result["outcome"] for message in news(story, event="result") for result in message["results"]]
    shown = news(story, type="workflow", event="update")
    return heard == ["claim task"] and outcomes == ["created", "assigned", "completed"] and len(shown) >= 3


def letter_sent(story: Story) -> bool:
    """The receiver is not there; later it has got the clip, and has heard it."""
    fates = [message.get("status") for message in news(story, type="peer")]
    return fates[0] == "ok" and [fate for fate in fates if fate in ("delivered", "heard")] == ["delivered", "heard"]


def letter_received(story: Story) -> bool:
    """The clip comes as a message, and is played after the words that announce it."""
    ((_, said, packets),) = story.data(Kind.ANNOUNCE)
    spoken = [text for _, text in story.data(Kind.TTS_OPEN)]
    return len(packets) > 10 and bool(spoken) and spoken[0] in said and len(news(story, event="message")) == 1


def reminder(story: Story) -> bool:
    """Asked for, set, and said when it is due."""
    ((_, _, due),) = asked(story, "reminders.remind")
    (told,) = news(story, type="reminder")
    return told["due"] == due and told["late_ms"] < 1000 and story.stops == 2 and len(story.data(Kind.ANNOUNCE)) == 1


def orders(story: Story) -> bool:
    """Each is carried out at the desk, and none goes to a model."""
    names = [name for _, name, _ in story.data(Kind.DESK_ASK)]
    return names == ["tasks.create", "tasks.of", "reminders.remind", "reminders.cancel"] and not story.data(
        Kind.LLM_OPEN
    )


def coding(story: Story) -> bool:
    """The log comes back numbered; one insight is the model's, the other is made without it."""
    lines = [message["number"] for message in news(story, type="coding", event="log")]
    return lines == [1, 2, 3, 4] and [m.get("degraded") for m in news(story, event="insight")] == [None, True]


STORIES: dict[str, Callable[[Story], bool]] = {
    "meeting-lost": meeting_lost,
    "meeting-resumed": meeting_resumed,
    "meeting-taken-over": meeting_taken_over,
    "meeting-continued": meeting_continued,
    "working": working,
    "letter-sent": letter_sent,
    "letter-received": letter_received,
    "reminder": reminder,
    "orders": orders,
    "coding": coding,
    "voice-turn": voice_turn,
    "mode-manual": by_mode("manual", bounded=True),
    "mode-auto": by_mode("auto", bounded=False),
    "mode-realtime": by_mode("realtime", bounded=False),
    "barge-in": barge_in,
    "abort-before-first-token": abort_before_first_token,
    "takeover-old": takeover_old,
    "takeover-new": takeover_new,
    "idle-timeout": idle_timeout,
    "garbage": garbage,
    "own-tools": own_tools,
    "llm-error-mid-stream": llm_error_mid_stream,
    "tts-failure": lambda story: story.before(Kind.TTS_CHUNK, Kind.TTS_ERROR) and bool(story.data(Kind.TTS_ERROR)),
    "asr-failure": lambda story: len(story.data(Kind.ASR_ERROR)) >= 2 and story.stops == 1,
    "exit-word": exit_word,
    "wake-word": wake_word,
    "typed-mandarin": lambda story: story.whole_turn(*BY_TEXT),
    "lost-connection": lambda story: story.stops == 0 and bool(story.data(Kind.LOST) or story.data(Kind.UNSENT)),
    "still-loading": lambda story: len(story.data(Kind.COMPONENT)) >= 3 and story.whole_turn(*BY_VOICE),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_recording_tells_what_its_name_says(name: str) -> None:
    recording = read(FILES[name])
    assert not recording.flaw
    assert STORIES[name](Story(recording))


# --- the check can fail -----------------------------------------------------------------------------------------------------


def test_a_damaged_recording_is_no_success(tmp_path: Path) -> None:
    data = bytearray(FILES["voice-turn"].read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged = tmp_path / f"damaged{SUFFIX}"
    damaged.write_bytes(data)
    report = replayed(damaged)
    assert not report.outcomes
    (message,) = describe(report)
    assert message.startswith(f"{damaged}: record ")
    assert "is damaged" in message


def altered(path: Path, target: Path, kind: Kind, number: int, data: tuple[Any, ...]) -> None:
    """A copy of a recording in which one record of a kind says something else."""
    recording = read(path)
    found = [index for index, record in enumerate(recording.records) if record.kind is kind]
    raw: list[tuple[Any, ...]] = [(r.at, r.after, r.kind, *r.data) for r in recording.records]
    at, after, *_ = raw[found[number]]
    raw[found[number]] = (at, after, kind, *data)
    target.write_bytes(Packer().pack([(0, 0, Kind.BEGIN, recording.header), *raw]))


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        (Kind.OUT, ('{"type":"stt","text":"never said"}',), "something else happens on wire"),
        (Kind.STATE, ("TurnMachine", "abort", "speaking", "idle"), "something else happens on TurnMachine"),
        (Kind.TTS_OPEN, (1, "Never said."), "something else happens on tts"),
    ],
)
def test_a_session_that_did_something_else_diverges(
    tmp_path: Path, kind: Kind, data: tuple[Any, ...], what: str
) -> None:
    """What was recorded and what happened instead is named, with the states, what came before, and the tasks."""
    path = tmp_path / f"altered{SUFFIX}"
    altered(FILES["voice-turn"], path, kind, {Kind.OUT: 3, Kind.STATE: -2, Kind.TTS_OPEN: 0}[kind], data)
    report = replayed(path)
    assert len(report.diverging) == 1
    message = "\n".join(describe(report))
    assert what in message
    assert f"recorded   {kind}  {'  '.join(map(str, data))}" in message
    assert "TurnMachine: then" in message
    assert "last events:" in message
    assert "tasks:" in message
