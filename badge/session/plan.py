"""What to do about words: pure, from a text to the plan of a turn."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from badge import texts
from badge.link import Goodbye
from badge.modes.base import Answer, Mode, Nothing, Play, Say
from badge.phrases import Announce, Exit, Phrases, Wake
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


def plan_turn(text: str, origin: Origin, trace: TurnTrace, *, phrases: Phrases, greeting: str, mode: Mode) -> Plan:
    """Decide how to answer one utterance, spoken or typed; `greeting` is what a bare wake word stands for, empty when
    wake words are not answered."""
    meaning = phrases.interpret(text)
    if isinstance(meaning, Wake):
        if not greeting:
            return Plan(answer=Nothing(), origin=Origin.WAKE, trace=trace, show=text)
        return Plan(answer=mode.hear(greeting), origin=Origin.WAKE, trace=trace)
    if isinstance(meaning, Exit):
        goodbye = Say(texts.GOODBYE[language_of(text)])
        return Plan(answer=goodbye, origin=origin, trace=trace, show=text, parting=Goodbye.EXIT)
    if isinstance(meaning, Announce):
        return Plan(answer=Say(meaning.text), origin=Origin.SERVER, trace=trace)
    return Plan(answer=mode.hear(text), origin=origin, trace=trace, show=text)


def say_again(language: Language, trace: TurnTrace) -> Plan:
    """Ask the user to repeat what could not be recognised."""
    return Plan(answer=NOT_RECOGNISED[language], origin=Origin.SERVER, trace=trace)


def farewell(language: Language, trace: TurnTrace) -> Plan:
    """Leave a user who has been silent for long."""
    answer = Say(texts.SILENCE_GOODBYE[language])
    return Plan(answer=answer, origin=Origin.SERVER, trace=trace, parting=Goodbye.IDLE)
