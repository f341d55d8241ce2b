"""The funasr provider against real WebSocket servers: what it sends, what it takes, how it breaks, how it stops."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
import trio
import trustme

from badge.components import Component
from badge.config.settings import AsrSettings
from badge.session.capture import Capture
from badge.session.scribe import Scribe
from providers.asr.funasr import PIECE, FunasrAsr, FunasrSettings
from providers.asr.vosk import VoskAsr, VoskSettings
from providers.pcm import seconds
from providers.ports import EAR_RATE, Asr, ProviderError, single_error
from tests.providers.funasr_server import FunasrServer, Utterance, funasr_server, recognises, says
from tests.providers.speech import MODELS, eventually, hear, refusal, running, spoken_by_espeak

SOUND = b"\x01\x20" * (EAR_RATE // 2)
"""Half a second."""


@pytest.fixture
async def server() -> AsyncIterator[FunasrServer]:
    async with funasr_server() as started:
        yield started


def provider(server: FunasrServer, **settings: Any) -> FunasrAsr:
    return FunasrAsr(FunasrSettings(url=server.url, **settings), {"FUNASR_API_KEY": ""})


async def text_of(server: FunasrServer, pcm: bytes = SOUND, **settings: Any) -> str:
    asr = provider(server, **settings)
    with single_error():
        async with running(asr):
            with trio.fail_after(10):
                return await hear(asr, pcm)
    raise AssertionError


async def failure(server: FunasrServer, pcm: bytes = SOUND, **settings: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await text_of(server, pcm, **settings)
    return caught.value


class Host:
    """Who the scribe tells."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.partly: list[str] = []
        self.errors: list[ProviderError] = []

    def understood(self, text: str, capture: Capture) -> None:
        self.words.append(text)

    def overtaken(self, capture: Capture) -> None:
        raise AssertionError

    def partly_understood(self, text: str) -> None:
        self.partly.append(text)

    def not_recognised(self, capture: Capture, error: ProviderError) -> None:
        self.errors.append(error)


async def scribe(asr: Asr, *utterances: bytes, within: float = 20, **settings: Any) -> Host:
    """Utterances on their way through a session's scribe."""
    host, component = Host(), Component[Asr]("asr", (asr,))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(component.run)
        writer = Scribe(AsrSettings(**settings), component, host)
        nursery.start_soon(writer.run)
        for pcm in utterances:
            capture = Capture(limit=10_000_000, started=trio.current_time())
            capture.add(pcm, trio.current_time())
            capture.end(trio.current_time())
            writer.take(capture)
        with trio.fail_after(within):
            while len(host.words) + len(host.errors) < len(utterances):
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    return host


# --- what is sent and what comes ---------------------------------------------------------------------------------------


@pytest.mark.req("AV-7")
async def test_what_is_sent(server: FunasrServer) -> None:
    """A start, pieces of 60 ms, and at once the end."""
    server.manner = says({"mode": "2pass-offline", "text": "好", "is_final": True})
    assert await text_of(server, SOUND + b"\0" * 100, hotwords={"阿里巴巴": 20}, itn=False) == "好"
    (one,) = server.utterances
    wanted = {"mode": "2pass", "chunk_size": [5, 10, 5], "chunk_interval": 10, "is_speaking": True, "audio_fs": 16000}
    assert {**one.opening, **wanted} == one.opening
    assert one.opening["wav_format"] == "pcm"
    assert one.opening["hotwords"] == '{"阿里巴巴": 20}'
    assert one.opening["itn"] is False
    assert one.sizes[:-1] == [PIECE] * 8
    assert sum(one.sizes) == len(SOUND) + 100
    assert one.closing["is_speaking"] is False


@pytest.mark.req("AR-1", "AR-4", "B-96")
async def test_a_status_before_the_result_is_not_the_result(server: FunasrServer) -> None:
    statuses = ({"status": "ready"}, {"status": "processing"}, {"status": "chunk_received", "text": "3"})
    server.manner = says(*statuses, {"mode": "2pass-offline", "text": "stop the music", "is_final": True})
    host = await scribe(provider(server), SOUND)
    assert host.words == ["stop the music"]


