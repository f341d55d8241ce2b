"""What each latency feature is worth: recorded speech, spoken in real time to a real server with the embedded recogniser
and voice, and a model on a real socket whose first token takes 300 ms.

The choices of features take turns, file by file. Reported for each: from the end of the voice in the file to the first frame
of the reply, p50 and p95 (a sound that only says that the answer takes a moment counts as first frame, not as answer), over
those files that were answered, and not cut, with every choice; answers that the model began early, how many were taken, and
why the others were not. Of all files: `wrong`, answers to other words than those that were shown (every answer names its
question); `cut`, the user was answered in the middle of his speech; `silent`, neither words nor an answer came within 6 s:
nothing was understood, as in Mandarin, which the embedded recogniser does not know, or the machine is too busy to recognise in
time; `unanswered`, words or an error came, and no answer. With many of these two the machine is measured, and no feature.
Then the same question is put to the recordings of the sessions without any feature, with `replay --what-if`.

    python tests/bench/latency.py [--speech FOLDER] [--files N] [--badges 3] [--only NAME …]
"""

from __future__ import annotations

import argparse
import logging
import math
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import structlog
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.app import assemble, choose
from badge.client.device import Badge, Heard, Introduction, connect
from badge.clock import Ids, SystemClock
from badge.config.llm import LlmSettings
from badge.config.settings import RecordingSettings, Settings
from badge.metrics import Metrics
from badge.rehearsal.whatif import what_if
from badge.replay.many import recordings
from providers.audiofile import read_audio
from providers.llm.openai_settings import OpenAiSettings
from providers.opus import Encoder
from providers.pcm import byte_count
from providers.ports import EAR_RATE
from tests.e2e.running import local, running
from tests.providers.openai_server import Exchange, openai_server

SPEECH = Path(__file__).parents[3] / "shared" / "speech"
FRAME = 0.06
TAIL = 6.0
"""Seconds of silence in which the answer has to come."""
FIRST_TOKEN = 0.3
BETWEEN = 0.025
ANSWER = "Let me think about {}, since it is a good question. The answer is that nobody knows it for sure."

OFF: dict[str, dict[str, Any]] = {
    "listen": {"eager": False, "adaptive": False},
    "tts": {"first_clause": 0},
    "chat": {"acknowledge_after_ms": 0},
}
FEATURES: dict[str, dict[str, dict[str, Any]]] = {
    "eager": {"listen": {"eager": True}},
    "first clause": {"tts": {"first_clause": 8}},
    "adaptive": {"listen": {"adaptive": True}},
    "acknowledge": {"chat": {"acknowledge_after_ms": 1000}},
}
CHOICES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    **{name: (name,) for name in FEATURES},
    "defaults": ("eager", "first clause"),
    "all": tuple(FEATURES),
}


@attrs.frozen
class Speech:
    """A file as frames for the wire, and when the voice in it ends, in s."""

    name: str
    packets: tuple[bytes, ...] = attrs.field(repr=False)
    end: float


@attrs.define
class Outcome:
    """What came of one file. Times in ms after the end of speech; None: it did not come."""

    frame: float | None = None
    answer: float | None = None
    shown: str | None = None
    """the words that were understood last"""
    failed: bool = False
    cut: bool = False
    wrong: bool = False

    @property
    def fair(self) -> bool:
        """Whether its times can be compared."""
        return self.answer is not None and not self.cut

    @property
    def unanswered(self) -> bool:
        """Whether an answer was due."""
        return self.answer is None and (self.failed or self.shown is not None)


Outcomes = dict[str, Outcome]
"""By the name of the file."""


def name_of(question: str) -> str:
    """A number that stands for a question in its answer."""
    return str(zlib.crc32("".join(filter(str.isalnum, question.lower())).encode()) % 900 + 100)


