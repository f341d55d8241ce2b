"""An MCP server on standard input and output, written without any library, that can misbehave at each step.

raw_server.py FOLDER MISDEED…: each start counts itself in FOLDER/starts; the misdeeds are those of the first start, the
second … one each, `-` for none; later starts behave well.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path


def answer(number: object, result: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}) + "\n")
    sys.stdout.flush()


def misbehave(how: str, line: str = "") -> None:
    match how:
        case "die":
            sys.stderr.write("the disk is on fire\n")
            os._exit(3)
        case "hang":
            signal.pause()
        case "close":
            os.close(1)
            signal.pause()
        case "garbage":
            sys.stdout.write(f'DEBUG: {line}\n{{"half": \n[1,2]\n\n')
            sys.stdout.flush()


def tools() -> list[dict[str, object]]:
    echo = {"type": "object", "properties": {"text": {"type": "string"}}}
    return [{"name": name, "description": name, "inputSchema": echo} for name in ("echo", "pid", "deaf")]


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
        if number is None:
            continue
        if method == step:
            misbehave(how, line.strip())
        match method:
            case "initialize":
                info = {"name": "raw", "version": "1"}
                answer(number, {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": info})
            case "tools/list":
                answer(number, {"tools": tools()})
            case "tools/call" if message["params"]["name"] == "deaf":
                signal.pause()
            case "tools/call":
                said = (
                    str(os.getpid()) if message["params"]["name"] == "pid" else message["params"]["arguments"]["text"]
                )
                answer(number, {"content": [{"type": "text", "text": said}]})
            case _:
                error = {"code": -32601, "message": "Method not found"}
                sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "error": error}) + "\n")
                sys.stdout.flush()


main()
