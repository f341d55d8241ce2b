"""One pocketsphinx decoder, in a worker process that `providers.asr.pocketsphinx` starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from providers.child import Job, Work, WorkError, serve

STEP = 3200
"""Bytes between two looks at whether the work is still wanted: 100 ms of audio, about 10 ms of work."""


def start(_: dict[str, Any]) -> Work:
    """Load the English model that comes with pocketsphinx."""
    try:
        import pocketsphinx

        # Two of its three searches are off: they come when all is said, take 150 ms and gain nothing. maxhmmpf bounds
        # the first one: half the work for the same words.
        decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL", fwdflat=False, bestpath=False, maxhmmpf=3000)
    except (ImportError, RuntimeError) as exc:
        raise WorkError(f"pocketsphinx does not load: {exc}.", remedy="Run: pip install pocketsphinx") from exc
    return Ear(decoder).answer


class Ear:
    """Follows one utterance at a time."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._usual = _numbers(decoder.get_cmn(update=False))
        self._utterance: int | None = None
        self._opening: Opening | None = None
        self._begun = False

    def answer(self, job: Job) -> None:
        """Take audio of an utterance; reply with its text so far, or with the final one when it is `finished`."""
        asked = job.payload
        if asked["begins"]:
            self._restart()
            self._utterance = asked["utterance"]
            self._opening = Opening(self._decoder, self._usual)
        elif asked["utterance"] != self._utterance:
            raise WorkError("the recogniser was restarted within the utterance.", retryable=True)
        for step in _steps(asked["pcm"]):
            if job.cancelled:
                self._utterance = None  # it has a gap now
                return
            self._hear(step)
        if asked["finished"]:
            self._finish()
        hypothesis = None if self._opening else self._decoder.hyp()
        job.reply("" if hypothesis is None else hypothesis.hypstr)

    def _hear(self, step: bytes) -> None:
        if self._opening is None:
            self._decoder.process_raw(step)
        elif self._opening.enough(step):
            self._search(self._opening)

    def _finish(self) -> None:
        if self._opening is not None:
            self._search(self._opening)
        self._stop()
        self._utterance = None

    def _search(self, opening: Opening) -> None:
        """The opening is over: search for words from the start of the utterance."""
        self._opening = None
        self._decoder.set_cmn(_text(opening.mean()))
        self._restart()
        for step in _steps(opening.audio):
            self._decoder.process_raw(step)

    def _restart(self) -> None:
        self._stop()
        self._decoder.start_utt()
        self._begun = True

    def _stop(self) -> None:
        if self._begun:
            self._decoder.end_utt()
        self._begun = False


class Opening:
    """The first second of speech, from which the decoder learns what speaker, microphone and room are like.

    It recognises by how a sound differs from the average. Its own average starts with somebody else's and follows too
    slowly for short utterances: one word of three is wrong. With the average of the first second it is one of four.
    """

    SPEECH = 10
    """steps with speech that are enough"""
    LONGEST = 25
    """steps after which it ends in any case"""
    PAUSE = 4
    """steps of silence after speech which end it: the utterance is short"""
    QUIET = 30.0
    """loudness (the first coefficient) up to which nothing is speech; that of noise 60 dB below full scale"""
    BELOW, ABOVE = 25.0, 12.0
    """how far a step with speech may be below the loudest one, and must be above the quietest"""
    LEAD = 5
    """steps that are kept while there is no speech"""
    USUAL = 3
    """steps that the usual average counts for"""

    def __init__(self, decoder: Any, usual: Sequence[float]) -> None:
        self._decoder = decoder
        self._usual = usual
        self._steps: list[list[float]] = []
        self.audio = b""

    def enough(self, pcm: bytes) -> bool:
        """Listen without searching; whether the opening is over."""
        self.audio += pcm
        while (end := (len(self._steps) + 1) * STEP) <= len(self.audio):
            self._listen(self.audio[end - STEP : end])
            if len(self._steps) > self.LEAD and not self._speech():
                del self._steps[0]
                self.audio = self.audio[STEP:]
        speech = self._speech()
        over = len(speech) >= self.SPEECH or len(self._steps) >= self.LONGEST
        return over or (len(speech) > 1 and not any(late in speech for late in self._steps[-self.PAUSE :]))

    def _listen(self, step: bytes) -> None:
        # The decoder adds what it hears to 500 frames of the average that it was given: of nothing, here.
        self._decoder.set_cmn(_text([0.0] * len(self._usual)))
        self._decoder.process_raw(step, no_search=True)
        heard = _numbers(self._decoder.get_cmn(update=True))
        frames = STEP // 320
        self._steps.append([number * (500 + frames) / frames for number in heard])

    def mean(self) -> list[float]:
        """The average of the steps with speech, leaning a little towards the usual one."""
        speech = self._speech()
        weight = len(speech) + self.USUAL
        return [
            (sum(step[at] for step in speech) + self.USUAL * usual) / weight for at, usual in enumerate(self._usual)
        ]

    def _speech(self) -> list[list[float]]:
        if not self._steps:
            return []
        loudness = self._loudness()
        least = max(self.QUIET, max(loudness) - self.BELOW, min(loudness) + self.ABOVE)
        return [step for step in self._steps if step[0] > least]

    def _loudness(self) -> list[float]:
        return [step[0] for step in self._steps]


def _numbers(mean: str) -> list[float]:
    return [float(number) for number in mean.split(",")]


def _text(mean: Sequence[float]) -> str:
    return ",".join(f"{number:.3f}" for number in mean)


def _steps(pcm: bytes | bytearray) -> Iterator[bytes]:
    """The audio in steps; the decoder does not take an empty one."""
    for at in range(0, len(pcm), STEP):
        yield bytes(pcm[at : at + STEP])


if __name__ == "__main__":
    serve(start)
