"""The comparison: takes note of what the session does this time, and holds it against what it did then."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import trio
from attrs import field, frozen

from badge.recording.journal import Passes
from badge.recording.privacy import Masking
from badge.recording.recorder import codec
from badge.recording.records import OUTPUTS, Kind
from badge.replay.script import ACTORS, Script, channel_of
from protocol import Framing, RemoteProtocolError, decode_frame

SHOWN = 12
"""Events that a divergence shows."""

LEDGER_TOLERANCE_MS = 250.0
"""Time that the stages of a turn may differ by: then they were measured on a machine that also had other things to do."""


@frozen(kw_only=True)
class Divergence:
    """Where a replay first does something else than was recorded."""

    at: float
    what: str
    recorded: str
    replayed: str
    states: dict[str, tuple[str, str]]
    """machine -> state then, state now"""
    events: tuple[str, ...] = field(repr=False)
    tasks: str = field(repr=False)

    def render(self) -> str:
        """For a person to read."""
        lines = [
            f"diverges after {self.at:.3f} s: {self.what}",
            f"  recorded   {self.recorded}",
            f"  replayed   {self.replayed}",
        ]
        lines += [f"  {machine}: then {then}, now {now}" for machine, (then, now) in self.states.items()]
        lines += ["  last events:", *(f"    {event}" for event in self.events), "  tasks:"]
        lines += [f"    {line}" for line in self.tasks.splitlines()]
        return "\n".join(lines)


class Comparison:
    """A journal that knows what will be noted."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._expected = script.outputs()
        self._next = dict.fromkeys(self._expected, 0)
        self._done = bytearray(len(script.records))
        self._open = [index for index, record in enumerate(script.records) if record.kind in OUTPUTS]
        self._open.reverse()
        self._same = Sameness(script)
        self._recent: deque[str] = deque(maxlen=SHOWN)
        self._states: dict[str, str] = {}
        self._begun = trio.current_time()
        self.passes = Passes()
        self.last_pass = 0
        """the pass of the scheduler in which the last thing happened"""
        self.actors: dict[str, trio.lowlevel.Task] = {}
        """the tasks of the session in which something happened last"""
        self._over = False
        self.divergence: Divergence | None = None
        self.late = 0.0
        """largest distance, in s, between the time of an output then and now"""
        self.sent: list[str | bytes] = []
        self.trace: list[tuple[float, str]] = []
        """what happened, without words and sound: time in s and transition, or kind of message"""

    def note(self, kind: Kind, *data: Any) -> None:
        """This has happened just now."""
        self.last_pass = self.passes.count
        if actor := ACTORS.get(kind):
            self.actors[actor] = trio.lowlevel.current_task()
        self._recent.append(f"{self._now:9.3f}  {show(kind, data)}")
        if kind in OUTPUTS and self.divergence is None and not self._over:
            self._check(kind, data)

    def end(self) -> None:
        """Whatever happens from now on is not compared."""
        self._over = True

    @property
    def missing(self) -> int | None:
        """Index of the first output that is still to come; None when all have come."""
        while self._open and self._done[self._open[-1]]:
            self._open.pop()
        return self._open[-1] if self._open else None

    @property
    def progress(self) -> int:
        """How many outputs were as they had been."""
        return sum(self._done)

    def diverge(self, what: str, recorded: str, replayed: str) -> None:
        """This is not what was recorded; only the first time counts."""
        if self.divergence is None:
            self.divergence = Divergence(
                at=self._now,
                what=what,
                recorded=recorded,
                replayed=replayed,
                states={name: (self._recorded_state(name), now) for name, now in self._states.items()},
                events=tuple(self._recent),
                tasks=task_tree(trio.lowlevel.current_root_task()),
            )

    @property
    def _now(self) -> float:
        return trio.current_time() - self._begun

    def _check(self, kind: Kind, data: tuple[Any, ...]) -> None:
        if kind is Kind.STATE:
            self._states[data[0]] = data[3]
        elif kind is Kind.OUT:
            self.sent.append(data[0])
        self.trace.append((self._now, step(kind, data)))
        channel = channel_of(kind, data)
        expected, place = self._expected.get(channel, []), self._next.get(channel, 0)
        if place >= len(expected) and not self._script.whole:
            return  # it may have been recorded after the cut
        if place >= len(expected):
            self.diverge(f"something more happens on {channel}", "nothing", show(kind, data))
            return
        index = expected[place]
        record = self._script.records[index]
        if kind is not record.kind or not self._same(kind, record.data, data):
            self.diverge(f"something else happens on {channel}", show(record.kind, record.data), show(kind, data))
            return
        self._next[channel] = place + 1
        self._done[index] = True
        self.late = max(self.late, abs(self._now - record.at / 1_000_000))

    def _recorded_state(self, machine: str) -> str:
        """In which state the machine was then, when as much had happened as now."""
        place = self._next.get(machine, 0)
        expected = self._expected.get(machine, [])
        return str(self._script.records[expected[place - 1]].data[3]) if 0 < place <= len(expected) else "not begun"


