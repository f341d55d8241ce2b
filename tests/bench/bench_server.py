"""The server that the measurements run against: the real program, with scripted providers unless told otherwise.

Prints one JSON line when it is ready; answers each line on standard input with a JSON line of its own figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import wave
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.app import Running, Server, assemble, choose, open_store, serve
from badge.backoffice import furnish
from badge.clock import Ids, SystemClock
from badge.components import Component
from badge.config.settings import Settings
from badge.housekeeping import settle, tidy
from badge.llms import Purpose
from badge.llms.fixed import FixedLlms
from badge.llms.ledger import Ledger
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.services import Services
from providers.opus import Encoder
from providers.ports import MOUTH_RATE, VadStream
from providers.scripted import (
    Hearing,
    Reply,
    ScriptedAsr,
    ScriptedLlm,
    ScriptedTts,
    ScriptedVad,
    tone,
)
from tests.e2e.running import local
from tests.house import changed

SPEECH = Path(__file__).parents[2] / "badge" / "assets" / "voice_recognition_failed_en.wav"

PATIENCE = 0.005


class StallMeter:
    """How late a task that wants to run every 5 ms is let run: what the loop did instead."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self) -> None:
        while True:
            due = trio.current_time() + PATIENCE
            await trio.sleep_until(due)
            self.late.append(trio.current_time() - due)

    def take(self) -> dict[str, float]:
        late, self.late = sorted(self.late), []
        if not late:
            return {}
        return {
            "stall_p50_ms": round(late[len(late) // 2] * 1000, 2),
            "stall_p99_ms": round(late[int(len(late) * 0.99)] * 1000, 2),
            "stall_max_ms": round(late[-1] * 1000, 2),
        }


class CountingVad(ScriptedVad):
    """Also counts the audio that sessions decoded; as cheap as it can be, to measure the server and not the detector."""

    seconds = 0.0

    def stream(self) -> VadStream:
        return self

    def feed(self, pcm: bytes) -> list[bool]:
        CountingVad.seconds += len(pcm) / 32_000
        loud = max(pcm[1:-1:100], key=_HIGH.__getitem__, default=0)  # the high byte of every 50th sample
        return [_HIGH[loud] > 2] * round(len(pcm) / 32_000 / self.window)


_HIGH = [min(byte, 256 - byte) for byte in range(256)]
"""How loud a sample is, in steps of 256, by its high byte."""


def voice(settings: Settings, seconds: float, kind: str) -> ScriptedTts:
    """Who answers for so long: in a tone or in recorded speech, as ready-made Opus, as from a service that delivers
    packets, or as PCM."""
    if kind == "tone":
        sound = tone(seconds, MOUTH_RATE)
    else:
        with wave.open(str(SPEECH), "rb") as file:
            speech = file.readframes(file.getnframes())
        size = round(seconds * MOUTH_RATE) * 2
        sound = (speech * (size // len(speech) + 1))[:size]
    if kind == "pcm":
        return _PcmVoice(sound)
    encoder = Encoder(MOUTH_RATE, settings.tts.frame_ms)
    size = encoder.frame_bytes
    packets = [encoder.encode(sound[at : at + size].ljust(size, b"\0")) for at in range(0, len(sound), size)]
    return ScriptedTts(packets=packets)


class _PcmVoice(ScriptedTts):
    def __init__(self, sound: bytes) -> None:
        super().__init__(packets=[sound[at : at + 9600] for at in range(0, len(sound), 9600)])
        self.encoding = "pcm"


def scripted(settings: Settings, tts: ScriptedTts, audio: str) -> Server:
    """Scripted providers."""
    clock, ids, presence = SystemClock(), Ids(), Presence(settings.limits.connections)
    llms = FixedLlms(
        {"default": Component("llm.default", (ScriptedLlm([Reply(pieces=["Yes."], first=0.05)]),))},
        dict.fromkeys(Purpose, "default"),
    )
    store = open_store(settings.store)
    office = furnish(settings, store=store, presence=presence, llms=llms, clock=clock, ids=ids)
    services = Services(
        settings=settings,
        clock=clock,
        ids=ids,
        presence=presence,
        phrases=Phrases(wake=[], exits=[]),
        vad=Component("vad", (CountingVad(load=1e9 if audio == "queue" else 0),)),
        asr=Component("asr", () if audio == "ear" else (ScriptedAsr([Hearing(text="go on", delay=0.05)]),)),
        tts=Component("tts", (tts,)),
        llms=llms,
        recall=Component("recall", ()),
        desk=office.desk,
        deliveries=office.deliveries,
    )
    return Server(services=services, office=office, ledger=Ledger(services.metrics))


async def answer_questions(meter: StallMeter) -> None:
    pending = b""
    while True:
        await trio.lowlevel.wait_readable(0)
        data = os.read(0, 4096)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for _ in lines:
            threads = len(list(Path("/proc/self/task").iterdir()))  # noqa: ASYNC240 - no disk behind it
            heard = round(CountingVad.seconds / 0.06)
            print(json.dumps({"threads": threads, "frames_heard": heard, **meter.take()}), flush=True)


async def main(args: argparse.Namespace) -> None:
    recording = {"use": "all", "folder": args.record} if args.record else {}
    store = {"file": args.store} if args.store else {}
    settings = local(
        changed(limits={"connections": 100_000}, stats={"broadcast": args.stats}, recording=recording, store=store)
    )
    clock = SystemClock()
    embedded = args.providers == "embedded"
    server = (
        assemble(settings, choose(settings, {}, clock), clock, Ids())
        if embedded
        else scripted(settings, voice(settings, args.speech, args.voice), args.audio)
    )
    meter = StallMeter()
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(serve, server)
        nursery.start_soon(tidy, server.services.presence)
        settle()
        print(json.dumps({"port": running.port, "ready_s": time.process_time()}), flush=True)
        if args.stalls:
            nursery.start_soon(meter.run)
        await answer_questions(meter)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--providers", choices=("scripted", "embedded"), default="scripted")
    parser.add_argument("--speech", type=float, default=3.0, help="seconds that each answer lasts")
    parser.add_argument(
        "--audio",
        choices=("queue", "ear", "turn"),
        default="turn",
        help="how far audio gets: into the microphone's queue, to the ear (which ignores it), or all the way",
    )
    parser.add_argument("--stalls", action="store_true", help="measure how long the loop keeps others waiting")
    parser.add_argument("--voice", choices=("tone", "speech", "pcm"), default="tone", help="what answers sound like")
    parser.add_argument("--record", help="record every session into this folder")
    parser.add_argument("--store", help="keep tasks, messages and the rest in this file, and not in memory")
    parser.add_argument("--stats", action="store_true", help="broadcast who is online")
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    import logging

    logging.getLogger("trio-websocket").disabled = True
    trio.run(main, parser.parse_args())
