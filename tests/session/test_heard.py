"""What the user has heard of an answer that was cut short: as a calculation, and against what left on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from badge.session.heard import CUT, Passage, heard
from badge.texts import ONE_MOMENT
from providers.ports import Prompt
from providers.scripted import Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.house import Guest, House, Workshop, changed
from tests.session.test_tools import call

FRAME = 60


def passages(frames: list[int], *, ended: bool = True) -> list[Passage]:
    """One sentence for each number of frames, as the mouth makes them."""
    made: list[Passage] = []
    count = 0
    for number, size in enumerate(frames):
        first = count + number
        count += size
        made.append(
            Passage(
                f"S{number}.",
                first=first,
                begins=(count - size) * FRAME,
                end=count + number + 1 if ended or number < len(frames) - 1 else None,
                ends=count * FRAME,
            )
        )
    return made


def test_nothing_that_has_not_left_was_heard() -> None:
    assert heard(passages([10, 10]), left=0) == ""
    assert heard(passages([10, 10]), left=1) == ""  # the text alone


def test_a_sentence_under_way_is_marked() -> None:
    assert heard(passages([10, 10]), left=2) == "S0" + CUT
    assert heard(passages([10, 10]), left=11) == "S0."
    assert heard(passages([10, 10]), left=13) == "S0. S1" + CUT
    assert heard(passages([10, 10], ended=False), left=22) == "S0. S1" + CUT
    assert heard(passages([10, 10]), left=22) == "S0. S1."


def test_a_sentence_without_audio_is_read() -> None:
    assert heard(passages([0, 0]), left=1) == "S0."
    assert heard(passages([0, 0]), left=2) == "S0. S1."


def test_an_aside_was_not_said() -> None:
    aside = Passage("One moment.", first=0, begins=0, aside=True, end=5, ends=240)
    assert heard([aside, Passage("Yes.", first=5, begins=240, end=8, ends=360)], left=8) == "Yes."


def test_what_the_badge_says_counts() -> None:
    assert heard(passages([10, 10]), left=22, played=600) == "S0."
    assert heard(passages([10, 10]), left=22, played=601) == "S0. S1" + CUT
    assert heard(passages([10, 10]), left=22, played=1200) == "S0. S1."
    assert heard(passages([10, 10]), left=22, played=0) == ""


def test_sentences_of_chinese_stand_without_spaces() -> None:
    made = [
        Passage("\u4f60\u597d\u3002", first=0, begins=0, end=2, ends=60),
        Passage("\u518d\u89c1\u3002", first=2, begins=60, end=4, ends=120),
    ]
    assert heard(made, left=4) == "\u4f60\u597d\u3002\u518d\u89c1\u3002"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.data())
def test_the_more_has_left_the_more_was_heard(frames: list[int], data: st.DataObject) -> None:
    made = passages(frames)
    total = sum(frames) + len(frames)
    less = data.draw(st.integers(0, total))
    more = data.draw(st.integers(less, total))
    first, then = heard(made, left=less), heard(made, left=more)
    assert then.startswith(first.rstrip(CUT).rstrip("."))
    assert heard(made, left=total) == " ".join(f"S{n}." for n in range(len(frames)))


# --- against the wire -------------------------------------------------------------------------------------------------

WHOLE = 17
"""Frames of a sentence: a second."""


class Forecaster(ScriptedLlm):
    """Takes two seconds to see that it needs a tool, and then speaks of what that says."""

    def __init__(self, *before: Any) -> None:
        super().__init__()
        self._before = before

    def stream(self, prompt: Prompt) -> Any:
        last = prompt.messages[-1]
        reply = Reply(pieces=["Fine."])
        if last.role == "tool":
            reply = Reply(pieces=["It is sunny. ", "Take a hat."], first=0.5, pause=0.3)
        elif last.content != "again":
            reply = Reply(pieces=[*self._before, call("weather")], first=2)
        self._script.clear()
        self._script.append(reply)
        return super().stream(prompt)


def left_of(badge: Guest) -> list[str]:
    """The first turn as it left: texts of sentences, and nothing for a frame."""
    items = []
    for _, frame in badge.wire.sent:
        message = {} if isinstance(frame, bytes) else json.loads(frame)
        if isinstance(frame, bytes):
            items.append("")
        elif message["type"] == "tts" and message["state"] == "sentence_start":
            items.append(message["text"])
        elif message["type"] == "tts" and message["state"] == "stop":
            break
    return items


def played_of(items: list[str], played: int | None) -> str:
    """What a user has heard of that, when the badge has played so many ms of it."""
    sentences: list[tuple[str, int, int]] = []  # text, where its audio begins, and frames
    count = 0
    for text in items:
        if text:
            sentences.append((text, count * FRAME, 0))
        else:
            count += 1
            sentences[-1:] = [(*one[:2], one[2] + 1) for one in sentences[-1:]]
    said = [one for one in sentences if one[2] and one[0] != ONE_MOMENT["en"] and (played is None or played > one[1])]
    if not said:
        return "(interrupted)"
    _, begins, frames = said[-1]
    text = " ".join(text for text, _, _ in said)
    whole = frames == WHOLE and (played is None or played >= begins + WHOLE * FRAME)
    return text if whole else text.rstrip(".") + CUT


@pytest.mark.req("CH-22")
@pytest.mark.parametrize("before", [["Let me see. "], []], ids=["said something first", "filler"])
@pytest.mark.parametrize("behind", [None, 0, 5], ids=["tells nothing", "has played all", "is behind"])
async def test_what_is_kept_of_an_answer_is_what_left(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, before: list[str], behind: int | None
) -> None:
    """An answer with everything in it that is no part of it: the sound for a late one, a tool that takes its time, a filler.
    It is interrupted at one moment after the other."""

    async def slow() -> str:
        await trio.sleep(4)
        return "sunny"

    llm = Forecaster(*before)
    settings = changed(chat={"acknowledge_after_ms": 1500, "filler_ms": 1000}, listen={"eager": False})
    voice = ScriptedTts(lambda _: Utterance(duration=1.0, delay=0.1))
    asr = ScriptedAsr(["how is the weather"])
    house = House(nursery, llm=llm, asr=asr, tts=voice, settings=settings, tools=Workshop(weather=slow))
    kept_so_far = set()
    for number in range(40):
        badge = await house.enter(f"badge-{number}")
        await badge.speak()
        await trio.sleep(0.3 * number + 0.01)
        frames = left_of(badge).count("")
        played = None if behind is None else max(0, frames - behind) * FRAME
        over = bool(badge.of("tts", "stop"))
        badge.tell(type="abort", **({} if played is None else {"played_ms": played}))
        await badge.quiet()
        left = left_of(badge)
        badge.tell(type="listen", state="detect", text="again")
        await badge.until("tts", "stop", count=2)
        kept = "".join(m.content for m in llm.prompts[-1].messages if m.role == "assistant")
        assert kept == played_of(left, None if over else played), f"{0.3 * number} s"
        kept_so_far.add(kept)
        badge.vanish()
        await badge.gone.wait()
    assert {"(interrupted)", "It is sunny. Take a hat."} <= {one.removeprefix("Let me see. ") for one in kept_so_far}
    assert len(kept_so_far) >= 4
    assert behind or not before or "Let me see." in kept_so_far, "its end does not wait for the tool"
