"""A recording as a scenario: what the badge did and when, and providers that do once more what they did then.

Nothing here follows the order of the recording. Providers find what they say by what they are asked, so that they can be
asked once more, or late, or something else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any

import trio
from attrs import evolve, field, frozen

from badge.recording.fileformat import Recording, RecordingError
from badge.recording.records import Kind, Record
from badge.replay.playback import token_of
from badge.replay.script import Script, script_of
from protocol import RemoteProtocolError, decode_frame, decode_text, wire_name
from protocol.inbound import Abort, Listen, Meeting, Mode, Peer, Workflow
from providers.opus import Decoder, OpusError
from providers.pcm import rms
from providers.ports import EAR_RATE, MOUTH_RATE, Incoming, Prompt, Token, Transcript
from providers.scripted import (
    LOUD,
    Hearing,
    Reply,
    ScriptedAsr,
    ScriptedLlm,
    ScriptedRecall,
    ScriptedTts,
    ScriptedVad,
    Utterance,
)

SECOND = 1_000_000


@frozen(kw_only=True)
class Step:
    """One message of the badge, `at` s after the session began.

    With it the badge `wants` something of the office, or the user `begins` something, which puts an end to what was before, or starts an utterance and `expects` an
    answer in the end, or `asks`: it is up to the server now.
    `patient`: when this was sent nothing was open, so a badge that is still waiting then has to wait.
    """

    at: float
    frame: str | bytes = field(repr=False)
    begins: bool = False
    expects: bool = False
    asks: bool = False
    patient: bool = False
    wants: str = ""
    """the type of the answer that this message gets"""


@frozen(kw_only=True)
class Scenario:
    """One recorded session, to be had again and again."""

    script: Script
    steps: tuple[Step, ...] = field(repr=False)

    def patient(self, quiet: list[bool]) -> Scenario:
        """The same, with a badge that knows when nothing was open."""
        steps = tuple(evolve(step, patient=calm) for step, calm in zip(self.steps, quiet, strict=True))
        return evolve(self, steps=steps)

    def providers(self) -> dict[str, Any]:
        """Fresh providers by kind of component."""
        records = self.script.records
        memory = next((record.data[1] for record in records if record.kind is Kind.RECALL_ANSWER), "")
        llms = {f"llm.{name}": RecastLlm(_replies(records)) for name in self.script.settings.llm}
        voices = _voices(records)
        return {
            "vad": ScriptedVad(),
            "asr": RecastAsr(_hearings(records)),
            "tts": ScriptedTts(lambda text: voices.get(sent(text), Utterance(duration=0.3, delay=0.05))),
            "recall": ScriptedRecall(memory, delay=0.02),
            **llms,
        }


def scenario_of(recording: Recording) -> Scenario:
    """Understand a recording. Raises `RecordingError`."""
    script = script_of(recording)
    if script.silent or script.masking is not None:
        raise RecordingError(f"{recording.name}: without its sound and words a session cannot be had again")
    return Scenario(script=script, steps=tuple(_steps(script)))


# --- the badge ---------------------------------------------------------------------------------------------------------


def _steps(script: Script) -> Iterator[Step]:
    """What the badge sent; an utterance that it does not bound is asked with the last voice in it."""
    steps: list[Step] = []
    mode, listening, last_voice = script.settings.listen.mode, False, -1
    decoder = Decoder(EAR_RATE)
    for record in script.records:
        if record.kind is not Kind.IN:
            continue
        step = Step(at=record.at / SECOND, frame=record.data[0])
        message = _message(step.frame)
        if isinstance(message, Listen | Abort):
            if last_voice >= 0 and mode != "manual":
                steps[last_voice] = evolve(steps[last_voice], asks=True)
            last_voice = -1
            mode = getattr(message, "mode", None) or mode
            step = _meaning(step, message, in_utterance=listening)
            listening = isinstance(message, Listen) and message.state == "start"
        elif isinstance(message, Mode | Meeting | Workflow | Peer):
            step = evolve(step, wants=wire_name(message))
        elif isinstance(step.frame, bytes) and listening and _is_voice(script, decoder, step.frame):
            last_voice = len(steps)
        steps.append(step)
    if last_voice >= 0 and mode != "manual":
        steps[last_voice] = evolve(steps[last_voice], asks=True)
    return iter(steps)


def _message(frame: str | bytes) -> object:
    try:
        return decode_text(frame) if isinstance(frame, str) else None
    except RemoteProtocolError:
        return None


def _meaning(step: Step, message: Listen | Abort, *, in_utterance: bool) -> Step:
    if isinstance(message, Abort):
        return evolve(step, begins=True)
    if message.state == "start":
        return evolve(step, begins=True, expects=True)
    if message.state == "stop":
        return evolve(step, asks=in_utterance)
    return evolve(step, begins=True, asks=bool((message.text or "").strip()))


def _is_voice(script: Script, decoder: Decoder, frame: bytes) -> bool:
    try:
        return rms(decoder.decode(decode_frame(script.framing, frame).opus)) >= LOUD
    except (OpusError, RemoteProtocolError):
        return False


# --- the providers -----------------------------------------------------------------------------------------------------


class RecastAsr(ScriptedAsr):
    """Knows what was said by how much audio there was."""

    def __init__(self, hearings: Mapping[int, Hearing]) -> None:
        super().__init__()
        self._hearings = hearings or {0: Hearing()}
        self.understood = True
        """whether there were words in what was heard last"""

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[Any]:
        yield _RecastRecognition(self, self._hearings)
        await trio.lowlevel.checkpoint()


class _RecastRecognition:
    def __init__(self, asr: RecastAsr, hearings: Mapping[int, Hearing]) -> None:
        self._asr = asr
        self._hearings = hearings
        self._fed = 0

    async def feed(self, pcm: bytes) -> str:
        await trio.lowlevel.checkpoint()
        self._fed += len(pcm)
        return " ".join(self._heard.text.split()[: self._fed // 4096])

    async def finish(self) -> Transcript:
        await trio.sleep(self._heard.delay)
        self._asr.understood = bool(self._heard.text.strip())
        return Transcript(self._heard.text)

    @property
    def _heard(self) -> Hearing:
        return self._hearings[min(self._hearings, key=lambda size: abs(size - self._fed))]


def sent(text: str) -> str:
    """A text on its way to a provider elsewhere. Raises `UnicodeError` when it cannot be sent."""
    text.encode()
    return text


class RecastLlm(ScriptedLlm):
    """Answers by the last words of the prompt."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        super().__init__()
        self._replies = replies

    def stream(self, prompt: Prompt) -> AbstractAsyncContextManager[Incoming[Token]]:
        for message in prompt.messages:
            sent(message.content)
        if not prompt.messages[-1].content.strip():
            raise ValueError("nothing was asked")
        self._script.clear()
        self._script.append(self._replies.get(prompt.messages[-1].content, Reply(pieces=["Who knows?"])))
        return super().stream(prompt)