class Sameness:
    """Whether an output is the one that was recorded.

    Compared bit by bit, unless the recording lacks something: then everything but that. Durations in the ledger of a
    turn are compared with some patience.
    """

    def __init__(self, script: Script) -> None:
        self._masking: Masking | None = script.masking
        self._framing: Framing = script.framing
        self._exact = not script.silent and script.header["codec"] == codec()

    def __call__(self, kind: Kind, recorded: tuple[Any, ...], produced: tuple[Any, ...]) -> bool:
        """Compare the data of two records of one kind."""
        match kind:
            case Kind.OUT if isinstance(recorded[0], bytes):
                return isinstance(produced[0], bytes) and self._audio(recorded[0], produced[0])
            case Kind.OUT:
                return isinstance(produced[0], str) and self._text(recorded[0], produced[0])
            case Kind.ASR_FINISH if not self._exact:
                return recorded[:2] == produced[:2]
            case Kind.LLM_OPEN if self._masking is not None:
                now = self._masking.data(kind, produced)
                return (*recorded[:2], recorded[3][-1:]) == (*now[:2], now[3][-1:])
        if self._masking is not None:
            produced = self._masking.data(kind, produced)
        return bool(plain(recorded) == plain(produced))

    def _audio(self, recorded: bytes, produced: bytes) -> bool:
        if self._exact:
            return recorded == produced
        try:
            then, now = decode_frame(self._framing, recorded), decode_frame(self._framing, produced)
        except RemoteProtocolError:
            return False
        return then.timestamp == now.timestamp

    def _text(self, recorded: str, produced: str) -> bool:
        if self._masking is not None:
            return recorded == self._masking.frame(Kind.OUT, produced)
        return recorded == produced or _same_ledger(recorded, produced)


def step(kind: Kind, data: tuple[Any, ...]) -> str:
    """What an output is, without its words."""
    if kind is Kind.STATE:
        return " ".join(data)
    if kind is not Kind.OUT:
        return " ".join((str(kind), *map(str, data[:1])))
    if isinstance(data[0], bytes):
        return "audio"
    try:
        message = json.loads(data[0])
        return f"{message['type']} {message.get('state', '')}".strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        return "echo"


def _same_ledger(recorded: str, produced: str) -> bool:
    if '"ledger"' not in recorded or '"ledger"' not in produced:
        return False
    then: dict[str, Any] = json.loads(recorded)
    now: dict[str, Any] = json.loads(produced)
    stages: tuple[dict[str, float], dict[str, float]] = then.pop("stages", {}), now.pop("stages", {})
    totals = then.pop("total_ms", 0.0), now.pop("total_ms", 0.0)
    pairs = [totals, *((stages[0][name], stages[1].get(name, -1e9)) for name in stages[0])]
    near = all(abs(a - b) <= LEDGER_TOLERANCE_MS for a, b in pairs)
    return near and bool(then == now) and bool(stages[0].keys() == stages[1].keys())


def plain(value: Any) -> Any:
    """A value as it comes out of a file: tuples are lists there."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def show(kind: Kind, data: tuple[Any, ...]) -> str:
    """One record in a line."""
    words = [f"{len(item)} bytes" if isinstance(item, bytes) else str(item) for item in data]
    line = f"{kind}  {'  '.join(words)}"
    return line if len(line) <= 200 else line[:197] + "..."


def task_tree(task: trio.lowlevel.Task | None, indent: str = "") -> str:
    """A task and everything below it, one line each."""
    if task is None:
        return ""
    lines = [indent + task.name.rpartition(".")[2]]
    for nursery in task.child_nurseries:
        lines += sorted(task_tree(child, indent + "  ") for child in nursery.child_tasks)
    return "\n".join(lines)
