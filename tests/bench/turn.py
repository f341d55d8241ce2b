"""Latency of voice turns on the embedded providers, stage by stage, from the last audio frame before `listen stop` to the
first reply frame leaving the server.

    python tests/bench/turn.py [--turns 30] [--audio FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import load

from badge.client.device import Badge, Introduction, connect
from providers.audiofile import read_audio
from providers.ports import EAR_RATE, MOUTH_RATE
from providers.tts.espeak import EspeakSettings, EspeakTts

SERVER = Path(__file__).with_name("bench_server.py")
RECORDING = Path(__file__).parents[3] / "shared" / "speech" / "en_goforward.wav"
COMPUTE = ("asr", "llm", "tts")
"""Stages in which a provider works; everything else is added by the server."""


async def spoken(text: str) -> bytes:
    """The text in espeak's voice, at the ear's rate."""
    import numpy as np

    pcm = b""
    async with trio.open_nursery() as nursery:
        tts = EspeakTts(EspeakSettings())
        await nursery.start(tts.run)
        async with tts.speak(text) as audio:
            async for piece in audio:
                pcm += piece
        nursery.cancel_scope.cancel()
    samples = np.frombuffer(pcm, dtype="<i2")
    at = np.arange(0, len(samples), MOUTH_RATE / EAR_RATE)
    return np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes()


async def one_turn(badge: Badge, pcm: bytes) -> dict[str, float]:
    """The server's ledger of one turn that is cut off after its first audio."""
    await badge.tell(type="listen", state="start", mode="manual")
    await badge.speak(pcm)
    await badge.tell(type="listen", state="stop")
    while (await badge.inbox.receive()).opus is None:
        pass
    await badge.tell(type="abort")
    ledger = await badge.until("ledger")
    stages: dict[str, float] = ledger["stages"]
    assert abs(sum(stages.values()) - ledger["total_ms"]) <= 5, ledger
    return {**stages, "total": ledger["total_ms"]}


async def measure(turns: int, audio: Path | None) -> None:
    source = audio or (RECORDING if RECORDING.exists() else None)
    pcm = read_audio(source, EAR_RATE) if source else await spoken("what time is it")
    begun = time.perf_counter()
    process = load.start(SERVER, "--providers", "embedded")
    try:
        assert process.stdout is not None
        port = json.loads(await trio.to_thread.run_sync(process.stdout.readline))["port"]
        print(f"start-up until accepting: {time.perf_counter() - begun:.2f} s")
        load.keep_off()
        me = Introduction(device="bench", client="bench", features={"ledger": True})
        rows: list[dict[str, float]] = []
        async with connect(f"ws://127.0.0.1:{port}/", me) as badge:
            for number in range(turns + 1):
                row = await one_turn(badge, pcm)
                if number:  # the first one waits for models to load
                    rows.append(row)
    finally:
        process.kill()
        process.wait()
    print(f"{turns} turns of {len(pcm) / 2 / EAR_RATE:.1f} s ({source.name if source else 'espeak'}); ms:")
    for stage in rows[0]:
        show(stage, [row[stage] for row in rows])
    show("added by the server", [sum(v for k, v in row.items() if k not in (*COMPUTE, "total")) for row in rows])


def show(name: str, values: list[float]) -> None:
    values = sorted(values)
    quantile = [values[min(len(values) - 1, int(len(values) * q))] for q in (0.5, 0.9, 0.99)]
    print(f"  {name:<20} p50 {quantile[0]:7.1f}  p90 {quantile[1]:7.1f}  p99 {quantile[2]:7.1f}  max {values[-1]:7.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--audio", type=Path)
    args = parser.parse_args()
    trio.run(measure, args.turns, args.audio)
