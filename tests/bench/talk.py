"""How many badges can talk at once on one core: audio frames both ways in real time, Opus decoding on, providers scripted.

Every badge speaks a word, is answered for the whole time, and goes on sending audio meanwhile. Reported: frames lost
either way, how far from its due time each frame arrived, how long the server's loop kept a task waiting, and, to
compare with, how late the load itself was: what this machine does to a program that only sleeps and sends.

    python tests/bench/talk.py [--sessions 150] [--seconds 60]
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import load

from tests.house import packets

SERVER = Path(__file__).with_name("bench_server.py")
FRAME = 0.06
LEAD = 5


class Talker:
    """One badge: sends in real time, notes when each frame of the answer arrives."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.arrived: list[float] = []
        self.disorder = 0
        self._buffer = bytearray()

    def read(self) -> None:
        """Take what has arrived."""
        while True:
            try:
                data = self.connection.recv(65536)
            except BlockingIOError:
                break
            if not data:
                raise RuntimeError("the server closed a connection")
            self._buffer += data
        now = time.perf_counter()
        while (frame := self._next()) is not None:
            opcode, payload = frame
            if opcode == 2:
                expected = len(self.arrived) * 60
                self.disorder += struct.unpack_from(">I", payload, 8)[0] != expected
                self.arrived.append(now)
            elif opcode == 8:
                raise RuntimeError(f"the server says goodbye: {payload!r}")
            elif opcode == 9:
                self.connection.send(load.masked(10, payload))

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, head = buffer[1] & 127, 2
        if size == 126:
            if len(buffer) < 4:
                return None
            size, head = struct.unpack_from(">H", buffer, 2)[0], 4
        if len(buffer) < head + size:
            return None
        frame = buffer[0] & 15, bytes(buffer[head : head + size])
        del buffer[: head + size]
        return frame


def framed(opus: bytes) -> bytes:
    return load.binary(struct.pack(">HHIII", 2, 0, 0, 0, len(opus)) + opus)


def talk(talkers: list[Talker], seconds: float, stagger: float) -> list[float]:
    """Send and receive; each talker for `seconds`, the last one begins `stagger` s after the first.

    Gives the lateness of each frame sent, in s.
    """
    late = []
    voice, silence = [framed(p) for p in packets("voice")[:10]], framed(packets("silence")[5])
    hello = load.text('{"type":"listen","state":"start","mode":"realtime"}')
    selector = selectors.DefaultSelector()
    for talker in talkers:
        selector.register(talker.connection, selectors.EVENT_READ, talker)
    count, frames = len(talkers), round(seconds / FRAME)
    # phases are spread over the frame period and starts over the stagger
    agenda = sorted(
        (number / count * stagger + (number * 0.618 % 1 + tick) * FRAME, number, tick)
        for number in range(count)
        for tick in range(frames)
    )
    begun = time.perf_counter()
    for due, number, tick in agenda:
        while (wait := begun + due - time.perf_counter()) > 0:
            for key, _ in selector.select(wait):
                key.data.read()
        late.append(-wait)
        if tick == 0:
            talkers[number].connection.send(hello)
        talkers[number].connection.send(voice[tick] if tick < len(voice) else silence)
    end = time.perf_counter() + 3
    while (wait := end - time.perf_counter()) > 0:
        for key, _ in selector.select(wait):
            key.data.read()
    return late


def pacing_errors(arrived: list[float]) -> list[float]:
    """How far each frame arrived from its place on the talker's own time line; the lead comes at once, the rest every
    60 ms."""
    offsets = [at - max(0, number - LEAD) * FRAME for number, at in enumerate(arrived)]
    line = statistics.median(offsets)
    return [abs(offset - line) for offset in offsets]


def milliseconds(values: list[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and largest of values in s, in ms."""
    ordered = sorted(values)
    p50, p99, worst = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000 for q in (0.5, 0.99, 1))
    return p50, p99, worst


def run(sessions: int, seconds: float) -> bool:
    """One measurement, printed; true when it is within the goals."""
    speech = seconds - 3
    process = load.start(SERVER, "--stalls", "--speech", str(speech))
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        talkers = [Talker(c) for c in load.open_sockets(port, sessions, framing=2)]
        time.sleep(0.5)  # noqa: TID251 - the load is a plain program
        before, cpu = load.ask(process), load.cpu_seconds(process.pid)
        stagger = min(10.0, seconds / 2)
        late = talk(talkers, seconds, stagger)
        after, spent = load.ask(process), load.cpu_seconds(process.pid) - cpu
    finally:
        process.kill()
        process.wait()
    expected = -(-round(speech * 1000) // 60)
    lost_down = sum(expected - len(t.arrived) for t in talkers)
    lost_up = len(late) - (after["frames_heard"] - before["frames_heard"])
    errors = [error for talker in talkers for error in pacing_errors(talker.arrived)]
    p50, p99, worst = milliseconds(errors)
    _, load_p99, load_worst = milliseconds(late)
    print(
        f"{sessions} sessions, {seconds:g} s: {spent / (seconds + stagger + 3) * 100:.0f} % of a core, lost {lost_up:.0f} up and {lost_down} down, "
        f"{sum(t.disorder for t in talkers)} out of order; pacing error p50 {p50:.1f}, p99 {p99:.1f}, max {worst:.1f} ms; "
        f"loop stall p99 {after['stall_p99_ms']}, max {after['stall_max_ms']} ms; "
        f"load late p99 {load_p99:.1f}, max {load_worst:.1f} ms",
        flush=True,
    )
    return not lost_up and not lost_down and p99 <= 10 and after["stall_max_ms"] <= 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--more", action="store_true", help="go on with 25 more each time, for as long as the goals hold"
    )
    args = parser.parse_args()
    load.keep_off()
    sessions = args.sessions
    while run(sessions, args.seconds) and args.more:
        sessions += 25


if __name__ == "__main__":
    main()
