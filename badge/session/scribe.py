"""The scribe: has captures recognised, one after the other, in the order in which they were spoken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from badge.boundary import boundary
from badge.components import Component
from badge.config.settings import AsrSettings
from badge.log import get_log
from badge.patience import Patience, patience
from badge.session.capture import Capture
from badge.session.eagerness import Eagerness
from providers.ports import EAR_RATE, Asr, ProviderError, single_error, well_formed

log = get_log(__name__)

WAITING = 8
WAITING_BYTES = 10 * 1_048_576
"""Utterances that wait for recognition, and how much audio they may have, five minutes; a user who speaks more than
that ahead of it loses the oldest."""

PIECE = EAR_RATE * 2
"""Bytes of audio, one second, that a recogniser is given at once: a slow one is known by the time it takes for that."""


class ScribeHost(Protocol):
    """Who is told what was said; every verb is synchronous."""

    def understood(self, text: str, capture: Capture) -> None:
        """The words of one utterance; empty when there were none."""

    def overtaken(self, capture: Capture) -> None:
        """An utterance that was waiting will not be recognised: too much came after it."""

    def partly_understood(self, text: str) -> None:
        """The words so far of the utterance that is being spoken."""

    def likely_said(self, text: str, capture: Capture) -> None:
        """These are likely to be all words of the utterance; empty when it goes on after all."""

    def not_recognised(self, capture: Capture, error: ProviderError) -> None:
        """The recogniser failed on this utterance for good; the utterance is over."""


class Scribe:
    """Recognises while the user still speaks; tries again on the same audio when the recogniser fails."""

    def __init__(
        self, settings: AsrSettings, asr: Component[Asr], host: ScribeHost, eager: Callable[[], Eagerness] | None = None
    ) -> None:
        """`eager`: makes who notices early that an utterance is likely to be over; None: nobody does."""
        self._settings = settings
        self._eager = eager
        self._asr = asr
        self._host = host
        self._waiting: deque[Capture] = deque()
        self._current: Capture | None = None
        self._work = trio.CancelScope()
        self._filled = trio.Event()

    def take(self, capture: Capture) -> None:
        """Recognise this capture after those before it; its audio may still grow."""
        self._waiting.append(capture)
        while len(self._waiting) > 1 and self._too_much():
            log.warning("an utterance is lost: recognition is too far behind")
            self._host.overtaken(self._waiting.popleft())
        self._filled.set()

    def _too_much(self) -> bool:
        return len(self._waiting) > WAITING or sum(waiting.size for waiting in self._waiting) > WAITING_BYTES

    def forget(self, which: Callable[[Capture], bool] = lambda _: True) -> None:
        """Give up captures: nobody wants to know any more."""
        self._waiting = deque(capture for capture in self._waiting if not which(capture))
        if self._current is not None and which(self._current):
            self._work.cancel("forgotten")

    async def run(self) -> None:
        """Work through the captures until cancelled."""
        while True:
            while not self._waiting:
                self._filled = trio.Event()
                await self._filled.wait()
            self._current = capture = self._waiting.popleft()
            with trio.CancelScope() as self._work, boundary("understanding", log):
                await self._understand(capture)
            self._current = None

    async def _understand(self, capture: Capture) -> None:
        outcome: str | ProviderError = ProviderError("asr", "failed unexpectedly")
        with boundary("recognition", log):
            outcome = await self._recognise(capture)
        await trio.lowlevel.checkpoint_if_cancelled()
        if isinstance(outcome, str):
            self._host.understood(outcome, capture)
        else:
            await capture.over()
            self._host.not_recognised(capture, outcome)

    async def _recognise(self, capture: Capture) -> str | ProviderError:
        """The words, after as many attempts as it takes and the settings allow, or the last error."""
        error: ProviderError
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await self._attempt(capture)
            except trio.TooSlowError:
                error = ProviderError("asr", f"no answer within {self._settings.timeout_s:g} s", retryable=True)
            except ProviderError as exc:
                error = exc
            log.warning("recognition failed", attempt=attempt, error=str(error))
            pause = error.pause * 2 ** (attempt - 1)
            if not error.retryable or pause > self._settings.timeout_s or attempt == self._settings.attempts:
                break
            await trio.sleep(pause)
        return error

    async def _attempt(self, capture: Capture) -> str:
        """One pass over all audio of the capture, from its start."""
        pcm = await capture.read(0)
        if not pcm:
            return ""
        with single_error(), patience(self._settings.timeout_s) as patient:
            asr = await self._asr.ready()
            return await self._transcribe(asr, capture, pcm, patient)

    async def _transcribe(self, asr: Asr, capture: Capture, pcm: bytes, patient: Patience) -> str:
        position, shown, likely = 0, "", ""
        eager = self._eager() if self._eager is not None else None
        async with asr.recognise() as recognition:
            while pcm:
                piece = pcm[:PIECE]
                position += len(piece)
                patient.begin()
                text = well_formed(await recognition.feed(piece)).strip()
                patient.pause()
                if text != shown:
                    shown = text
                    self._host.partly_understood(shown)
                if eager is not None and (guess := eager.guess(text, position, capture.voiced)) != likely:
                    likely = guess
                    self._host.likely_said(likely, capture)
                pcm = await capture.read(position)
            patient.begin()
            if capture.broken:
                return ""
            transcript = await recognition.finish()
            patient.begin()
        return transcript.text.strip()