def voice_end(pcm: bytes) -> float:
    """Where the voice ends: the last 20 ms that are no more than 30 dB below the loudest."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    window = EAR_RATE // 50
    windows = samples[: len(samples) // window * window].reshape(-1, window)
    loudness = np.sqrt((windows**2).mean(axis=1))
    return (int(np.flatnonzero(loudness >= loudness.max() * 10 ** (-30 / 20))[-1]) + 1) / 50


def speech_of(path: Path) -> Speech:
    """Read a file, and let silence follow."""
    pcm = read_audio(path, EAR_RATE)
    whole = pcm + bytes(byte_count(TAIL, EAR_RATE))
    encoder = Encoder(EAR_RATE, round(FRAME * 1000))
    size = encoder.frame_bytes
    packets = tuple(encoder.encode(whole[at : at + size]) for at in range(0, len(whole) - size, size))
    return Speech(path.name, packets, voice_end(pcm))


async def think(exchange: Exchange) -> None:
    """A model that takes 300 ms to its first token."""
    await exchange.head()
    if exchange.path.endswith("/models"):  # somebody only opens a connection
        await exchange.end()
        return
    await trio.sleep(FIRST_TOKEN)
    question = exchange.body["messages"][-1]["content"]
    for word in ANSWER.format(name_of(question)).split():
        await exchange.chunk(content=f"{word} ")
        await trio.sleep(BETWEEN)
    await exchange.done()


class Talk:
    """One file spoken by one badge."""

    def __init__(self, badge: Badge, speech: Speech) -> None:
        self.outcome = Outcome()
        self._badge = badge
        self._speech = speech
        self._begun = trio.current_time()
        self._end = self._begun + speech.end
        self._named = False

    async def run(self) -> Outcome:
        """Speak, and wait for the first frame of the answer; what is answered before all is said, is interrupted."""
        await self._badge.tell(type="listen", state="start", mode="auto")
        with trio.move_on_after(self._speech.end + TAIL):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._speak)
                await self._listen()
                nursery.cancel_scope.cancel()
        await self._badge.tell(type="abort")
        await trio.sleep(0.3)
        while True:  # what was under way
            try:
                self._badge.inbox.receive_nowait()
            except trio.WouldBlock:
                return self.outcome

    async def _speak(self) -> None:
        for number, packet in enumerate(self._speech.packets):
            await trio.sleep_until(self._begun + (number + 1) * FRAME)
            await self._badge.send_packet(packet)

    async def _listen(self) -> None:
        while self.outcome.answer is None:
            heard: Heard = await self._badge.inbox.receive()
            if heard.message is not None:
                await self._read(heard.message, heard.at)
            elif heard.opus is not None:
                late = (heard.at - self._end) * 1000
                self.outcome.frame = late if self.outcome.frame is None else self.outcome.frame
                self.outcome.answer = late if self._named else None

    async def _read(self, message: dict[str, Any], at: float) -> None:
        match message:
            case {"type": "stt", "text": text} if at < self._end:
                self.outcome.cut = True
                self.outcome.shown = text
                await self._badge.tell(type="abort")
                await self._badge.until("tts", state="stop")
            case {"type": "stt", "text": text}:
                self.outcome.shown = text
            case {"type": "tts", "state": "start"}:
                self._named = False
            case {"type": "tts", "state": "sentence_start", "text": text} if not self._named:
                self._named = True
                self.outcome.failed = "think about" not in text
                self.outcome.wrong = not self.outcome.failed and name_of(self.outcome.shown or "") not in text
            case {"type": "error"}:
                self.outcome.failed = True


def settings_for(names: Sequence[str], base_url: str, badges: int, folder: Path) -> Settings:
    """Default settings with these features on and the others off."""
    settings = Settings()
    changes = [OFF, *(FEATURES[name] for name in names)]
    for change in changes:
        for table, values in change.items():
            settings = attrs.evolve(settings, **{table: attrs.evolve(getattr(settings, table), **values)})
    model = LlmSettings(use="openai", openai=OpenAiSettings(base_url=base_url, model="m"))
    asr = attrs.evolve(settings.asr, pocketsphinx=attrs.evolve(settings.asr.pocketsphinx, decoders=badges))
    return local(
        attrs.evolve(
            settings,
            asr=asr,
            llm={"default": model},
            models=attrs.evolve(settings.models, folder=str(folder / "none")),
            recording=RecordingSettings(use="all", folder=str(folder)),
        )
    )


@attrs.define
class Stall:
    """A server with one choice of features, and the badges that talk to it."""

    name: str
    metrics: Metrics
    badges: list[Badge]
    outcomes: Outcomes = attrs.field(factory=dict)
    drafts: list[int] = attrs.field(factory=list)
    """begun early, taken, and given up because the user spoke on, for other words, and otherwise"""


@asynccontextmanager
async def stall(name: str, base_url: str, badges: int, folder: Path) -> AsyncIterator[Stall]:
    """Open one; every badge has been answered once, so that nothing has to load any more."""
    settings, clock = settings_for(CHOICES[name], base_url, badges, folder), SystemClock()
    server = assemble(settings, choose(settings, {}, clock), clock, Ids())
    async with running(server) as address, AsyncExitStack() as stack:
        for component in server.services.components():
            await component.settled()
        found = Stall(name, server.services.metrics, [])
        for number in range(badges):
            me = Introduction(device=f"02:00:00:00:00:{number:02x}", client=f"bench-{number}")
            found.badges.append(await stack.enter_async_context(connect(f"ws://127.0.0.1:{address.port}/", me)))
        yield found


async def speak_all(stalls: Sequence[Stall], number: int, speeches: Sequence[Speech]) -> None:
    """One badge of every stall in turn: what else this machine has to do weighs on all choices alike."""
    for at in stalls:
        await Talk(at.badges[number], speeches[0]).run()  # waits for what is loaded late
    for speech in speeches:
        for at in stalls:
            at.outcomes[speech.name] = await Talk(at.badges[number], speech).run()


async def measure(names: Sequence[str], speeches: Sequence[Speech], badges: int, folder: Path) -> list[Stall]:
    stalls: list[Stall] = []
    async with openai_server() as api, AsyncExitStack() as stack:
        api.plan(think)
        for name in names:
            place = folder / name.replace(" ", "-")
            place.mkdir()
            stalls.append(await stack.enter_async_context(stall(name, api.base_url, badges, place)))
        async with trio.open_nursery() as nursery:
            for number in range(badges):
                nursery.start_soon(speak_all, stalls, number, speeches[number::badges])
        for at in stalls:
            at.drafts = drafts_of(at.metrics)  # here, as some counters look at the time
    return stalls


def spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return "-"
    points = statistics.quantiles(values, n=20, method="inclusive")
    return f"{points[9]:.0f} / {points[18]:.0f}"


def counted(metrics: Metrics, name: str, **labels: str) -> int:
    """The value of a counter."""
    value = metrics.value(name, **labels)
    return 0 if math.isnan(value) else round(value)


def drafts_of(metrics: Metrics) -> list[int]:
    """Answers that were begun early, and what became of them."""
    lost = {why: counted(metrics, "badge_drafts_discarded_total", reason=why) for why in WHY}
    ends = [lost["resumed"], lost["words"], lost["prompt"] + lost["void"]]
    return [counted(metrics, "badge_drafts_total"), counted(metrics, "badge_drafts_taken_total"), *ends]


def row_of(at: Stall, fair: Collection[str]) -> list[str]:
    """The line of the table; times of the files in `fair`."""
    all_of = at.outcomes.values()
    cells = [*at.drafts, sum(one.wrong for one in all_of), sum(one.cut for one in all_of)]
    cells += [sum(one.answer is None and not one.unanswered for one in all_of), sum(one.unanswered for one in all_of)]
    compared = [at.outcomes[name] for name in fair]
    frames, answers = ([getattr(one, what) for one in compared] for what in ("frame", "answer"))
    return [spread(frames), spread(answers), *map(str, cells)]


WHY = ("resumed", "words", "prompt", "void")

HEADINGS = (
    *("features", "first frame", "answer", "early", "taken", "spoke on", "words", "other"),
    *("wrong", "cut", "silent", "unanswered"),
)
COLUMNS = "{:<14} {:>14} {:>14} {:>6} {:>6} {:>9} {:>6} {:>6} {:>6} {:>4} {:>9} {:>11}"


def main(args: argparse.Namespace) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    files = sorted(args.speech.glob("*.wav"))[:: max(1, args.every)][: args.files]
    speeches = [speech_of(path) for path in files]
    seconds = sum(speech.end for speech in speeches)
    print(
        f"{len(speeches)} files, {seconds:.0f} s of speech, {args.badges} badges at once, first token {FIRST_TOKEN} s",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        stalls = trio.run(measure, args.only or list(CHOICES), speeches, args.badges, Path(folder))
        fair = {one.name for one in speeches if all(at.outcomes[one.name].fair for at in stalls)}
        print(
            f"p50 / p95 in ms after the end of the voice, of the {len(fair)} files that all have answered; answers that the "
            "model began early, and what became of them"
        )
        print(COLUMNS.format(*HEADINGS))
        for at in stalls:
            print(COLUMNS.format(at.name, *row_of(at, fair)), flush=True)
        print(f"took {time.perf_counter() - begun:.0f} s")
        plain = Path(folder) / "nothing"
        if plain.exists():
            for changes in WHAT_IF:
                print(f"\nreplay --what-if {' --what-if '.join(changes)}")
                what_if(recordings([plain]), changes, totals, partly=False)


def totals(line: str) -> None:
    """Of many recordings only what they come to together."""
    if line.startswith("  ") or "together" in line:
        print(line)


WHAT_IF = (["listen.eager=true"], ["tts.first_clause=8"], ["listen.adaptive=true"], ["chat.acknowledge_after_ms=1000"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, default=SPEECH)
    parser.add_argument("--files", type=int, default=None, metavar="N", help="only so many files")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every k-th file")
    parser.add_argument("--badges", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=list(CHOICES), default=None)
    main(parser.parse_args())
