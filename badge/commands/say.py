"""`python -m badge say`: be a badge: speak, write and send messages to a server, and show what comes back and how fast."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
import trio
from attrs import field, frozen

from badge.app import assemble, choose, serve
from badge.boundary import leaves
from badge.client.device import CannotConnectError, Introduction, connect
from badge.client.talk import Manner, Talk, UnansweredError
from badge.clock import Ids, SystemClock
from badge.config.settings import Settings
from badge.phrases import ModeName
from protocol import Framing, ListenMode
from providers.audiofile import AudioFileError, read_audio, write_wav
from providers.opus import Decoder
from providers.ports import EAR_RATE, MOUTH_RATE

FEATURES = {"partials": True, "ledger": True}
MEDIA_RATES = (8000, 12000, 16000, 24000, 48000)
MODES: tuple[ModeName, ...] = ("meeting", "coding", "working")


@frozen(kw_only=True)
class Order:
    """What to do, with whom and how: the mode is entered first, then recordings are spoken, texts written, messages sent."""

    url: str = ""
    enter: ModeName | None = None
    files: Sequence[Path] = ()
    texts: Sequence[str] = ()
    messages: Sequence[str] = field(default=(), repr=False)
    stay: float = 0.0
    out: Path | None = None
    manner: Manner = field(factory=Manner)
    me: Introduction


@frozen(kw_only=True)
class _Material:
    """What an order needs, read and checked."""

    voices: Sequence[bytes] = field(repr=False)
    messages: Sequence[dict[str, Any]] = field(repr=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE.wav",
        help="speak these recordings (any audio format), in this order",
    )
    parser.add_argument("--text", action="append", default=[], help="write instead of speaking; again for more")
    parser.add_argument(
        "--url", default="", help="ws://host:8000/xiaozhi/v1/; without it a server of its own is started"
    )
    team = parser.add_argument_group("modes and the team")
    team.add_argument(
        "--enter", choices=MODES, help="enter this mode first and leave it at the end; a meeting ends with its minutes"
    )
    team.add_argument(
        "--send",
        action="append",
        default=[],
        metavar="JSON",
        help='then send this message, such as {"type":"workflow","event":"refresh"}; again for more',
    )
    team.add_argument(
        "--stay", type=_seconds, default=0.0, metavar="S", help="then stay for so long and show what comes"
    )
    parser.add_argument("--out", type=Path, metavar="REPLY.wav", help="keep what is spoken")
    parser.add_argument("--mode", choices=("auto", "manual", "realtime"), default="manual", help="default: manual")
    parser.add_argument("--framing", type=int, choices=(1, 2, 3), default=1, help="binary framing; default: 1")
    parser.add_argument("--frame-ms", type=int, choices=(20, 40, 60), default=60, help="length of uplink frames")
    parser.add_argument("--token", default="", help="bearer token")
    parser.add_argument("--device", default="badge-say", help="device id; default: badge-say")
    parser.add_argument(
        "--patience", type=_seconds, default=60.0, metavar="S", help="longest wait for each answer; default: 60"
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
        url=args.url,
        enter=args.enter,
        files=tuple(args.files),
        texts=tuple(args.text),
        messages=tuple(args.send),
        stay=args.stay,
        out=args.out,
        manner=Manner(listening=cast(ListenMode, args.mode), patience=args.patience),
        me=me,
    )


async def say(order: Order, settings: Settings, environment: dict[str, str], write: Callable[[str], None]) -> int:
    """Carry out an order; 0 when all of it was answered, 1 when not, with the reason in words."""
    try:
        material = await trio.to_thread.run_sync(_prepare, order)
        if order.url:
            return await _converse(order, order.url, material, write)
        async with trio.open_nursery() as nursery:
            url = await _own_server(nursery, settings, environment, write)
            status = await _converse(order, url, material, write)
            nursery.cancel_scope.cancel()
    except* (AudioFileError, CannotConnectError, _UselessError) as group:
        for exc in leaves(group):
            write(str(exc))
        status = 1
    return status


class _UselessError(Exception):
    """The order cannot be carried out; the message says why."""


def _prepare(order: Order) -> _Material:
    """Read what is to be sent. Blocking; raises `AudioFileError` and `_UselessError`."""
    if order.out is not None:
        folder = order.out.absolute().parent
        if order.out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise _UselessError(f"--out {order.out}: this file cannot be written")
    if not (order.files or order.texts or order.enter or order.messages or order.stay):
        raise _UselessError("there is nothing to say: name a recording, or use --text, --send, --enter or --stay")
    if not all(text.strip() for text in order.texts):
        raise _UselessError("there is nothing to say: the text is empty")
    messages = [_message(text) for text in order.messages]
    return _Material(voices=[_voice(path) for path in order.files], messages=messages)


def _voice(path: Path) -> bytes:
    pcm = read_audio(path, EAR_RATE)
    if not pcm:
        raise AudioFileError(f"{path} has no sound in it")
    return pcm


def _message(text: str) -> dict[str, Any]:
    """A message as `--send` has it."""
    example = 'such as {"type":"peer","to":["badge-2"],"payload":{"text":"Lunch?"}}'
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _UselessError(f"--send {text}: this is no JSON ({exc}); a message is an object, {example}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise _UselessError(f"--send {text}: a message is a JSON object with a type, {example}")
    return message


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


async def _converse(order: Order, url: str, material: _Material, write: Callable[[str], None]) -> int:
    problem = ""
    async with connect(url, order.me) as badge:
        params = badge.welcome.get("audio_params", {})
        write(
            f"connected to {url} ({params.get('format')}, {params.get('sample_rate')} Hz, {params.get('frame_duration')} ms)"
        )
        talk = Talk(badge, order.manner, write)
        try:
            await _carry_out(order, material, talk)
        except* UnansweredError as group:
            problem = str(next(leaves(group)))
    if order.out:
        rate = params.get("sample_rate")
        write(
            await trio.to_thread.run_sync(_save, order.out, talk.packets, rate if rate in MEDIA_RATES else MOUTH_RATE)
        )
    if problem:
        write(problem)
    return 1 if problem else 0


async def _carry_out(order: Order, material: _Material, talk: Talk) -> None:
    """Do everything one after the other. Raises `UnansweredError`, alone or in a group."""
    if order.enter:
        await talk.enter(order.enter)
    for pcm in material.voices:
        await talk.speak(pcm)
    for text in order.texts:
        await talk.type(text)
    for message in material.messages:
        await talk.send(message)
    await talk.stay(order.stay)
    if order.enter:
        await talk.leave(order.enter)


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
