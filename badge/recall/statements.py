"""What users say of themselves in so many words, for times without a model: a few forms in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from badge.recall.findings import LONGEST_FACT, Finding, Findings
from badge.storage.recollections import Exchanged, Fact

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]?")
_QUESTION = re.compile(
    r"[?？]\s*$|什么|吗|谁|哪|几|怎么|多少"
    r"|^\W*(?:do|does|did|what|what's|which|who|where|when|why|how|am|is|are|should|would|will)\b",
    re.IGNORECASE,
)
_SINGLE = ({"name", "名字"}, {"lives in", "住在"}, {"birthday", "生日"})
"""Of these there is only one; what is said later holds."""

_OBJECT = r"(?P<what>[^.,;:!?。，；：！？\n]{1,80})"
_FORMS = tuple(
    (key, re.compile(form + _OBJECT, re.IGNORECASE))
    for key, form in (
        ("name", r"\b(?:my name is|call me)\s+"),
        ("{whose} name", r"\bmy (?P<whose>[\w']+(?: [\w']+)?'s) name is\s+"),
        ("lives in", r"\bi live in\s+"),
        ("birthday", r"\bmy birthday is\s+(?:on\s+)?"),
        ("favourite {whose}", r"\bmy favou?rite (?P<whose>\w+(?: \w+)?) is\s+"),
        ("likes", r"\bi (?:really |also )?(?:like|love|enjoy|prefer)\s+"),
        ("dislikes", r"\bi (?:really )?(?:don't like|do not like|dislike|hate|can't stand)\s+"),
        ("note", r"^\W*(?:please |can you |could you )*(?:remember|don't forget|note)(?: that)?\s+"),
        ("名字", r"(?:我叫|我的名字是|我的名字叫|以后叫我|请叫我)\s*"),
        ("住在", r"我(?:现在)?住在\s*"),
        ("生日", r"我的?生日是\s*"),
        ("喜欢", r"我(?:最|很|也|特别|非常|比较)?(?:喜欢|爱)\s*"),
        ("不喜欢", r"我(?:很|最|特别|非常)?(?:不喜欢|讨厌|不爱)\s*"),
        ("记住", r"^\W*(?:请|帮我|请帮我|你要)?(?:记住|记得|别忘了)\s*"),
    )
)
_CLOSING = re.compile(r"[\s吧啊哦呀了的]+$|\s+(?:please|thanks|thank you|ok|okay)$", re.IGNORECASE)


def stated(exchanges: Sequence[Exchanged], known: Sequence[Fact]) -> Findings:
    """What was said in one of the forms; there is no summary. A later name replaces an earlier one."""
    texts: dict[str, None] = {}
    for one in exchanges:
        for text in _statements(one.user):
            for earlier in [earlier for earlier in texts if _renews(text, earlier)]:
                del texts[earlier]
            texts[text] = None
    return Findings(
        facts=tuple(
            Finding(text=text, replaces=tuple(at for at, fact in enumerate(known) if _renews(text, fact.text)))
            for text in texts
        )
    )


def _statements(words: str) -> Iterator[str]:
    for sentence in _SENTENCE.findall(words):
        if _QUESTION.search(sentence):
            continue
        for key, form in _FORMS:
            if (match := form.search(sentence)) and (what := _CLOSING.sub("", match["what"]).strip()):
                yield f"{key.format(**match.groupdict())}: {what}"[:LONGEST_FACT]


def _renews(text: str, earlier: str) -> bool:
    key, before = text.partition(": ")[0], earlier.partition(": ")[0]
    return text != earlier and any(key in single and before in single for single in _SINGLE)
