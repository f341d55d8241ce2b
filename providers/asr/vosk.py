"""Vosk: recognition by a model that the operator has downloaded, shared by all utterances, in a few threads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from providers.language import without_gaps
from providers.models import vosk_flaw
from providers.ports import EAR_RATE, ProviderError, Transcript
from providers.settings import between, setting

BATCH = EAR_RATE * 2 // 5
"""Bytes that are handed over at once: 200 ms, which is how often the recogniser searches anyway."""

PORTION = EAR_RATE * 2
"""Bytes of one piece of work: 1 s, for which the recogniser of a small model takes 0.1 s. A thread cannot be stopped
within."""


@frozen(kw_only=True)
class VoskSettings:
    """Which model, and how much machine it may use."""

    model: str = setting("", "folder of the model; empty: one of the language, from the models folder")
    threads: int = setting(2, "utterances that are computed at the same time", **between(1, 16))


class VoskAsr:
    """One model for all; each utterance has a recogniser of its own (a used one would remember its audio)."""

    def __init__(self, settings: VoskSettings) -> None:
        self._path = Path(settings.model).expanduser() if settings.model else None
        self._threads = trio.CapacityLimiter(settings.threads)
        self._model: Any = None
        self.name = f"vosk ({self._path.name if self._path else 'no model'})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load the model in a thread, then stay. Raises `ProviderError` when there is none that can be used."""
        self._model = await trio.to_thread.run_sync(_load, self.name, self._path)
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._model = None

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[VoskRecognition]:
        """Start on one utterance. Raises `ProviderError` when the model is not loaded."""
        if self._model is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        yield VoskRecognition(self.name, self._model, self._threads)


class VoskRecognition:
    """One utterance; its recogniser is made and used in threads, one call after the other."""

    def __init__(self, name: str, model: Any, threads: trio.CapacityLimiter) -> None:
        self._name = name
        self._threads = threads
        self._stretches = _Stretches(model)
        self._waiting = b""
        self._text = ""
        self._busy = False

    async def feed(self, pcm: bytes) -> str:
        """The text so far. Waits while the recogniser works on the last 200 ms."""
        self._waiting += pcm
        if len(self._waiting) < BATCH:
            await trio.lowlevel.checkpoint()
            return self._text
        return await self._work(last=False)

    async def finish(self) -> Transcript:
        """The final text, empty when no word was heard."""
        return Transcript(await self._work(last=True))

    async def _work(self, *, last: bool) -> str:
        """Hear what is waiting; the text after that."""
        whole = len(self._waiting) // 2 * 2
        pcm, self._waiting = self._waiting[:whole], self._waiting[whole:]
        portions = [pcm[at : at + PORTION] for at in range(0, whole, PORTION)] or [b""]
        for portion in portions[:-1]:
            await self._hear(portion, last=False)
        return await self._hear(portions[-1], last=last)

    async def _hear(self, pcm: bytes, *, last: bool) -> str:
        """Let a thread work. When this is cancelled the thread goes on alone, with a recogniser that nobody else may
        touch any more: the utterance is over."""
        if self._busy:
            raise ProviderError(self._name, "this utterance was given up in the middle.", retryable=True)
        self._busy = True
        hear = partial(self._stretches.hear, pcm, last=last)
        try:
            self._text = await trio.to_thread.run_sync(hear, limiter=self._threads, abandon_on_cancel=True)
        except Exception as exc:  # vosk raises a bare Exception
            raise ProviderError(self._name, f"the recogniser failed: {exc}.", retryable=True) from exc
        self._busy = False
        return self._text


class _Stretches:
    """What one recogniser heard: it ends a stretch at each longer pause and then begins another."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._recogniser: Any = None
        self._done: list[str] = []

    def hear(self, pcm: bytes, *, last: bool) -> str:
        """Blocking: the text so far, or all of it after the last audio."""
        if self._recogniser is None:
            import vosk

            self._recogniser = vosk.KaldiRecognizer(self._model, EAR_RATE)
        unfinished = ""
        if self._recogniser.AcceptWaveform(pcm):
            self._done.append(json.loads(self._recogniser.Result())["text"])
        elif not last:
            unfinished = json.loads(self._recogniser.PartialResult())["partial"]
        if last:
            self._done.append(json.loads(self._recogniser.FinalResult())["text"])
        return without_gaps(" ".join(filter(None, (*self._done, unfinished))))


def _load(name: str, path: Path | None) -> Any:
    remedy = "Get one with: python -m badge models"
    if path is None:
        raise ProviderError(name, "there is no Vosk model.", remedy=remedy)
    if flaw := vosk_flaw(path):
        raise ProviderError(name, f"{path} is no complete Vosk model: {flaw}.", remedy=remedy)
    try:
        import vosk
    except (ImportError, OSError) as exc:
        raise ProviderError(name, f"vosk does not load: {exc}.", remedy="Run: pip install vosk") from exc
    vosk.SetLogLevel(-1)
    try:
        return vosk.Model(model_path=str(path))
    except Exception as exc:  # vosk raises a bare Exception
        raise ProviderError(name, f"the model in {path} cannot be read: it is damaged.", remedy=remedy) from exc
