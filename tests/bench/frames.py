"""CPU per received audio frame, from the socket to the microphone's queue, against a bare receive loop of the same
WebSocket library, in turns in one run.

    python tests/bench/frames.py [--connections 100] [--seconds 6] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
from pathlib import Path

import trio
import trio_websocket

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import load

HERE = Path(__file__)


async def bare() -> None:
    """The least that a server on this library can do: receive and count."""
    logging.getLogger("trio-websocket").disabled = True
    received = 0

    async def handle(request: trio_websocket.WebSocketRequest) -> None:
        nonlocal received
        connection = await request.accept()
        try:
            while True:
                await connection.get_message()
                received += 1
        except trio_websocket.ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, None)
        print(json.dumps({"port": server.port}), flush=True)
        while True:
            await trio.lowlevel.wait_readable(0)
            if not os.read(0, 100):
                nursery.cancel_scope.cancel()
                return


def measure(script: Path, arguments: list[str], connections: int, seconds: float) -> float:
    """Microseconds of server CPU per frame."""
    process = load.start(script, *arguments)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        sockets = load.open_sockets(port, connections)
        frame = load.binary(bytes(160))
        load.paced(sockets, frame, 1.0)
        before = load.cpu_seconds(process.pid)
        sent = load.paced(sockets, frame, seconds)
        spent = load.cpu_seconds(process.pid) - before
        for connection in sockets:
            connection.close()
    finally:
        process.kill()
        process.wait()
    return spent / sent * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        trio.run(bare)
        return
    load.keep_off()
    ours = HERE.with_name("bench_server.py")
    ways = {"bare": (HERE, ["--bare"]), "queue": (ours, ["--audio", "queue"]), "ear": (ours, ["--audio", "ear"])}
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(1, args.rounds + 1):
        for name, (script, arguments) in ways.items():
            figures[name].append(measure(script, arguments, args.connections, args.seconds))
        print(
            f"round {number}: " + ", ".join(f"{name} {costs[-1]:.1f} us" for name, costs in figures.items()), flush=True
        )
    for name, meaning in (("queue", "received, parsed, queued"), ("ear", "and taken out by the ear, which ignores it")):
        ratio = statistics.median(o / b for o, b in zip(figures[name], figures["bare"], strict=True))
        print(f"{meaning}: {statistics.median(figures[name]):.1f} us per frame, {ratio:.2f} times the bare loop's")


if __name__ == "__main__":
    main()
