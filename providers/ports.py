"""What the server asks of speech and language providers, and what it gets back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import trio
from attrs import field, frozen

EAR_RATE = 16_000
"""Hz of all audio that goes to VAD and ASR: 16-bit little-endian mono."""

MOUTH_RATE = 24_000
"""Hz of all audio that TTS gives: 16-bit little-endian mono."""

Language = Literal["en", "zh"]

T_co = TypeVar("T_co", covariant=True)


class ProviderError(Exception):
    """A provider cannot start or cannot answer.

    `detail` says what is missing or what went wrong, `remedy` what the operator can do about it, `retryable` whether
    the same request may succeed when it is made again, and `pause` how many s to leave it alone before that.
    `particular`: the reason is this request, others may do better. `unreachable` is true when there was no connection to be had: the network is down, or nobody listens.
    """

    def __init__(
        self,
        provider: str,
        detail: str,
        *,
        remedy: str = "",
        retryable: bool = False,
        pause: float = 0.0,
        particular: bool = False,
        unreachable: bool = False,
    ) -> None:
        super().__init__(f"{provider}: {detail}" + (f" {remedy}" if remedy else ""))
        self.provider = provider
        self.detail = detail
        self.remedy = remedy
        self.retryable = retryable
        self.pause = pause
        self.particular = particular
        self.unreachable = unreachable


def alone(exc: BaseException) -> BaseException:
    """The one error in a group, however deep; a group of several errors, and an error that is no group, are themselves."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return exc


@contextmanager
def single_error() -> Iterator[None]:
    """Let the one error of a request leave as itself, though it crosses the provider's nursery as a group.

    An error that meets a cancellation is dropped: whoever asked does not wait for an answer any more.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        cancelled, errors = group.split(trio.Cancelled)
        if cancelled is not None and errors is not None and errors.split((ProviderError, trio.TooSlowError))[1] is None:
            raise cancelled from None
        leaf = alone(group)
        if isinstance(leaf, ProviderError | trio.TooSlowError):
            raise leaf from None  # noqa: ASYNC123 - the group around it says nothing more
        raise


def well_formed(text: str) -> str:
    """The text as it can be sent on: halves of surrogate pairs, as JSON escapes can bring them, are joined or replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Incoming(Protocol[T_co]):
    """What comes in piece by piece; a `trio.MemoryReceiveChannel` is one."""

    async def receive(self) -> T_co:
        """The next piece, when it is there. Raises `trio.EndOfChannel` when there will be none."""

    def receive_nowait(self) -> T_co:
        """The next piece. Raises `trio.WouldBlock` when it is not there yet, `trio.EndOfChannel` after the last one."""


class Provider(Protocol):
    """A long-lived resource that is its own task."""

    @property
    def name(self) -> str:
        """Short name for logs and start-up lines, such as `vosk (vosk-model-small-en-us-0.15)`."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Load, report `started` when requests may come, and live until cancelled.

        Raises `ProviderError` when it cannot start. What breaks later is mended inside or fails the request.
        """


# --- voice activity ---------------------------------------------------------------------------------------------------


class VadStream(Protocol):
    """Voice activity of one stream of audio; plain state, no task."""

    def feed(self, pcm: bytes) -> Sequence[bool]:
        """Whether each complete window of the audio so far is speech; a rest is kept for the next call.

        Work is at most a few hundred microseconds per 60 ms of audio: it is called on the Trio thread.
        """


class Vad(Provider, Protocol):
    """Tells speech from silence."""

    @property
    def window(self) -> float:
        """Seconds of audio that one answer of `VadStream.feed` is about."""

    def stream(self) -> VadStream:
        """A fresh stream."""


# --- recognition ------------------------------------------------------------------------------------------------------


@frozen
class Transcript:
    """What was said: `text` is empty when nothing was understood."""

    text: str = field(repr=False, converter=well_formed)


class Recognition(Protocol):
    """One utterance on its way through a recogniser."""

    async def feed(self, pcm: bytes) -> str:
        """Take more audio; gives the partial text so far. Waits while the recogniser is behind."""

    async def finish(self) -> Transcript:
        """The final text. Raises `ProviderError`."""


