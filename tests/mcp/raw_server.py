"""An MCP server on standard input and output, written without any library, that can misbehave at each step. It does one
thing at a time.

raw_server.py FOLDER MISDEED…: each start counts itself in FOLDER/starts; the misdeeds are those of the first start, the
second … one each, `-` for none; later starts behave well.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def write(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def said(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def die() -> None:
    sys.stderr.write("the disk is on fire\n")
    os._exit(3)


def close() -> None:
    os.close(1)
    signal.pause()


def garbage() -> None:
    sys.stdout.write('DEBUG: my words\n{"half": \n[1,2]\n\n')
    sys.stdout.flush()


def half() -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": 1, "result": said("x" * 100_000)})[:-20])
    sys.stdout.flush()
    os._exit(3)


def endless() -> None:
    while True:
        sys.stdout.write("x" * 65_536)


def flood() -> None:
    while True:
        write(method="notifications/message", params={"level": "info", "data": "x"})


def chatter() -> None:
    for _ in range(20_000):
        sys.stderr.write("x" * 100 + "\n")


def stay() -> None:
    """When all others go, and with a child of the same kind."""
    os.fork()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


MISDEEDS = {
    "die": die,
    "hang": signal.pause,
    "close": close,
    "garbage": garbage,
    "half": half,
    "endless": endless,
    "flood": flood,
    "chatter": chatter,
    "stay": stay,
}


def answer_badly(how: str, number: object) -> None:
    match how:
        case "wrong":
            for other in (None, "x", -1, 4711, 1.5, True):
                write(id=other, result=said("of somebody"))
            for _ in range(2):
                write(id=number, result=said("right"))
        case "refuse":
            write(id=number, error={"code": -32602, "message": "the city is missing"})
        case "nonsense":
            write(id=number, result={"content": "none"})


def misbehave(how: str, number: object = None) -> None:
    MISDEEDS[how]() if how in MISDEEDS else answer_badly(how, number)


def tools(starts: int) -> list[dict[str, object]]:
    echo = {"type": "object", "properties": {"text": {"type": "string"}}}
    names = ["echo", "pid", "deaf", "slow", "liar", *(["second"] if starts > 1 else ["first"])]
    listed: list[dict[str, object]] = [{"name": name, "description": name, "inputSchema": echo} for name in names]
    listed[4]["outputSchema"] = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    return listed


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match name:
        case "deaf":
            signal.pause()
        case "slow":
            time.sleep(arguments["seconds"])  # noqa: TID251 - a program of its own
        case "pid":
            return said(str(os.getpid()))
        case "liar":
            return {**said("true"), "structuredContent": {"a": "a" * 40 + "b"}}
    return said(arguments.get("text", "done"))


def main() -> None:
    folder, misdeeds = Path(sys.argv[1]), sys.argv[2:]
    count = folder / "starts"
    starts = int(count.read_text()) + 1 if count.exists() else 1
    count.write_text(str(starts))
    step, _, how = (misdeeds[starts - 1] if starts <= len(misdeeds) else "-").partition(":")
    if step == "start":
        misbehave(how)
    for line in sys.stdin:
        message = json.loads(line)
        method, number = message.get("method"), message.get("id")
        if method == step:
            misbehave(how, number)
        if number is None:
            continue
        match method:
            case "initialize":
                info = {"name": "raw", "version": "1"}
                write(
                    id=number,
                    result={"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": info},
                )
            case "tools/list":
                write(id=number, result={"tools": tools(starts)})
            case "tools/call":
                write(id=number, result=call(message["params"]["name"], message["params"]["arguments"]))
            case _:
                write(id=number, error={"code": -32601, "message": "Method not found"})
    if step == "end":
        misbehave(how)


main()