def _hearings(records: tuple[Record, ...]) -> dict[int, Hearing]:
    """By bytes of audio."""
    asked: dict[int, tuple[int, int]] = {}
    found: dict[int, Hearing] = {}
    for record in records:
        if record.kind is Kind.ASR_FINISH:
            asked[record.data[0]] = record.at, record.data[1]
        elif record.kind is Kind.ASR_FINAL:
            at, size = asked[record.data[0]]
            found[size] = Hearing(text=record.data[1], delay=(record.at - at) / SECOND)
    return found


def _replies(records: tuple[Record, ...]) -> dict[str, Reply]:
    """By the last words of the prompt; of answers to the same words the longest."""
    found: dict[str, Reply] = {}
    words = ""
    for number, opened in ((r.data[0], r) for r in records if r.kind is Kind.LLM_OPEN):
        words = opened.data[3][-1][1] if opened.data[3] else words
        tokens = [r for r in records if r.kind is Kind.LLM_TOKEN and r.data[0] == number]
        if tokens and len(tokens) >= len(found.get(words, Reply()).pieces):
            times = [opened.at, *(r.at for r in tokens)]
            pauses = [(b - a) / SECOND for a, b in pairwise(times)]
            found[words] = Reply(
                pieces=[token_of(r.data[1]) for r in tokens],
                first=pauses[0] if pauses else 0,
                pause=sum(pauses[1:]) / (len(pauses) - 1) if len(pauses) > 1 else 0,
            )
    return found


def _voices(records: tuple[Record, ...]) -> dict[str, Utterance]:
    """By text; of sounds of the same text the longest. Ready packets are spoken as a tone, too."""
    found: dict[str, Utterance] = {}
    for number, opened in ((r.data[0], r) for r in records if r.kind is Kind.TTS_OPEN):
        chunks = [r for r in records if r.kind is Kind.TTS_CHUNK and r.data[0] == number]
        duration = sum(len(r.data[1]) for r in chunks) / 2 / MOUTH_RATE
        text = opened.data[1]
        if chunks and duration > found.get(text, Utterance(duration=0)).duration:
            delay, piece = (chunks[0].at - opened.at) / SECOND, len(chunks[0].data[1]) / 2 / MOUTH_RATE
            found[text] = Utterance(duration=duration, delay=delay, piece=max(piece, 0.01))
    return found