@pytest.mark.req("AR-3", "B-117")
@pytest.mark.parametrize("message", ["ready", {"mode": "2pass-offline", "text": "ready", "is_final": True}])
async def test_somebody_who_says_ready_is_heard(server: FunasrServer, message: Any) -> None:
    server.manner = says({"status": "ready"}, message)
    assert (await scribe(provider(server), SOUND)).words == ["ready"]


@pytest.mark.req("AR-4", "AR-5")
async def test_the_final_text_comes_once_however_much_is_said_after_it(server: FunasrServer) -> None:
    final = {"mode": "2pass-offline", "text": "one", "is_final": True}
    server.manner = says(final, final, {**final, "text": "two"})
    assert (await scribe(provider(server), SOUND, SOUND)).words == ["one", "one"]


@pytest.mark.req("AR-6")
async def test_no_words_are_logged(server: FunasrServer) -> None:
    async def manner(utterance: Utterance) -> None:
        await utterance.open()
        await utterance.say(mode="2pass-online", text="pharaoh", is_final=False)
        await utterance.hear_out_rest()
        await utterance.say(mode="2pass-offline", text="pharaoh", is_final=True)

    server.manner = manner
    with structlog.testing.capture_logs() as logs:
        host = await scribe(provider(server), SOUND * 20)
    assert host.words == ["pharaoh"]
    assert "pharaoh" not in str(logs)
    assert "pharaoh" not in repr(provider(server).__dict__)


@pytest.mark.req("B-104")
async def test_five_megabytes_and_a_recogniser_that_takes_twenty_seconds(
    server: FunasrServer, mock_clock: trio.testing.MockClock
) -> None:
    """Nothing gives up before the patience that is configured; time goes ten times as fast, sockets are real."""
    mock_clock.rate = 10

    async def manner(utterance: Utterance) -> None:
        await utterance.hear_out()
        await trio.sleep(20)
        await utterance.say(mode="2pass-offline", text="at last", is_final=True)

    server.manner = manner
    host = await scribe(provider(server, connect_timeout_s=20.0), bytes(5_000_000), within=200, timeout_s=30.0)
    assert (host.words, host.errors) == (["at last"], [])
    assert sum(server.utterances[0].sizes) == 5_000_000


# --- whose socket it is ------------------------------------------------------------------------------------------------


@pytest.mark.req("AV-2", "AV-8", "MT-18", "B-60")
async def test_each_utterance_has_a_socket_of_its_own_and_one_that_is_given_up_harms_no_other() -> None:
    """Nobody closes what others use, and the next utterance begins with nothing of the one before."""
    behind = VoskAsr(VoskSettings(model=str(MODELS / "vosk-tiny-en")))
    phrases = ("stop the music", "how are you today")
    speech = await spoken_by_espeak(*phrases)
    async with running(behind), funasr_server() as server:
        server.manner = recognises(behind)
        asr, heard = provider(server), dict[str, str]()

        async def listen(phrase: str, pcm: bytes) -> None:
            heard[phrase] = await hear(asr, pcm, pause=0.005)

        async with running(asr):
            async with trio.open_nursery() as nursery:
                for phrase, pcm in zip(phrases, speech, strict=True):
                    nursery.start_soon(listen, phrase, pcm)
                async with asr.recognise() as given_up:
                    await given_up.feed(speech[0][:EAR_RATE])
                    await eventually(lambda: len(server.utterances) == 3)
            assert heard == {phrase: phrase for phrase in phrases}
            assert await hear(asr, speech[1]) == phrases[1]
        assert len(server.utterances) == 4
        await eventually(lambda: server.open == 0)


# --- how it breaks -----------------------------------------------------------------------------------------------------


