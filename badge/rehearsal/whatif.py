"""`replay --what-if`: recorded sessions rehearsed with other settings, and a table of what that changes."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from badge.config.settings import Settings, inconsistencies
from badge.recording.fileformat import RecordingError, read
from badge.recording.recorder import session_settings
from badge.rehearsal.findings import Findings, findings_of, strayed, together
from badge.rehearsal.stage import Rehearsal, rehearse
from badge.rehearsal.table import Row, aligned, rows
from badge.replay.many import attempt, each
from badge.replay.script import Script, script_of
from protocol.strict import make_converter, structure

Write = Callable[[str], None]

_CONVERTER = make_converter(forbid_unknown=True)

NOT_ASKED = {
    "asr.use": "what was understood comes from the recording, unless it is none",
    "asr.language": "what was understood comes from the recording; only what the server says of its own changes",
    "tts.use": "what was spoken comes from the recording, unless it is none",
    "llm_by_purpose.chat": "answers come from the recording",
    "limits.connections": "others are as many as they were",
    "chat.prompt": "answers come from the recording",
    "chat.history": "answers come from the recording",
    "chat.intent": "answers come from the recording",
}
"""Settings of parts that are not asked again, and what that means."""


class WrongChangeError(Exception):
    """What was asked for cannot be; each line names a key, its value and what would be right."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@frozen(kw_only=True)
class Change:
    """One setting that is to be otherwise. `key`: its table and name with points between them."""

    key: str
    value: Any


@frozen(kw_only=True)
class Answer:
    """What came of one file: what both runs come to, or why there are none; `notes` are lines for the reader."""

    path: Path
    recorded: Findings = field(factory=Findings, repr=False)
    what_if: Findings = field(factory=Findings, repr=False)
    notes: tuple[str, ...] = ()
    unusable: str = ""

    @property
    def table(self) -> list[Row]:
        """What changes."""
        return rows(self.recorded, self.what_if, each=True)


@frozen(kw_only=True)
class Question:
    """One file and what is to be otherwise."""

    path: Path
    changes: tuple[Change, ...]
    partly: bool


def what_if(paths: Sequence[Path], wanted: Iterable[str], write: Write, *, partly: bool) -> int:
    """Rehearse files with other settings, given as KEY=VALUE, and write what changes; gives the exit status."""
    try:
        changes, notes = changes_of(wanted)
    except WrongChangeError as exc:
        for line in exc.lines:
            write(line)
        return 2
    for note in notes:
        write(note)
    questions = [Question(path=path, changes=tuple(changes), partly=partly) for path in paths]
    answers = []
    for answer in each(answer_for, questions, "recording"):
        answers.append(answer)
        for line in describe(answer):
            write(line)
    usable = [answer for answer in answers if not answer.unusable]
    if len(usable) > 1:
        for line in total(usable):
            write(line)
    return 2 if len(usable) < len(answers) else 0


def answer_for(question: Question) -> Answer:
    """Rehearse one recording twice: with the recorded settings and with the changed ones."""
    path = question.path

    def work() -> Answer:
        script = script_of(read(path), partly=question.partly)
        if script.silent:
            raise RecordingError(
                f"{path}: the audio was taken out of this recording (audio = hash): there is nothing to listen to; "
                f"record with audio = keep in [recording]"
            )
        try:
            settings = changed(script, question.changes)
        except WrongChangeError as exc:
            raise RecordingError(str(exc)) from None
        before, after = rehearse(script, script.settings), rehearse(script, settings)
        recorded = _found(before, script)
        notes = strayed(findings_of(script.records, script.framing), recorded)
        return Answer(path=path, recorded=recorded, what_if=_found(after, script), notes=tuple(notes))

    return attempt(path, work, lambda why: Answer(path=path, unusable=why))


def _found(rehearsal: Rehearsal, script: Script) -> Findings:
    return findings_of(rehearsal.records, script.framing, rehearsal.turns)


# --- what is asked for ------------------------------------------------------------------------------------------------


