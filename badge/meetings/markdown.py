"""Minutes for people, in Markdown."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence

from badge.meetings.document import Action, Minutes, Point
from badge.meetings.prompts import majority
from badge.storage.records import Hole, MeetingRecord, Segment
from providers.ports import Language

_WORDS: dict[str, dict[Language, str]] = {
    "meeting": {"en": "Meeting", "zh": "会议"},
    "summary": {"en": "Summary", "zh": "摘要"},
    "decisions": {"en": "Decisions", "zh": "决定"},
    "actions": {"en": "Action items", "zh": "待办事项"},
    "questions": {"en": "Open questions", "zh": "待解决的问题"},
    "holes": {"en": "Not recorded", "zh": "未记录的时段"},
    "left_out": {"en": "Not in these minutes", "zh": "本纪要未包含的内容"},
    "transcript": {"en": "Transcript", "zh": "文字记录"},
    "none": {"en": "none", "zh": "无"},
    "due": {"en": "due", "zh": "截止"},
    "so_far": {"en": "Summary so far", "zh": "目前的摘要"},
    "unfinished": {"en": "The minutes are not written yet.", "zh": "纪要尚未生成。"},
    "device": {"en": "badge", "zh": "设备"},
    "model": {"en": "Written by a language model.", "zh": "由语言模型撰写。"},
    "extract": {"en": "Key sentences, picked without a language model.", "zh": "关键句摘录，未使用语言模型。"},
    "mixed": {
        "en": "Written by a language model in part; the rest are key sentences.",
        "zh": "部分由语言模型撰写，其余为关键句摘录。",
    },
}
_REASONS: dict[str, dict[Language, str]] = {
    "disconnected": {"en": "the badge was not connected", "zh": "设备未连接"},
    "server-restart": {"en": "the server was restarted", "zh": "服务器重启"},
    "overload": {"en": "the server was overloaded", "zh": "服务器过载"},
    "not-recognised": {"en": "speech was not recognised", "zh": "语音未能识别"},
    "not-stored": {"en": "words could not be stored", "zh": "文字未能保存"},
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")
_LEADING = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+=])")


class Page:
    """One meeting as a page; times of day are those of `zone`."""

    def __init__(self, meeting: MeetingRecord, zone: datetime.tzinfo | None, language: Language) -> None:
        self._meeting = meeting
        self._zone = zone
        self._language = language

    def text(self, minutes: Minutes | None, so_far: str, holes: Sequence[Hole], segments: Iterable[Segment]) -> str:
        """The whole page; without minutes the summary so far stands in their place."""
        body = self._minutes(minutes) if minutes is not None else self._unfinished(so_far, holes)
        return "\n".join([*self._head(minutes), *body, *self._transcript(segments)]) + "\n"

    def _word(self, name: str) -> str:
        return _WORDS[name][self._language]

    def _time(self, moment: int, form: str = "%H:%M:%S") -> str:
        return datetime.datetime.fromtimestamp(moment / 1000, self._zone).strftime(form)

    def _head(self, minutes: Minutes | None) -> Iterator[str]:
        yield f"# {plain(minutes.title) if minutes is not None and minutes.title else self._word('meeting')}"
        yield ""
        begun = self._time(self._meeting.started, "%Y-%m-%d %H:%M")
        ended = f"–{self._time(self._meeting.ended, '%H:%M')}" if self._meeting.ended else ""
        yield f"{begun}{ended}, {self._word('device')} {plain(self._meeting.device)}, `{self._meeting.id}`"

    def _unfinished(self, so_far: str, holes: Sequence[Hole]) -> Iterator[str]:
        yield from ("", self._word("unfinished"))
        if so_far:
            yield from self._section("so_far", [plain(so_far)])
        if holes:
            yield from self._section("holes", map(self._hole, holes))

    def _minutes(self, minutes: Minutes) -> Iterator[str]:
        yield from ("", f"*{self._word(minutes.method)}*")
        yield from self._section("summary", map(_point, minutes.summary))
        yield from self._section("decisions", map(_point, minutes.decisions))
        yield from self._section("actions", map(self._action, minutes.actions))
        yield from self._section("questions", map(_point, minutes.questions))
        if minutes.holes:
            yield from self._section("holes", map(self._hole, minutes.holes))
        if minutes.left_out:
            yield from self._section("left_out", (f"- {plain(told)}" for told in minutes.left_out))

    def _section(self, name: str, lines: Iterable[str]) -> Iterator[str]:
        yield from ("", f"## {self._word(name)}", "")
        yield from list(lines) or [self._word("none")]

    def _action(self, action: Action) -> str:
        said = [plain(action.owner)] if action.owner else []
        said += [f"{self._word('due')} {plain(action.due)}"] if action.due else []
        about = f" — {', '.join(said)}" if said else ""
        return f"- [ ] {plain(action.text)}{about}{_sources(action)}"

    def _hole(self, hole: Hole) -> str:
        times = self._time(hole.since) + (f"–{self._time(hole.until)}" if hole.until > hole.since else "")
        reason = _REASONS.get(hole.reason, {}).get(self._language, plain(hole.reason))
        return f"- {times}: {reason}"

    def _transcript(self, segments: Iterable[Segment]) -> Iterator[str]:
        yield from self._section(
            "transcript", (f"- [{one.number}] {self._time(one.ts)} {plain(one.text)}" for one in segments)
        )


def page(
    meeting: MeetingRecord,
    minutes: Minutes | None,
    segments: Sequence[Segment],
    *,
    so_far: str = "",
    holes: Sequence[Hole] = (),
    zone: datetime.tzinfo | None = None,
) -> str:
    """A meeting in Markdown, in the language that most of it is in; `zone` None: that of the machine. `so_far` and
    `holes` stand in it while there are no minutes, which have their own."""
    language = majority(one.text for one in segments)
    return Page(meeting, zone, language).text(minutes, so_far, holes, segments)


def plain(text: str) -> str:
    """Words that stay what they are: on one line, and nothing in them is markup or moves a terminal."""
    text = _CONTROL.sub("", " ".join(text.split()))
    return _LEADING.sub(r"\1\\\2\3", _SPECIAL.sub(r"\\\1", text))


def _point(point: Point) -> str:
    return f"- {plain(point.text)}{_sources(point)}"


def _sources(point: Point) -> str:
    return f" [{', '.join(map(str, point.segments))}]" if point.segments else ""
