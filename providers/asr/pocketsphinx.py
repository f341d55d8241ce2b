"""pocketsphinx in worker processes: embedded English recognition that needs no download."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio
from attrs import frozen

from providers.ports import EAR_RATE, ProviderError, Transcript
from providers.process import WorkerProcess
from providers.settings import between, setting

log = structlog.get_logger(__name__)

PORTION = 8 * EAR_RATE * 2
"""Bytes of one message to a decoder: 8 s of audio."""

RETRY_AFTER = 10.0
"""s between attempts to start a further decoder, when the machine has no room for it."""


@frozen(kw_only=True)
class PocketsphinxSettings:
    """How much machine it may use."""

    decoders: int = setting(
        2, "utterances that are recognised at the same time; each takes 110 MB once it is needed", **between(1, 16)
    )


class PocketsphinxAsr:
    """A pool of decoders, each a process with one utterance at a time; the first one is there from the start, another
    one is started when an utterance finds none free. Utterances wait for a decoder in `feed`."""

    name = "pocketsphinx (English)"

    def __init__(self, settings: PocketsphinxSettings) -> None:
        self._settings = settings
        self._free, self._decoders = trio.open_memory_channel[WorkerProcess](settings.decoders)
        self._wanted = trio.Event()
        self._utterances = itertools.count(1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start one decoder, and more of them on demand. Raises `ProviderError` when the first does not start."""
        trouble: ProviderError | None = None
        async with trio.open_nursery() as nursery:
            try:
                await self._add(nursery)
            except ProviderError as exc:
                trouble = exc
            else:
                task_status.started()
                await self._grow(nursery)
        if trouble is not None:
            raise trouble

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[PocketsphinxRecognition]:
        """Start on one utterance; it has a decoder from its first audio on."""
        recognition = PocketsphinxRecognition(self, next(self._utterances))
        try:
            yield recognition
        finally:
            if recognition.decoder is not None:
                self._free.send_nowait(recognition.decoder)

    async def decoder(self) -> WorkerProcess:
        """Wait for a free decoder; whoever takes one gives it back."""
        try:
            return self._decoders.receive_nowait()
        except trio.WouldBlock:
            self._wanted.set()
        return await self._decoders.receive()

    async def _grow(self, nursery: trio.Nursery) -> None:
        running = 1
        while running < self._settings.decoders:
            if not self._decoders.statistics().tasks_waiting_receive:
                self._wanted = trio.Event()
                await self._wanted.wait()
            try:
                await self._add(nursery)
            except ProviderError as exc:
                log.warning("no further decoder can be started", reason=exc.detail)
                await trio.sleep(RETRY_AFTER)
            else:
                running += 1
        await trio.sleep_forever()

    async def _add(self, nursery: trio.Nursery) -> None:
        decoder = WorkerProcess("pocketsphinx", "providers.asr.pocketsphinx_child", {})
        await nursery.start(decoder.run)
        self._free.send_nowait(decoder)


class PocketsphinxRecognition:
    """One utterance."""

    def __init__(self, pool: PocketsphinxAsr, number: int) -> None:
        self._pool = pool
        self._number = number
        self._begun = False
        self._rest = b""
        self.decoder: WorkerProcess | None = None

    async def feed(self, pcm: bytes) -> str:
        """The text so far, which begins about a second after the speech. Waits for a decoder and while it works."""
        pcm = self._rest + pcm
        whole = len(pcm) // 2 * 2
        self._rest = pcm[whole:]
        return await self._ask(pcm[:whole], finished=False)

    async def finish(self) -> Transcript:
        """The final text, empty when no word was heard."""
        return Transcript(await self._ask(b"", finished=True) if self._begun else "")

    async def _ask(self, pcm: bytes, *, finished: bool) -> str:
        if self.decoder is None:
            self.decoder = await self._pool.decoder()
        text = ""
        for at in range(0, max(len(pcm), 1), PORTION):
            portion = {"utterance": self._number, "begins": not self._begun, "pcm": pcm[at : at + PORTION]}
            self._begun = True
            text = await self.decoder.ask({**portion, "finished": finished})
        return text
