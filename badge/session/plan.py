"""What to do about words: pure, from a text to the plan of a turn."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from badge import texts
from badge.link import Goodbye
from badge.modes.base import Answer, Ask, Clip, Mode, Nothing, Play, Say, Taken
from badge.notices import Notice
from badge.phrases import Announce, Exit, Meaning, NoSwitch, Plain, Wake
from badge.session.trace import TurnTrace
from providers.language import language_of
from providers.ports import Language

ASSETS = Path(__file__).parent.parent / "assets"

NOT_RECOGNISED: dict[Language, Play] = {
    "zh": Play(ASSETS / "voice_recognition_failed.wav", texts.NOT_UNDERSTOOD["zh"]),
    "en": Play(ASSETS / "voice_recognition_failed_en.wav", texts.NOT_UNDERSTOOD["en"]),
}
"""Recordings, because what broke recognition may have broken synthesis too."""


class Origin(StrEnum):
    """Where the words came from."""

    VOICE = "voice"
    TYPED = "typed"
    WAKE = "wake"
    SERVER = "server"


@frozen(kw_only=True)
class Plan:
    """One turn before it runs. `show` is the text that the badge displays as the user's; None for nothing.
    `parting`: leave when the answer was given."""

    answer: Answer
    origin: Origin
    trace: TurnTrace
    show: str | None = field(default=None, repr=False)
    parting: Goodbye | None = None
    notice: bool = False
    """whether somebody is told what becomes of it"""


@frozen(kw_only=True)
class Heard:
    """One utterance, spoken or typed, that began at that time (ms since the epoch)."""

    text: str = field(repr=False)
    origin: Origin
    trace: TurnTrace
    began: int
    span: tuple[float, float] = (0.0, 0.0)
    """Trio time of its first and last sound; nothing for typed words"""


def plan_turn(
    heard: Heard, meaning: Meaning, *, mode: Mode, greeting: str, order: Callable[[str], Answer | None]
) -> Plan:
    """Decide how to answer one utterance that is no switch of modes; `greeting` is what a bare wake word stands for, empty
    when wake words are not answered; `order` answers words that want something done."""
    text, origin, trace = heard.text, heard.origin, heard.trace
    if isinstance(meaning, Announce):
        return Plan(answer=Say(meaning.text), origin=Origin.SERVER, trace=trace)
    if mode.overhears:
        return Plan(answer=mode.hear(text, heard.began), origin=origin, trace=trace)
    if isinstance(meaning, NoSwitch):
        return Plan(answer=Nothing(), origin=origin, trace=trace, show=text)
    if isinstance(meaning, Wake):
        if not greeting:
            return Plan(answer=Nothing(), origin=Origin.WAKE, trace=trace, show=text)
        return Plan(answer=mode.hear(greeting, heard.began), origin=Origin.WAKE, trace=trace)
    if isinstance(meaning, Exit):
        goodbye = Say(texts.GOODBYE[language_of(text)])
        return Plan(answer=goodbye, origin=origin, trace=trace, show=text, parting=Goodbye.EXIT)
    answer = order(text) or mode.hear(text, heard.began)
    return Plan(answer=answer, origin=origin, trace=trace, show=None if isinstance(answer, Taken) else text)


def likely_ask(words: str, meaning: Meaning, *, mode: Mode, order: Callable[[str], Answer | None]) -> Ask | None:
    """What `plan_turn` would have the model asked about these words; None when it would not. Without any effect."""
    if not isinstance(meaning, Plain) or mode.overhears or order(words):
        return None
    return mode.would_ask(words)


def announcement(notice: Notice, trace: TurnTrace) -> Plan:
    """Say what others want to have said."""
    answer = Clip(notice.text, notice.clip) if notice.clip else Say(notice.text)
    return Plan(answer=answer, origin=Origin.SERVER, trace=trace, notice=True)


def say_again(language: Language, trace: TurnTrace) -> Plan:
    """Ask the user to repeat what could not be recognised."""
    return Plan(answer=NOT_RECOGNISED[language], origin=Origin.SERVER, trace=trace)


def leave_taking(text: str, trace: TurnTrace) -> Plan:
    """Say this and leave."""
    return Plan(answer=Say(text), origin=Origin.SERVER, trace=trace, parting=Goodbye.EXIT)


def farewell(language: Language, trace: TurnTrace) -> Plan:
    """Leave a user who has been silent for long."""
    answer = Say(texts.SILENCE_GOODBYE[language])
    return Plan(answer=answer, origin=Origin.SERVER, trace=trace, parting=Goodbye.IDLE)
