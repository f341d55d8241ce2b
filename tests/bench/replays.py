"""Whether what a busy server recorded replays identically, and how fast.

A real server on real sockets serves many badges at once, each with a random story: turns by voice in every listen mode,
typed words, interruptions, a second connection of the same device, garbage, and providers that are slow or fail. Every
session is recorded; then every recording is replayed, several times.

    python tests/bench/replays.py [--sessions 100] [--runs 5] [--seconds 12] [--at-once 25] [--calm] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import structlog
import trio
import trio_websocket

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.app import Running
from badge.commands.replay import Task, carry_out, describe
from badge.recording.journal import SUFFIX
from protocol import Framing
from providers.ports import ProviderError
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.e2e.running import Client, client, scripted_server
from tests.house import changed

WORDS = ["what time is it", "tell me a story", "", "turn on the light", "how far is the moon", "goodbye"]
ANSWERS = [
    "It is half past nine. Time for tea, I think! Or do you prefer coffee?",
    "Once upon a time there was a badge. It listened all day. Nobody had told it to stop.",
    "Yes.",
    "Dr. Smith says that 3.5 of them are enough. 😀 Good luck, and see you.",
]


def hearings(dice: random.Random) -> Iterator[Hearing]:
    """What the recogniser does with each utterance."""
    for _ in range(5000):
        error = ProviderError("asr", "overloaded", retryable=True) if dice.random() < 0.05 else None
        partials = ["so", "so far"] if dice.random() < 0.3 else []
        yield Hearing(text=dice.choice(WORDS[:5]), delay=dice.uniform(0, 0.4), partials=partials, error=error)


def replies(dice: random.Random) -> Iterator[Reply]:
    """What the model does with each prompt."""
    for _ in range(5000):
        text = dice.choice(ANSWERS)
        size = dice.randint(2, 9)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        broken = dice.random() < 0.1
        error = ProviderError("llm", "hung up", retryable=True) if broken else None
        pieces = pieces[: dice.randrange(len(pieces))] if broken else pieces
        yield Reply(pieces=pieces, first=dice.uniform(0, 0.5), pause=dice.uniform(0, 0.05), error=error)


def voice(dice: random.Random, text: str) -> Utterance:
    """How a sentence is spoken."""
    error = ProviderError("tts", "no voice", retryable=True) if dice.random() < 0.05 else None
    return Utterance(duration=0.06 * len(text), delay=dice.uniform(0, 0.2), piece=dice.uniform(0.05, 0.4), error=error)


async def live(server: Running, number: int, begin: float, seconds: float, dice: random.Random, *, calm: bool) -> None:
    """One badge for some seconds, after others have begun."""
    await trio.sleep(begin)
    framing = dice.choice([Framing.V1, Framing.V2, Framing.V3])
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        try:
            async with client(
                server, framing=framing, device_id=f"de:vi:ce:00:00:{number:02x}", protocol_version=str(framing.value)
            ) as badge:
                while trio.current_time() < end and badge.close_code is None:
                    await (talk if calm else act)(badge, dice)
                await trio.sleep(dice.uniform(0, 0.5))
        except* (trio_websocket.ConnectionClosed, AssertionError, trio.TooSlowError):
            await trio.sleep(0.1)


async def talk(badge: Client, dice: random.Random) -> None:
    """One question, its answer, and a while of nothing."""
    turns = len(badge.of("tts", "stop"))
    await badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", dice.uniform(0.6, 2), pace=1)
    await badge.tell(type="listen", state="stop")
    with trio.move_on_after(15):
        await badge.until("tts", "stop", count=turns + 1)
    await trio.sleep(dice.uniform(1, 6))


async def act(badge: Client, dice: random.Random) -> None:
    """Something that a badge might do."""
    match dice.choice(["voice", "voice", "auto", "realtime", "typed", "abort", "garbage", "wait", "exit", "vanish"]):
        case "voice":
            await badge.tell(type="listen", state="start", mode="manual")
            await badge.sound("voice", dice.uniform(0.3, 1), pace=1)
            await badge.tell(type="listen", state="stop")
        case "auto" | "realtime" as mode:
            await badge.tell(type="listen", state="start", mode=mode)
            await badge.sound("voice", dice.uniform(0.1, 1), pace=1)
            await badge.sound("silence", dice.uniform(0.2, 1.2), pace=1)
        case "typed":
            await badge.tell(type="listen", state="detect", text=dice.choice([*WORDS[:5], "你好小智"]))
        case "abort":
            await trio.sleep(dice.uniform(0, 1))
            await badge.tell(type="abort")
        case "garbage":
            await badge.socket.send_message(dice.choice(["{", "hello", "[1,2]", b"\0\1\2", '{"type":"x"}']))
        case "wait":
            await trio.sleep(dice.uniform(0, 2))
        case "exit" if dice.random() < 0.2:
            await badge.tell(type="listen", state="detect", text="goodbye")
        case "vanish" if dice.random() < 0.2:
            badge.close_code = 1006


async def record(folder: Path, sessions: int, seconds: float, at_once: int, *, calm: bool) -> None:
    """Fill a folder with recordings, so many at once."""
    dice = random.Random(4)
    settings = changed(
        recording={"use": "all", "folder": str(folder)}, limits={"connections": 1000}, stats={"every_s": 1.0}
    )
    async with (
        scripted_server(
            settings=settings,
            asr=ScriptedAsr(hearings(dice)),
            llm=ScriptedLlm(replies(dice)),
            tts=ScriptedTts(lambda text: voice(dice, text)),
        ) as (server, _),
        trio.open_nursery() as nursery,
    ):
        for number in range(sessions):
            begin = number * seconds / at_once
            nursery.start_soon(partial(live, server, number, begin, seconds, random.Random(number), calm=calm))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100, help="devices, each of which may connect several times")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--at-once", type=int, default=25, help="badges that are connected at one time")
    parser.add_argument("--calm", action="store_true", help="ordinary conversations: questions, answers and pauses")
    parser.add_argument("--keep", type=Path, help="leave the recordings here")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.getLogger("trio-websocket").disabled = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        trio.run(partial(record, folder, args.sessions, args.seconds, args.at_once, calm=args.calm))
        return replay_all(sorted(folder.glob(f"*{SUFFIX}")), args.runs)


def replay_all(files: list[Path], runs: int) -> int:
    """Replay every file so often, and print what came of it."""
    tasks = [Task(path=path, seeds=(None,) * runs, partly=False) for path in files]
    begun = perf_counter()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        reports = list(pool.map(carry_out, tasks))
    took = perf_counter() - begun
    outcomes = [outcome for report in reports for _, outcome in report.outcomes]
    wrong = [report for report in reports if report.diverging or report.unusable]
    for report in wrong[:5]:
        print("\n".join(describe(report)))
    identical = sum(outcome.identical for outcome in outcomes)
    length, alone = sum(o.duration for o in outcomes), sum(o.took for o in outcomes)
    print(
        f"{len(files)} recordings x {runs} runs: {identical} of {len(outcomes)} identical "
        f"({identical / len(outcomes) * 100:.2f} %), {sum(o.frames for o in outcomes)} messages; "
        f"largest distance in time {max(o.late for o in outcomes) * 1000:.1f} ms; {length:.0f} s of session in "
        f"{took:.1f} s, {length / took:.0f} times real time ({length / alone:.0f} for one process)"
    )
    return int(identical < len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