@pytest.mark.req("B-116", "DG-2")
async def test_a_server_that_comes_back_is_asked_again_on_the_same_sound() -> None:
    """Refused, broken, and then the words: three attempts, each a little later than the one before."""
    async with funasr_server() as first:
        port = first.port
    tried: list[float] = []

    async def breaks_then_hears(utterance: Utterance) -> None:
        tried.append(trio.current_time())
        await utterance.open()
        if len(tried) == 1:
            await trio.aclose_forcefully(utterance.socket._stream)
            return
        await utterance.hear_out_rest()
        await utterance.say(mode="2pass-offline", text="stop the music", is_final=True)

    asr = FunasrAsr(FunasrSettings(url=f"ws://127.0.0.1:{port}"), {})
    async with trio.open_nursery() as nursery:

        async def come_back() -> None:
            await trio.sleep(0.1)
            async with funasr_server(port=port) as server:
                server.manner = breaks_then_hears
                await trio.sleep_forever()

        nursery.start_soon(come_back)
        host = await scribe(asr, SOUND)
        nursery.cancel_scope.cancel()
    assert host.words == ["stop the music"]
    assert tried[1] - tried[0] >= 0.5


@pytest.mark.req("DG-4")
async def test_nobody_listens_there() -> None:
    async with funasr_server() as server:
        pass
    error = await failure(server)
    assert (error.retryable, error.unreachable) == (True, True)
    assert "url in [asr.funasr]" in error.remedy


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (404, False), (429, True), (503, True)])
async def test_a_refused_handshake(server: FunasrServer, status: int, retryable: bool) -> None:
    server.refusal = status
    error = await failure(server)
    assert f"HTTP {status}" in error.detail
    assert (error.retryable, error.unreachable) == (retryable, False)


@pytest.mark.req("DG-2")
@pytest.mark.parametrize(
    ("greeting", "detail"),
    [
        (None, "connection failed"),  # whoever forwards to a server that is not there
        (b"", "connection failed"),
        (b"\0\xff" * 1000, "does not speak the protocol"),
        (b"HTTP/1.1 101 Switching\r\n" + b"x: y" * 100_000, "does not speak the protocol"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: nonsense\r\n\r\n",
            "does not speak the protocol",
        ),
    ],
)
async def test_what_is_no_server_is_known_at_once(greeting: bytes | None, detail: str) -> None:
    """And can be tried again: by the provider of this machine, where there is one."""

    async def serve(stream: trio.SocketStream) -> None:
        if greeting is not None:
            with suppress(trio.BrokenResourceError):
                await stream.receive_some()
                await stream.send_all(greeting)
            if greeting:
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        asr = FunasrAsr(FunasrSettings(url=f"ws://127.0.0.1:{port}", connect_timeout_s=30.0), {})
        async with running(asr):
            with trio.fail_after(10), pytest.raises(ProviderError) as caught, single_error():
                await hear(asr, SOUND)
        nursery.cancel_scope.cancel()
    assert detail in caught.value.detail
    assert caught.value.retryable


@pytest.mark.parametrize(
    "message", ["{garbage", "[1, 2", '{"status": "error"}', '{"text": "' + "x" * 200_000 + '"}', "y" * (1 << 21)]
)
async def test_what_is_no_result(server: FunasrServer, message: str) -> None:
    server.manner = says(message)
    assert (await failure(server)).retryable


async def test_a_server_that_leaves_in_the_middle(server: FunasrServer) -> None:
    async def manner(utterance: Utterance) -> None:
        await utterance.open()
        await utterance.socket.aclose(1011)

    server.manner = manner
    error = await failure(server, SOUND * 100)
    assert "1011" in error.detail
    assert error.retryable


async def test_an_utterance_of_which_a_part_is_lost_is_not_finished(server: FunasrServer) -> None:
    """Whoever gives up in the middle of a piece cannot know what of it was sent."""

    async def manner(utterance: Utterance) -> None:
        await trio.sleep_forever()

    server.manner = manner
    asr = provider(server)
    async with running(asr), asr.recognise() as recognition:
        with trio.move_on_after(0.5) as patience:
            await recognition.feed(bytes(20_000_000))
        assert patience.cancelled_caught
        for again in (recognition.feed(SOUND), recognition.finish()):
            with trio.fail_after(5), pytest.raises(ProviderError, match="given up in the middle"):
                await again


