"""What the user has heard of an answer that was cut short. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

CUT = "…"
"""Ends a sentence that was heard only in part."""


@define
class Passage:
    """One sentence on its way to the badge, as items of the turn's speech: its text, then its audio.

    `first` is the place of the text among the items, `end` that after the last audio, None as long as there may be more;
    `begins` and `ends` are ms of the turn's audio.
    """

    text: str = field(repr=False)
    first: int
    begins: int
    aside: bool = False
    """whether it is no part of the answer"""
    end: int | None = None
    ends: int = 0


def heard(passages: Sequence[Passage], *, left: int, played: int | None = None) -> str:
    """What was heard when `left` items have left, and, where the badge has told it, `played` ms of audio were played.

    A sentence counts as soon as the first of its audio has; one without audio as soon as its text has.
    """
    known = [passage for passage in passages if not passage.aside and _begun(passage, left, played)]
    if not known:
        return ""
    last = known[-1]
    whole = last.end is not None and last.end <= left and (played is None or last.ends <= played)
    text = _join([passage.text for passage in known])
    return text if whole else text.rstrip(".。!！?？…") + CUT


def _begun(passage: Passage, left: int, played: int | None) -> bool:
    if passage.end == passage.first + 1:
        return left > passage.first
    return left > passage.first + 1 and (played is None or played > passage.begins)


def _join(sentences: Sequence[str]) -> str:
    """Sentences in a row, with a space where the script has spaces."""
    text = ""
    for sentence in sentences:
        text += " " + sentence if text and (text[-1].isascii() or sentence[:1].isascii()) else sentence
    return text
