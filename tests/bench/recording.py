"""What recording costs: badges talking at once, with recording off and on, in turns, in the same run.

The load is that of `talk.py`; the answers are recorded speech, which shrinks as badly as speech does: ready-made Opus, or
PCM (`--voice pcm`), which the server encodes and the recording has to hold. Reported: CPU of the server as
a share of one core, for each round, and the median of the differences; bytes written; recordings lost.

    python tests/bench/recording.py [--sessions 50] [--seconds 20] [--rounds 3] [--voice speech]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import load
import talk

from badge.recording.fileformat import read
from badge.recording.journal import SUFFIX


def measure(sessions: int, seconds: float, voice: str, folder: Path | None) -> tuple[float, float]:
    """CPU as a share of a core, and the longest stall of the loop in ms."""
    speech = seconds - 3
    recording = ["--record", str(folder)] if folder else []
    process = load.start(talk.SERVER, "--stalls", "--speech", str(speech), "--voice", voice, *recording)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        talkers = [talk.Talker(c) for c in load.open_sockets(port, sessions, framing=2)]
        time.sleep(0.5)  # noqa: TID251 - the load is a plain program
        load.ask(process)
        cpu, begun = load.cpu_seconds(process.pid), time.perf_counter()
        talk.talk(talkers, seconds, stagger=2.0)
        spent, took = load.cpu_seconds(process.pid) - cpu, time.perf_counter() - begun
        stall = load.ask(process)["stall_max_ms"]
        for talker in talkers:
            talker.connection.close()
        time.sleep(1.5)  # noqa: TID251 - the last words are written
    finally:
        process.kill()
        process.wait()
    return spent / took, stall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--voice", choices=("speech", "pcm"), default="speech")
    args = parser.parse_args()
    load.keep_off()
    without, with_it = [], []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            off, off_stall = measure(args.sessions, args.seconds, args.voice, None)
            on, on_stall = measure(args.sessions, args.seconds, args.voice, folder)
            files = sorted(folder.glob(f"*{SUFFIX}"))
            written = sum(file.stat().st_size for file in files)
            whole = sum(not read(file).flaw for file in files)
        without.append(off)
        with_it.append(on)
        print(
            f"round {number + 1}: {off * 100:.1f} % of a core without, {on * 100:.1f} % with recording; longest stall {off_stall} and "
            f"{on_stall} ms; {len(files)} files, {whole} whole, {written / 1e6:.1f} MB",
            flush=True,
        )
    off = statistics.median(without)
    more = [on - off for off, on in zip(without, with_it, strict=True)]
    middle = statistics.median(more)
    print(
        f"{args.sessions} sessions: {off * 100:.1f} % of a core without; recording takes {middle * 100:+.1f} percentage points more "
        f"(median of rounds, {min(more) * 100:+.1f} to {max(more) * 100:+.1f}), {middle / off * 100:+.1f} % of what the server needs"
    )


if __name__ == "__main__":
    main()
