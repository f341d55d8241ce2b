"""Raw clients for the measurements: handshakes by hand and ready-made frames, so that the load costs little itself."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""Where this machine lets us choose: the first core is the server's, the load gets the rest."""

KEY = b"\x37\xfa\x21\x3d"


def masked(opcode: int, payload: bytes) -> bytes:
    """One client frame (RFC 6455, 5.2)."""
    size = len(payload)
    head = (
        struct.pack(">BB", 0x80 | opcode, 0x80 | size)
        if size < 126
        else struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
    )
    return head + KEY + bytes(byte ^ KEY[at & 3] for at, byte in enumerate(payload))


def text(message: str) -> bytes:
    """A text frame."""
    return masked(1, message.encode())


def binary(payload: bytes) -> bytes:
    """A binary frame."""
    return masked(2, payload)


def open_sockets(port: int, count: int, *, framing: int = 1) -> list[socket.socket]:
    """Upgraded connections, each with a device id of its own."""
    opened = []
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nDevice-Id: load-{number}\r\nProtocol-Version: {framing}\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        assert b" 101 " in answer, answer
        connection.setblocking(False)
        opened.append(connection)
    return opened


def start(script: Path, *arguments: str) -> subprocess.Popen[str]:
    """A server process on one core, where the machine lets us choose."""
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if len(CORES) > 1:
        os.sched_setaffinity(process.pid, {CORES[0]})
    return process


def ask(process: subprocess.Popen[str]) -> dict[str, float]:
    """The server's own figures since the last question."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("?\n")
    process.stdin.flush()
    figures: dict[str, float] = json.loads(process.stdout.readline())
    return figures


def keep_off() -> None:
    """Leave the server's core to it."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, set(CORES[1:]))


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def paced(sockets: list[socket.socket], frame: bytes, seconds: float, period: float = 0.06) -> int:
    """Send one frame on each socket in each period, phases spread; gives how many were sent."""
    sent, count = 0, len(sockets)
    begun = time.perf_counter()
    for tick in range(round(seconds / period)):
        for number, connection in enumerate(sockets):
            due = begun + (tick + number / count) * period
            delay = due - time.perf_counter()
            if delay > 0.0005:
                time.sleep(delay)  # noqa: TID251 - the load is a plain program
            connection.send(frame)
            sent += 1
    return sent