class Asr(Provider, Protocol):
    """Speech to text; one instance serves all connections, every utterance has a recognition of its own."""

    def recognise(self) -> AbstractAsyncContextManager[Recognition]:
        """Start on one utterance; leaving the context gives up what is unfinished, within milliseconds.

        Entering never waits: what takes time is waited for inside, where patience is bounded.
        """


# --- language ---------------------------------------------------------------------------------------------------------


@frozen
class ToolSpec:
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@frozen(kw_only=True)
class ToolCall:
    """A whole call of a tool; `arguments` is the JSON text that the model wrote."""

    id: str = field(converter=well_formed)
    name: str
    arguments: str = field(default="", repr=False, converter=well_formed)


@frozen(kw_only=True)
class ChatMessage:
    """One message of a dialogue. An assistant message may have `calls`, each of which is answered by a tool message whose
    `call` is its id."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = field(repr=False)
    calls: tuple[ToolCall, ...] = ()
    call: str = ""


@frozen
class Schema:
    """The form that an answer must have: a JSON schema, and its name for the provider."""

    name: str
    json: dict[str, Any]


@frozen(kw_only=True)
class Prompt:
    """One request to a language model. With a `schema` the answer shall be a JSON document of that form; not every server
    keeps to it, so the prompt says so, too, and whoever asks looks at what comes."""

    messages: tuple[ChatMessage, ...]
    session: str = ""
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int | None = None
    schema: Schema | None = None


@frozen
class Text:
    """A piece of the answer as it comes."""

    text: str = field(repr=False, converter=well_formed)


@frozen(kw_only=True)
class ToolCallDelta:
    """A piece of a call: pieces with one `index` belong together, `arguments` are concatenated."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = field(default="", repr=False)


@frozen(kw_only=True)
class Usage:
    """What the answer has cost, in tokens, as the server counts them; comes last, where it comes at all."""

    prompt: int
    answer: int


Token = Text | ToolCallDelta | Usage


class Llm(Provider, Protocol):
    """Answers prompts."""

    def stream(self, prompt: Prompt) -> AbstractAsyncContextManager[Incoming[Token]]:
        """The answer as it comes; leaving the context ends the request at once. Entering never waits.

        A failure ends the channel early, and leaving the context raises it as `ProviderError` (see `single_error`).
        """


@runtime_checkable
class Warmable(Protocol):
    """A provider that answers sooner when it is told beforehand."""

    async def warm(self) -> bool:
        """Somebody will ask in a moment: have a connection open by then. False when there is none; nothing is raised. Most
        times it is open already, and nothing is to be done."""


# --- speech -----------------------------------------------------------------------------------------------------------


class Tts(Provider, Protocol):
    """Text to speech."""

    @property
    def encoding(self) -> Literal["pcm", "opus"]:
        """pcm: chunks of 16-bit audio at `MOUTH_RATE`, of any length; opus: each chunk is one Opus packet whose
        duration is the configured frame."""

    def speak(self, text: str) -> AbstractAsyncContextManager[Incoming[bytes]]:
        """The audio of one sentence as it is made; leaving the context stops the synthesis within milliseconds.
        Entering never waits.

        A failure ends the channel early, and leaving the context raises it as `ProviderError` (see `single_error`). A
        text without anything to say gives no chunk.
        """


# --- memory -----------------------------------------------------------------------------------------------------------


class Embedder(Provider, Protocol):
    """Meanings of texts as vectors: texts that mean alike have vectors that point alike."""

    @property
    def model(self) -> str:
        """What made the vectors; those of different models cannot be compared."""

    async def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """The vector of each text, as 32-bit numbers of this machine's byte order. Raises `ProviderError`."""


class Recall(Provider, Protocol):
    """Long-term memory of a device."""

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        """What is worth remembering for this text; empty for nothing. `ahead`: it is not certain yet that this will be said;
        nothing tells later that it was asked."""
