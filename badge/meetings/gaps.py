"""What minutes leave out, and why: noted while they are written, told in the language of the meeting."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import frozen

from providers.ports import Language

Why = Literal["no-answer", "unusable", "too-many", "joined"]

_TOLD: dict[Language, dict[Why, str]] = {
    "en": {
        "no-answer": "Of segments {first} to {last} only key sentences are here, because the language model did not answer.",
        "unusable": "Of segments {first} to {last} only key sentences are here, because the answer of the language model "
        "could not be used.",
        "too-many": "Of segments {first} to {last} only key sentences are here, because the meeting is longer than "
        "meeting.most_parts allows.",
        "joined": "The summary of segments {first} to {last} was joined without a language model, and not all of its "
        "points are here.",
    },
    "zh": {
        "no-answer": "第{first}至{last}段只保留了关键句，因为语言模型没有回答。",
        "unusable": "第{first}至{last}段只保留了关键句，因为语言模型的回答无法使用。",
        "too-many": "第{first}至{last}段只保留了关键句，因为会议长度超过了 meeting.most_parts 的限制。",
        "joined": "第{first}至{last}段的摘要未经语言模型合并，只保留了部分要点。",
    },
}
_TOO_MANY: dict[Language, str] = {
    "en": "Not here are {count} decisions, actions or questions, because minutes hold {most} of each.",
    "zh": "另有{count}项决定、待办或问题未列出，因为纪要每类最多包含{most}项。",
}
_UNSUPPORTED: dict[Language, str] = {
    "en": "Not here are {count} decisions, actions or questions of which the language model did not say what they rest on.",
    "zh": "语言模型给出的{count}项决定、待办或问题未列出，因为没有指明依据。",
}


@frozen
class _Stretch:
    why: Why
    first: int
    last: int


class Gaps:
    """What is left out of one meeting's minutes."""

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []
        self.unsupported = 0
        """points of a model that name no segment"""
        self.surplus = 0
        """points beyond the bounds of the document"""

    def add(self, why: Why, first: int, last: int) -> None:
        """Of these segments something is left out; stretches that follow each other become one."""
        before = next((one for one in reversed(self._stretches) if one.why == why), None)
        if before is not None and first <= before.last + 1:
            self._stretches.remove(before)
            first, last = min(first, before.first), max(last, before.last)
        self._stretches.append(_Stretch(why, first, last))

    def told(self, language: Language, most: int) -> tuple[str, ...]:
        """A sentence for each, in the order of the meeting."""
        stretches = sorted(filter(self._news, self._stretches), key=lambda one: one.first)
        told = [_TOLD[language][one.why].format(**attrs.asdict(one)) for one in stretches]
        if self.surplus:
            told.append(_TOO_MANY[language].format(count=self.surplus, most=most))
        if self.unsupported:
            told.append(_UNSUPPORTED[language].format(count=self.unsupported))
        return tuple(told)

    def _news(self, one: _Stretch) -> bool:
        """That not all points are here is no news where only key sentences are."""
        others = (other for other in self._stretches if other.why != "joined")
        return one.why != "joined" or not any(o.first <= one.first and one.last <= o.last for o in others)
