"""The providers of a rehearsal: they give what was recorded, to whatever they are asked now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from statistics import median
from typing import Any, Literal

import trio

from badge.choice import choose_vad
from badge.config.settings import Settings, VadSettings
from badge.rehearsal.listening import Attempt, Listening, Span, Utterance
from badge.rehearsal.repertoire import AFTERWARDS, Repertoire, Speech, Take
from badge.replay.playback import Played, RecordedFailure, Reel, error_of
from providers.ports import EAR_RATE, Prompt, ProviderError, Transcript, Vad, VadStream
from providers.scripted import ScriptedVadStream

SHARE = 0.2
"""Share of a recorded utterance that has to be in another one for its words to go there."""


@asynccontextmanager
async def _playing(take: Take) -> AsyncIterator[Reel]:
    """A take, from now on."""
    reel = Reel(take.error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_release, reel, take)
        async with reel.playing():
            yield reel
        nursery.cancel_scope.cancel("left")


async def _release(reel: Reel, take: Take) -> None:
    begun = trio.current_time()
    for at, item in take.items:
        await trio.sleep_until(begun + at)
        reel.push(item)
    if take.failed is not None:
        await trio.sleep_until(begun + take.failed)
        reel.fail()
    elif take.end is not None:
        await trio.sleep_until(begun + take.end)
        reel.end()


class LlmUnderstudy(Played):
    """Answers the words that were answered then; other words get the next answer that is left."""

    def __init__(self, known: dict[str, Any], replies: Repertoire) -> None:
        super().__init__(known)
        self._replies = replies

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[Reel]:
        """The answer to the last words of the user."""
        words = next((message.content for message in reversed(prompt.messages) if message.role == "user"), "")
        take = self._replies.find(words) or self._replies.next()
        if take is None:
            nothing = {"provider": self.name, "detail": "the recording has no further answer"}
            take = Take(asked=words, items=(), end=None, error=nothing, failed=self._replies.delay)
        async with _playing(take) as reel:
            yield reel


class TtsUnderstudy(Played):
    """Speaks as it did then, or is silent for as long as speaking would take."""

    def __init__(self, known: dict[str, Any], speech: Speech) -> None:
        super().__init__(known)
        self.encoding: Literal["pcm", "opus"] = "opus" if known.get("encoding") == "opus" else "pcm"
        self._speech = speech

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[Reel]:
        """The sound of one sentence."""
        async with _playing(self._speech.of(text)) as reel:
            yield reel


class RecallUnderstudy(Played):
    """Remembers for the same words what it did then, and nothing for others."""

    def __init__(self, known: dict[str, Any], memories: Repertoire) -> None:
        super().__init__(known)
        self._memories = memories

    async def recall(self, _device: str, text: str, *, ahead: bool = False) -> str:  # noqa: ARG002 - as recorded
        """What was remembered."""
        take = self._memories.find(text)
        if take is None:
            await trio.lowlevel.checkpoint()
            return ""
        if take.items:
            at, answer = take.items[0]
            await trio.sleep(at)
            return str(answer)
        if take.error is None or take.failed is None:
            await trio.sleep_forever()
        await trio.sleep(take.failed or 0.0)
        raise error_of(take.error or {})


class AsrUnderstudy(Played):
    """Understands what was understood then.

    The words of a recorded utterance go, whole and once, to the first utterance that has a fair share of its speech and
    not less than is still to come: where one is cut in two the larger part has all words and the other none; where two
    are joined their words are. Audio that was no part of an utterance then has no words. What else happens - partial
    texts, failures, the time it takes - is as with the recorded utterance that has most audio in common.
    """

    def __init__(
        self,
        known: dict[str, Any],
        past: Listening,
        present: Listening,
        *,
        patience: float,
        now: Callable[[], float],
    ) -> None:
        """`now`: s since the session began."""
        super().__init__(known)
        self._now = now
        self._past = past
        self._utterances = past.utterances()
        self._present = present
        self._patience = patience
        self._given: set[int] = set()
        self._number = 0
        latencies = [u.attempts[-1].latency for u in self._utterances if u.words is not None]
        self._usual = median(latencies or [0.0])

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[RecognitionUnderstudy]:
        """The next attempt."""
        self._number += 1
        yield RecognitionUnderstudy(self, self._number)
        await trio.lowlevel.checkpoint()

    def reached(self, number: int, fed: int) -> Span:
        """The audio of an attempt so far, `fed` samples."""
        return self._present.reached(number, fed)

    def whole(self, number: int) -> Span:
        """All audio of an attempt."""
        return self._present.attempts[number].span

    def model(self, span: Span) -> Attempt | None:
        """The recorded attempt that this one goes by: the first one at the same utterance for the first, and so on."""
        of = max(self._utterances, key=lambda utterance: utterance.span.overlap(span), default=None)
        if of is None or not of.span.overlap(span):
            return None
        before = [a for a in self._present.attempts.values() if a.number < self._number and a.span.overlap(span)]
        return of.attempts[min(len(before), len(of.attempts) - 1)]

    def hangs(self, attempt: Attempt) -> bool:
        """Whether nothing ever came of it."""
        return attempt.hung(self._patience)

    def latency(self, model: Attempt | None) -> float:
        """Seconds that the final text takes; longer than it was waited for, where it was not."""
        if model is None or model.asked is None:
            return self._usual
        if model.answered is None:
            return max(self._usual, (model.left or model.asked) - model.asked + AFTERWARDS)
        return model.latency

    async def partial(self, span: Span) -> str:
        """The text so far, as long after the audio as it was known then."""
        texts, lag = [], 0.0
        for utterance in self._utterances:
            if utterance.span.overlap(span):
                said = utterance.attempts[-1].partials
                start = utterance.span.start
                fed, text, at = next((p for p in reversed(said) if start + p[0] <= span.end), (0, "", 0.0))
                texts.append(text)
                lag = max(lag, at - self._past.when(Span(start=start, end=start + fed))[1]) if text else lag
        await trio.sleep(max(0.0, self._present.when(span)[1] + lag - self._now()))
        return " ".join(filter(None, texts))

    def words(self, span: Span) -> str:
        """The final text."""
        return " ".join(filter(None, (u.words for u in self._utterances if self._has_words_of(u, span))))

    def _has_words_of(self, utterance: Utterance, span: Span) -> bool:
        number, whole = utterance.attempts[0].number, utterance.span
        rest = Span(start=span.end, end=max(span.end, whole.end))
        shared, to_come = self._speech(whole, span), self._speech(whole, rest)
        if number in self._given or not shared or shared < SHARE * self._speech(whole, whole) or shared < to_come:
            return False
        self._given.add(number)
        return True

    def _speech(self, whole: Span, part: Span) -> int:
        """Samples of a recorded utterance in some audio: those with a voice, where a detector listened to it."""
        common = whole.common(part)
        return self._past.voice(common) if self._past.voice(whole) else common.length


class RecognitionUnderstudy:
    """One attempt at one utterance."""

    def __init__(self, asr: AsrUnderstudy, number: int) -> None:
        self._asr = asr
        self._number = number
        self._fed = 0

    async def feed(self, pcm: bytes) -> str:
        """The text so far."""
        self._fed += len(pcm) // 2
        span = self._asr.reached(self._number, self._fed)
        model = self._asr.model(span)
        if model is not None and model.broke_at is not None and self._fed >= model.broke_at:
            await trio.lowlevel.checkpoint()
            raise error_of(model.error or {})
        return await self._asr.partial(span)

    async def finish(self) -> Transcript:
        """The final text."""
        span = self._asr.whole(self._number)
        model = self._asr.model(span)
        if model is not None and self._asr.hangs(model):
            await trio.sleep_forever()
        await trio.sleep(self._asr.latency(model))
        if model is not None and model.error is not None:
            raise error_of(model.error)
        return Transcript(self._asr.words(span))


# --- voice detection --------------------------------------------------------------------------------------------------


class VadUnderstudy(Played):
    """A detector that is ready when the recorded one was."""

    def __init__(self, known: dict[str, Any], window: float, stream: Callable[[], VadStream]) -> None:
        super().__init__(known)
        self.window = window
        self.stream = stream


class RecordedVerdicts:
    """The verdicts on each frame, wherever it is heard now; what nobody listened to then is judged by its loudness."""

    def __init__(self, verdicts: dict[int, str | None], window: float, frame: Callable[[], int | None]) -> None:
        """`verdicts`: by number of the frame among all messages of the badge; `frame`: the one at hand."""
        self._verdicts = verdicts
        self._frame = frame
        self._loudness = ScriptedVadStream(round(window * EAR_RATE) * 2)

    def feed(self, pcm: bytes) -> list[bool]:
        """The verdicts on the frame at hand."""
        by_loudness = self._loudness.feed(pcm)
        number = self._frame()
        if number is None or number not in self._verdicts:
            return by_loudness
        verdicts = self._verdicts[number]
        if verdicts is None:
            raise RecordedFailure("the detector failed")
        return [verdict == "1" for verdict in verdicts]


@cache
def detector(settings: VadSettings) -> Vad:
    """The detector that these settings ask for, loaded: its streams need no task. Raises `ProviderError`."""
    return trio.run(_load, Settings(vad=settings))


async def _load(settings: Settings) -> Vad:
    """Loading takes a thread, which does not go together with a clock that jumps: so it is done beforehand."""
    error = ProviderError("vad", "is switched off")
    for candidate in choose_vad(settings).candidates:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(candidate.run)
                nursery.cancel_scope.cancel("loaded")
        except* ProviderError:
            error = ProviderError("vad", f"{candidate.name} cannot be started")
        else:
            return candidate
    raise error
