"""Replies of a server with the OpenAI speech APIs that really hears and really speaks, with providers of this machine."""

from __future__ import annotations

import email
from contextlib import suppress
from functools import partial
from typing import Any

import trio
from attrs import frozen

from providers.audiofile import decode_audio, wav_bytes
from providers.ports import EAR_RATE, MOUTH_RATE, Asr, Tts
from tests.providers.openai_server import Exchange, Reply
from tests.providers.speech import hear, say


@frozen
class Upload:
    """A transcription request, taken apart."""

    fields: dict[str, str]
    name: str
    kind: str
    sound: bytes

    async def pcm(self) -> bytes:
        """What a recogniser hears in the file."""
        return await trio.to_thread.run_sync(decode_audio, self.sound, EAR_RATE)


def upload(exchange: Exchange) -> Upload:
    """The multipart form of a request, taken apart by hand: the library's parser reads megabytes line by line."""
    boundary = exchange.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    fields: dict[str, str] = {}
    file = Upload(fields, "", "", b"")
    for part in exchange.content.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        heading = email.message_from_bytes(head.lstrip() + b"\r\n\r\n")
        content = content.removesuffix(b"\r\n")
        if name := heading.get_filename():
            file = Upload(fields, name, heading.get_content_type(), content)
        else:
            fields[str(heading.get_param("name", header="content-disposition"))] = content.decode()
    return file


def transcribes(asr: Asr) -> Reply:
    """The words of the sound file; piece by piece when that is asked for."""

    async def reply(exchange: Exchange) -> None:
        form = upload(exchange)
        text = await hear(asr, await form.pcm())
        if form.fields.get("stream") != "true":
            await exchange.plain(200, {"text": text})
            return
        await exchange.head()
        for word in text.split():
            await exchange.event({"type": "transcript.text.delta", "delta": f"{word} "})
        await exchange.event({"type": "transcript.text.done", "text": text})
        await exchange.end()

    return reply


def speaks(tts: Tts) -> Reply:
    """The sound of the text, as it is made where pcm is asked for."""

    async def reply(exchange: Exchange) -> None:
        text, form = exchange.body["input"], exchange.body["response_format"]
        if form == "pcm":
            await exchange.head(200, {"content-type": "audio/pcm"})
            async with tts.speak(text) as chunks:
                async for chunk in chunks:
                    await exchange.data(chunk)
        else:
            pcm = await say(tts, text)
            data, kind = (wav_bytes(pcm, MOUTH_RATE), "wav") if form == "wav" else (coded(pcm, form), form)
            await exchange.head(200, {"content-type": f"audio/{kind}"})
            await exchange.data(data)
        await exchange.end()

    return reply


def serves(asr: Asr, tts: Tts) -> Reply:
    """Whatever is asked."""

    async def reply(exchange: Exchange) -> None:
        await (transcribes(asr) if exchange.path.endswith("/audio/transcriptions") else speaks(tts))(exchange)

    return reply


def answers(content: bytes, kind: str = "application/json", status: int = 200) -> Reply:
    """A body as it is."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head(status, {"content-type": kind})
        await exchange.data(content)
        await exchange.end()

    return reply


async def never(exchange: Exchange) -> None:
    """No answer at all."""
    await trio.sleep_forever()


async def breaks(exchange: Exchange) -> None:
    """The connection breaks before an answer."""
    await exchange.reset()


async def breaks_in_the_middle(exchange: Exchange, pcm: bytes = b"\x01\x10" * 4800) -> None:
    """Some sound, and then the connection breaks."""
    await exchange.head(200, {"content-type": "audio/pcm"})
    await exchange.data(pcm)
    await exchange.reset()


async def stops_in_the_middle(exchange: Exchange) -> None:
    """Some sound, and then nothing any more."""
    await exchange.head(200, {"content-type": "audio/pcm"})
    await exchange.data(b"\x01\x10" * 4800)
    await trio.sleep_forever()


async def endless(exchange: Exchange) -> None:
    """Megabyte after megabyte."""
    await exchange.head(200, {"content-type": exchange.headers.get("accept", "audio/pcm")})
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while True:
            await exchange.data(bytes(1 << 20))


def coded(pcm: bytes, form: str) -> bytes:
    """A file of this form."""
    import io

    import av
    import numpy as np

    raw = io.BytesIO()
    with av.open(raw, "w", format={"opus": "ogg"}.get(form, form)) as container:
        codec = {"opus": "libopus", "mp3": "libmp3lame"}.get(form, form)
        stream: Any = container.add_stream(codec, rate=MOUTH_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = MOUTH_RATE
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name,
            layout="mono",
            rate=MOUTH_RATE,
            frame_size=stream.codec_context.frame_size or None,
        )
        encode = partial(_mux, container, stream)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            encode(piece)
        encode(None)
    return raw.getvalue()


def _mux(container: Any, stream: Any, frame: Any) -> None:
    for packet in stream.encode(frame):
        container.mux(packet)