async def test_how_a_server_says_the_end_is_learned_once(
    server: FunasrServer, mock_clock: trio.testing.MockClock
) -> None:
    """By the utterance that shows it, for all later ones, also when one that began before ends after it."""
    mock_clock.rate = 5

    async def manner(utterance: Utterance) -> None:
        await utterance.open()
        await utterance.audio()
        if server.utterances.index(utterance) == 1:
            await utterance.say(mode="2pass-online", text="one", is_final=True)
            await utterance.hear_out_rest()
            await utterance.say(mode="2pass-offline", text="one", is_final=False)
        await trio.sleep_forever()

    server.manner = manner
    asr = provider(server, connect_timeout_s=30.0)
    async with running(asr):
        async with asr.recognise() as earlier:
            await earlier.feed(SOUND)
            await eventually(lambda: len(server.utterances) == 1)
            async with asr.recognise() as recognition:
                while not await recognition.feed(SOUND):
                    await trio.sleep(0.1)
                assert (await recognition.finish()).text == "one"
        with trio.fail_after(60):  # such a server is silent about silence
            assert await hear(asr, SOUND) == ""


@pytest.mark.req("AV-15", "DG-2")
async def test_endless_silence_ends_with_the_patience(server: FunasrServer) -> None:
    server.manner = says()
    begun = trio.current_time()
    host = await scribe(provider(server), SOUND, timeout_s=0.5)
    assert host.errors
    assert trio.current_time() - begun < 3
    assert len(server.utterances) == 3


async def test_an_encrypted_line() -> None:
    """Trusted when the certificate is, or when nobody asks."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with funasr_server(context) as server:
        server.manner = says({"text": "safe", "is_final": True})
        error = await failure(server)
        assert "encrypted connection" in error.detail
        assert not error.retryable
        assert "ca_file" in error.remedy
        assert await text_of(server, check_certificate=False) == "safe"
        with authority.cert_pem.tempfile() as path:
            assert await text_of(server, ca_file=path) == "safe"


async def test_the_token_goes_along_and_nowhere_else(server: FunasrServer, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("t0p-secret\n")
    server.manner = says({"text": "hi", "is_final": True})
    with structlog.testing.capture_logs() as logs:
        assert await text_of(server, api_key_file=str(tmp_path / "key")) == "hi"
        server.refusal = 401
        error = await failure(server, api_key_file=str(tmp_path / "key"))
    assert server.utterances[0].headers["authorization"] == "Bearer t0p-secret"
    assert "t0p-secret" not in f"{error} {logs}"


async def test_it_says_what_is_missing() -> None:
    assert "Set url" in (await refusal(FunasrAsr(FunasrSettings(), {}))).remedy
    settings = FunasrSettings(url="wss://localhost", ca_file="/nowhere")
    assert "ca_file" in (await refusal(FunasrAsr(settings, {}))).remedy


# --- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("PF-2")
async def test_figures() -> None:
    """Connections, time and memory, against a server on this machine with a real recogniser."""
    behind = VoskAsr(VoskSettings(model=str(MODELS / "vosk-tiny-en")))
    (speech,) = await spoken_by_espeak("what is the weather like tomorrow")
    waits: list[float] = []
    before = psutil.Process().memory_info().rss
    async with running(behind), funasr_server() as server:
        server.manner = recognises(behind)
        asr = provider(server)

        async def listen() -> None:
            async with asr.recognise() as recognition:
                for at in range(0, len(speech), PIECE):
                    await recognition.feed(speech[at : at + PIECE])
                begun = trio.current_time()
                assert (await recognition.finish()).text == "what is the weather like tomorrow"
                waits.append(trio.current_time() - begun)

        async with running(asr):
            for _ in range(4):
                async with trio.open_nursery() as nursery:
                    for _ in range(5):
                        nursery.start_soon(listen)
    assert len(waits) == 20  # every connection, and no timeout
    assert max(waits) < 2 * seconds(speech, EAR_RATE)
    assert psutil.Process().memory_info().rss - before < 500_000_000