def changes_of(wanted: Iterable[str]) -> tuple[list[Change], list[str]]:
    """The changes in KEY=VALUE, and notes about them. Raises `WrongChangeError` with all that is wrong."""
    known = settable()
    changes: list[Change] = []
    notes: list[str] = []
    wrong: list[str] = []
    for text in wanted:
        name, equals, value = text.partition("=")
        key = _meant(name.strip(), known)
        if not equals:
            wrong.append(f"{text}: must be KEY=VALUE, such as listen.silence_ms=350")
        elif key is None:
            wrong.append(f"{name.strip()}: {_no_such(name.strip(), known)}")
        else:
            if key != name.strip():
                notes.append(f"{name.strip()} is called {key} here")
            if key in NOT_ASKED:
                notes.append(f"{key}: {NOT_ASKED[key]}")
            changes.append(Change(key=key, value=parsed(value.strip())))
    wrong += [f"{m.path} = {_shown(changes, m.path)}: {m.expected}" for m in _mistakes(changes)]
    if wrong:
        raise WrongChangeError(wrong)
    return changes, notes


def settable() -> list[str]:
    """Keys of all settings that a session reads."""
    return sorted(_keys(session_settings(Settings()), ""))


def _keys(table: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _meant(name: str, known: Sequence[str]) -> str | None:
    if name in known:
        return name
    last = name.rpartition(".")[2]
    same = [key for key in known if key.rpartition(".")[2] == last]
    return same[0] if len(same) == 1 else None


def _no_such(name: str, known: Sequence[str]) -> str:
    last = name.rpartition(".")[2]
    by_end = {key.rpartition(".")[2]: key for key in known}
    near = [key for key in known if key.rpartition(".")[2] == last]
    near = (
        near
        or difflib.get_close_matches(name, known, 3)
        or [by_end[end] for end in difflib.get_close_matches(last, by_end, 3)]
    )
    return "there is no such setting of sessions" + (f"; near it: {', '.join(near)}" if near else "")


def parsed(text: str) -> Any:
    """A value as TOML writes it; whatever is no TOML is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _mistakes(changes: Iterable[Change]) -> list[Any]:
    settings = structure(_CONVERTER, _tables({}, changes), Settings)
    return settings if isinstance(settings, list) else []


def _tables(tables: dict[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """Put changes into settings as plain values."""
    for change in changes:
        *path, name = change.key.split(".")
        table = tables
        for step in path:
            table = table.setdefault(step, {})
        table[name] = change.value
    return tables


def _shown(changes: Iterable[Change], path: str) -> str:
    value = next((change.value for change in changes if path.startswith(change.key)), None)
    return json.dumps(value, ensure_ascii=False, default=str)


def changed(script: Script, changes: Iterable[Change]) -> Settings:
    """The settings of a recording with some of them changed. Raises `WrongChangeError`."""
    settings = structure(_CONVERTER, _tables(session_settings(script.settings), changes), Settings)
    if isinstance(settings, list):
        raise WrongChangeError([f"{script.name}: {mistake}" for mistake in settings])
    wrong = inconsistencies(settings)
    if wrong:
        raise WrongChangeError(
            [f"{script.name}: {key} = {json.dumps(value, default=str)}: {why}" for key, value, why in wrong]
        )
    return settings


# --- what is written --------------------------------------------------------------------------------------------------


def describe(answer: Answer) -> Iterator[str]:
    """What a person wants to know about one file."""
    if answer.unusable:
        yield answer.unusable
        return
    table = answer.table
    yield f"{answer.path}:" if table else f"{answer.path}: nothing changes"
    if table:
        yield from aligned(table)
    for note in answer.notes:
        yield f"  even with the recorded settings a rehearsal differs from the recording: {note}"


def total(answers: Sequence[Answer]) -> Iterator[str]:
    """All files together."""
    table = rows(together(a.recorded for a in answers), together(a.what_if for a in answers), each=False)
    affected = sum(bool(answer.table) for answer in answers)
    yield f"{len(answers)} recordings together, of which {affected} change" + (":" if table else "")
    if table:
        yield from aligned(table)
