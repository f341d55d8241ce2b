"""Minutes without a language model: key sentences by the weight of their words, and the rest by telling words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import sqrt

from attrs import field, frozen

from badge.meetings.document import TEXT, TITLE, Action, Content, Point, cut
from badge.meetings.findings import united
from badge.storage.records import Segment
from providers.language import IDEOGRAPH

KEY_SENTENCES = 5
"""Sentences of which a summary consists."""

_SENTENCE = re.compile(r"[^.!?。！？；\n]*(?:[.!?](?=\S)[^.!?。！？；\n]*)*[.!?。！？；\n]*")
_WORD = re.compile(r"[a-z][a-z'’]{2,}")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLAIN = _set(
    "the and for that this with you are was were have has had but not they will would can could from what when where "
    "which who why how our your their his her its it's that's there here then than just about into out all any some "
    "been being also very really okay yes yeah well let's i'm we're i'll we'll don't"
)
"""Words that weigh nothing."""

_DECISION = re.compile(
    r"\b(?:we|they|everyone|it)(?:'ve| have| has| was| is|) (?:all )?(?:decided|agreed|concluded|resolved|settled)\b"
    r"|\bagreed (?:that|to|on)\b|\bdecision (?:is|was)\b|\blet's go with\b|\bwe(?:'ll| will) go with\b"
    r"|决定|一致同意|同意|敲定|就这么定|通过了",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"\baction items?\b|\bto-?do\b|\b(?:responsible for|takes? care of|assigned to|follow up)\b"
    r"|\b(?!it\b|this\b|that\b|there\b|what\b|who\b|which\b|when\b|where\b|how\b)[a-z]+(?:'ll| will)(?: \w+ly)? (?!be\b|not be\b)[a-z]+"
    r"|\b(?:needs?|has|have) to [a-z]+|负责|待办|跟进|请.{1,12}(?:完成|提交|准备|发|整理|安排|联系)",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"[?？]\s*$|(?:吗|呢)[。！\s]*$|\b(?:open )?question (?:is|remains|was)\b|问题是|还没(?:有)?(?:决定|确定|想好)"
    r"|^(?:who|what|when|where|why|how|which|should|shall|can|could|do|does|did|is|are) (?:\S+ ){2}",
    re.IGNORECASE,
)
_OWNER = re.compile(
    r"\b(?P<en>[A-Za-z][\w-]*)(?:'ll| will| is responsible| takes care| (?:needs|has) to)\b"
    r"|(?:assigned to|owner is) (?P<to>[A-Za-z][\w-]*)"
    r"|(?:^|[，。、；：:\s由让请])(?P<zh>[\u4e00-\u9fff]{2,3}?)(?:来)?负责",
    re.IGNORECASE,
)
_NOBODY = _set(
    "i we you he she they it this that there somebody someone everybody everyone nobody who and then so "
    "我 我们 你们 他们 大家 谁来 有人 主要"
)
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DUE = re.compile(
    rf"\b(?:by|before|until|on|due) (?P<en>(?:the )?(?:end of (?:the |this |next )?(?:day|week|month|year)|(?:next |this )?{_DAY}"
    r"|tomorrow|tonight|today|next (?:week|month)|\d{4}-\d{2}-\d{2}"
    r"|(?:january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2}(?:st|nd|rd|th)?))\b"
    r"|\b(?P<day>tomorrow|tonight)\b"
    r"|(?P<zh>(?:\d{4}年)?\d{1,2}月\d{1,2}[日号]|今天|明天|后天|大后天|今晚|(?:这|本|下)?(?:周|星期|礼拜)[一二三四五六日天末]|(?:本|这|下)?月底|下周|下个?月)",
    re.IGNORECASE,
)


@frozen
class _Sentence:
    text: str = field(repr=False)
    number: int
    weight: float = 0.0


def extract(segments: Sequence[Segment]) -> Content:
    """The minutes of a transcript, by rules alone; the same for the same segments."""
    sentences = _weighed([_Sentence(text, one.number) for one in segments for text in _sentences(one.text)])
    heaviest = sorted(range(len(sentences)), key=lambda at: -sentences[at].weight)[:KEY_SENTENCES]
    questions = [one for one in sentences if _QUESTION.search(one.text)]
    others = [one for one in sentences if not _QUESTION.search(one.text)]
    return Content(
        title=cut(sentences[0].text, TITLE // 2) if sentences else "",
        summary=united(_point(sentences[at]) for at in sorted(heaviest)),
        decisions=united(_point(one) for one in others if _DECISION.search(one.text)),
        actions=united(_action(one) for one in others if _ACTION.search(one.text)),
        questions=united(map(_point, questions)),
    )


def _sentences(text: str) -> Iterator[str]:
    return filter(None, (piece.strip() for piece in _SENTENCE.findall(text)))


def _weighed(sentences: list[_Sentence]) -> list[_Sentence]:
    """Sentences of many words that come up often weigh most; length alone gives no weight."""
    words = [_words(one.text) for one in sentences]
    often = Counter(word for one in words for word in one)
    return [
        _Sentence(one.text, one.number, sum(often[word] for word in mine) / sqrt(len(mine) + 4))
        for one, mine in zip(sentences, words, strict=True)
    ]


def _words(text: str) -> list[str]:
    """Words of Latin script, and pairs of neighbouring ideographs."""
    found = [word for word in _WORD.findall(text.lower()) if word not in _PLAIN]
    found += [a + b for a, b in pairwise(text) if IDEOGRAPH.match(a) and IDEOGRAPH.match(b)]
    return found


def _point(sentence: _Sentence) -> Point:
    return Point(text=cut(sentence.text, TEXT), segments=(sentence.number,))


def _action(sentence: _Sentence) -> Action:
    return Action(
        text=cut(sentence.text, TEXT),
        owner=_owner(sentence.text),
        due=_first(_DUE.search(sentence.text)),
        segments=(sentence.number,),
    )


def _owner(text: str) -> str | None:
    names = filter(None, map(_first, _OWNER.finditer(text)))
    return next((name for name in names if name.lower() not in _NOBODY), None)


def _first(match: re.Match[str] | None) -> str | None:
    return next(filter(None, match.groups()), None) if match else None
