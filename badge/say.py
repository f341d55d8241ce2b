"""`python -m badge say`: speak or write to a server as a badge would, and show what comes back and how fast."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import trio
from attrs import define, field, frozen

from badge.app import assemble, choose, serve
from badge.boundary import leaves
from badge.client import Badge, CannotConnectError, Heard, Introduction, connect
from badge.clock import Ids, SystemClock
from badge.config import Settings
from protocol import Framing
from providers.audiofile import AudioFileError, read_audio, write_wav
from providers.opus import Decoder
from providers.ports import EAR_RATE, MOUTH_RATE

FEATURES = {"partials": True, "ledger": True}
TAIL = 1.5
"""Seconds of silence that follow the audio in auto and realtime, so that the server hears the end."""

MEDIA_RATES = (8000, 12000, 16000, 24000, 48000)


@frozen(kw_only=True)
class Order:
    """What to say, to whom and how."""

    url: str = ""
    file: Path | None = None
    text: str = ""
    out: Path | None = None
    mode: str = "manual"
    patience: float = 60.0
    me: Introduction


@define
class Reply:
    """What came back."""

    first: dict[str, float] = field(factory=dict)
    """event -> when it came first (Trio time)"""
    packets: list[bytes] = field(factory=list)
    ledger: dict[str, Any] = field(factory=dict)
    complaints: list[str] = field(factory=list)
    done: bool = False
    closed: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", type=Path, metavar="FILE.wav", help="speak this recording (any audio format)")
    what.add_argument("--text", help="write instead of speaking")
    parser.add_argument(
        "--url", default="", help="ws://host:8000/xiaozhi/v1/; without it a server of its own is started"
    )
    parser.add_argument("--out", type=Path, metavar="REPLY.wav", help="keep the spoken answer")
    parser.add_argument("--mode", choices=("auto", "manual", "realtime"), default="manual", help="default: manual")
    parser.add_argument("--framing", type=int, choices=(1, 2, 3), default=1, help="binary framing; default: 1")
    parser.add_argument("--frame-ms", type=int, choices=(20, 40, 60), default=60, help="length of uplink frames")
    parser.add_argument("--token", default="", help="bearer token")
    parser.add_argument("--device", default="badge-say", help="device id")
    parser.add_argument(
        "--patience", type=_seconds, default=60.0, metavar="S", help="longest wait for the answer; default: 60"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def order_of(args: argparse.Namespace) -> Order:
    """The options as an order."""
    me = Introduction(
        device=args.device,
        client=f"{args.device}-client",
        token=args.token,
        framing=Framing(args.framing),
        features=FEATURES,
        frame_ms=args.frame_ms,
    )
    return Order(
        url=args.url, file=args.file, text=args.text or "", out=args.out, mode=args.mode, patience=args.patience, me=me
    )


async def say(order: Order, settings: Settings, environment: dict[str, str], write: Callable[[str], None]) -> int:
    """Carry out an order; 0 when it was answered, 1 when not, with the reason in words."""
    try:
        pcm = await trio.to_thread.run_sync(_prepare, order)
        if order.url:
            return await _converse(order, order.url, pcm, write)
        async with trio.open_nursery() as nursery:
            url = await _own_server(nursery, settings, environment, write)
            status = await _converse(order, url, pcm, write)
            nursery.cancel_scope.cancel()
    except* (AudioFileError, CannotConnectError, _UselessError) as group:
        for exc in leaves(group):
            write(str(exc))
        status = 1
    return status


class _UselessError(Exception):
    """The order cannot be carried out; the message says why."""


def _prepare(order: Order) -> bytes:
    """The audio to send; empty for a text. Blocking; raises `AudioFileError` and `_UselessError`."""
    if order.out is not None:
        folder = order.out.absolute().parent
        if order.out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise _UselessError(f"--out {order.out}: this file cannot be written")
    if order.file is None:
        if not order.text.strip():
            raise _UselessError("there is nothing to say: the text is empty")
        return b""
    pcm = read_audio(order.file, EAR_RATE)
    if not pcm:
        raise AudioFileError(f"{order.file} has no sound in it")
    return pcm


async def _own_server(
    nursery: trio.Nursery, settings: Settings, environment: dict[str, str], write: Callable[[str], None]
) -> str:
    """Start a server on free ports and wait until it has loaded everything; its address."""
    own = attrs.evolve(
        settings,
        server=attrs.evolve(settings.server, host="127.0.0.1", port=0, http_port=0, public_url=""),
        auth=attrs.evolve(settings.auth, enabled=False),  # nobody else gets to it
        store=attrs.evolve(settings.store, use="memory"),  # the file may be another server's
    )
    clock = SystemClock()
    choices = choose(own, environment, clock)
    server = assemble(own, choices, clock, Ids())
    running = await nursery.start(serve, server)
    write(f"server: {choices.asr.why}; {choices.llms['default'].why}; {choices.tts.why}")
    for component in server.services.components():
        if not component.disabled:
            await component.settled()
    return f"ws://127.0.0.1:{running.port}/xiaozhi/v1/"


async def _converse(order: Order, url: str, pcm: bytes, write: Callable[[str], None]) -> int:
    async with connect(url, order.me) as badge:
        params = badge.welcome.get("audio_params", {})
        write(
            f"connected to {url} ({params.get('format')}, {params.get('sample_rate')} Hz, {params.get('frame_duration')} ms)"
        )
        reply = Reply()
        with trio.move_on_after(order.patience + len(pcm) / (2 * EAR_RATE)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hear, badge, reply, write, nursery.cancel_scope)
                await _utter(order, badge, pcm, reply)
    if order.out:
        rate = params.get("sample_rate")
        write(
            await trio.to_thread.run_sync(_save, order.out, reply.packets, rate if rate in MEDIA_RATES else MOUTH_RATE)
        )
    for line in report(reply):
        write(line)
    if not reply.done:
        write(_trouble(order, reply))
    return 0 if reply.done and "answer" in reply.first else 1


async def _utter(order: Order, badge: Badge, pcm: bytes, reply: Reply) -> None:
    if order.text:
        reply.first["end of speech"] = trio.current_time()
        await badge.tell(type="listen", state="detect", text=order.text)
        return
    await badge.tell(type="listen", state="start", mode=order.mode)
    reply.first["end of speech"] = await badge.speak(pcm)
    if order.mode == "manual":
        await badge.tell(type="listen", state="stop")
    else:
        await badge.speak(b"\0" * (math.ceil(TAIL * EAR_RATE) * 2))


async def _hear(badge: Badge, reply: Reply, write: Callable[[str], None], scope: trio.CancelScope) -> None:
    async for heard in badge.inbox:
        if heard.opus is not None:
            reply.first.setdefault("first audio", heard.at)
            reply.packets.append(heard.opus)
        elif heard.message is not None and _note(heard, heard.message, reply, write):
            with trio.move_on_after(0.2):  # the ledger follows the end of speech
                with suppress(trio.EndOfChannel):
                    reply.ledger = await badge.until("ledger")
            break
    else:
        reply.closed = True
    scope.cancel()


def _note(heard: Heard, message: dict[str, Any], reply: Reply, write: Callable[[str], None]) -> bool:
    """Show one message; true for the end of the answer."""
    match message:
        case {"type": "stt", "partial": True, "text": str(text)}:
            write(f"you ...   {text}")
        case {"type": "stt", "text": str(text)}:
            reply.first.setdefault("transcript", heard.at)
            write(f"you       {text}")
        case {"type": "tts", "state": "start"}:
            reply.first.setdefault("tts start", heard.at)
        case {"type": "tts", "state": "sentence_start", "text": str(text)}:
            reply.first.setdefault("answer", heard.at)
            write(f"badge     {text}")
        case {"type": "tts", "state": "stop"}:
            reply.first.setdefault("tts stop", heard.at)
            reply.done = True
            return True
        case {"type": "system", "message": str(text)}:
            write(f"server    {text}")
        case {"type": "error", "message": str(text)}:
            reply.complaints.append(text)
            write(f"error     {text}")
    return False


def _trouble(order: Order, reply: Reply) -> str:
    """Why there is no complete answer."""
    if reply.closed:
        return "the server closed the connection"
    if "transcript" not in reply.first and order.file:
        return f"the server understood no words within {order.patience:g} s"
    return f"no complete answer within {order.patience:g} s"


def report(reply: Reply) -> list[str]:
    """The latency ledger of the turn, as the badge saw it and as the server did."""
    begun = reply.first.get("end of speech")
    if begun is None:
        return []
    lines = ["latency from the end of speech, seen by the badge:"]
    lines += [
        f"  {name:<14}{(at - begun) * 1000:9.1f} ms" for name, at in reply.first.items() if name != "end of speech"
    ]
    if len(lines) == 1:
        lines = []
    stages = reply.ledger.get("stages", {})
    if stages:
        lines.append("stages on the server, up to the first audio frame:")
        lines += [f"  {name:<14}{ms:9.1f} ms" for name, ms in stages.items()]
        lines.append(f"  {'total':<14}{reply.ledger['total_ms']:9.1f} ms")
    return lines


def _save(path: Path, packets: list[bytes], rate: int) -> str:
    """Write the answer; gives what to tell about it. Blocking."""
    if not packets:
        return f"there was no sound to keep in {path}"
    decoder = Decoder(rate)
    try:
        write_wav(path, b"".join(decoder.decode(packet) for packet in packets), rate)
    except OSError as exc:
        return f"the answer could not be kept in {path}: {exc.strerror}"
    return f"kept the answer in {path}"
