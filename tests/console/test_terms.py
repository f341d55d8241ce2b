"""How the console decides on the terms of a device: over real sockets, well, badly and not at all."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import structlog.testing
import trio

from badge.app import live_llms
from badge.choice import workshop
from badge.clock import Ids
from badge.config.devices import ConsoleSettings
from badge.config.llm import LlmSettings
from badge.config.settings import Settings
from badge.console.calling import LONGEST_ANSWER, MOST_CALLS
from badge.desk import Terms
from badge.llms import Llms, Purpose
from badge.llms.fixed import FixedLlms
from badge.llms.ledger import Ledger
from badge.log import fill_template
from badge.metrics import Metrics
from badge.offices.binding import BindingOffice, binding_office
from badge.offices.devices import ConsoleBinding
from badge.peers.presence import Presence
from badge.storage.memory import MemoryStore
from tests.console.server import AGENT_MODELS, LocalConsole, free_port, local_console, ok
from tests.console.test_answers import FULL
from tests.house import FrozenClock, changed

DEVICE = "aa:bb:cc:00:00:01"


def with_console(url: str, **console: Any) -> Settings:
    settings = changed(devices={"binding": "console"})
    console = {"url": url, "secret": "S3", "timeout_s": 1.0, **console}
    return attrs.evolve(settings, devices=attrs.evolve(settings.devices, console=ConsoleSettings(**console)))


class OwnModels(FixedLlms):
    """Notes the models that devices have of their own."""

    def __init__(self) -> None:
        super().__init__({}, {})
        self.admitted: dict[str, LlmSettings] = {}
        self.assigned: dict[str, Mapping[str, str]] = {}

    def admit(self, settings: LlmSettings) -> str:
        key = f"private-{len(self.admitted) + 1}"
        self.admitted[key] = settings
        return key

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        self.assigned[device] = keys


@asynccontextmanager
async def office(settings: Settings, llms: Llms | None = None) -> AsyncIterator[BindingOffice]:
    """The offices that ask a console, while they run."""
    made = binding_office(
        settings,
        store=MemoryStore(),
        presence=Presence(9),
        llms=llms or OwnModels(),
        clock=FrozenClock(),
        ids=Ids(1),
    )
    async with trio.open_nursery() as nursery:
        for one in made.running:
            await nursery.start(one.run)
        yield made
        nursery.cancel_scope.cancel("the test is over")


async def terms_by(console: LocalConsole, answer: Any, **more: Any) -> Terms:
    console.answers[AGENT_MODELS] = answer
    async with office(with_console(console.url, **more)) as house:
        return await house.devices.terms(DEVICE, "c")


@pytest.mark.req("PC-1", "PC-2", "PC-3", "PC-8")
async def test_a_device_is_served_as_the_console_says() -> None:
    async with local_console() as console:
        console.answers[AGENT_MODELS] = ok(FULL)
        with structlog.testing.capture_logs() as logs:
            models = OwnModels()
            async with office(with_console(console.url), models) as house:
                terms = await house.devices.terms(DEVICE, "c")
                assert isinstance(house.devices, ConsoleBinding)
                assert house.devices.plugins(DEVICE)["get_weather"]["location"] == "Oslo"
                own = models.admitted[terms.llms["chat"]].openai
                assert (own.model, own.base_url, own.api_key) == ("m", "http://llm.example/v1", "K1-secret")
                assert models.assigned == {DEVICE: terms.llms}
                assert house.private.component("tts", terms.tts) is not None
    (body,) = console.of(AGENT_MODELS)
    assert (body["macAddress"], body["clientId"]) == (DEVICE, "c")
    assert set(body["selectedModule"]) == {"VAD", "ASR", "TTS"}
    assert console.headers[0]["authorization"] == "Bearer S3"
    assert terms.bound
    assert set(terms.llms) == set(map(str, Purpose))
    assert (terms.prompt, terms.memory, terms.longest_output) == ("You are Ann's.", "She likes tea.", 500)
    assert (terms.functions, terms.intent, terms.reported) == (("get_weather", "play_music"), "function_call", "audio")
    assert "secret" not in json.dumps(attrs.asdict(terms))
    (line,) = [one for one in logs if "获取差异化配置成功" in one["event"]]
    text = str(fill_template(None, "", dict(line))["event"])
    assert text.startswith(f"{line['seconds']} 秒，获取差异化配置成功: {{")
    assert "-secret" not in str(logs)
    assert "S3" not in str(logs)


@pytest.mark.req("ME-1", "PC-2")
async def test_a_console_may_have_nothing_remembered() -> None:
    forgetful = {"selected_module": {"Memory": "Memory_nomem"}, "Memory": {"Memory_nomem": {"type": "nomem"}}}
    async with local_console() as console:
        terms = await terms_by(console, ok({**FULL, **forgetful}))
    assert (terms.memory, terms.forgets) == ("", True)
    async with local_console() as console:
        assert not (await terms_by(console, ok(FULL))).forgets


@pytest.mark.req("PC-3")
async def test_without_an_intent_there_are_no_functions() -> None:
    data = {
        **FULL,
        "selected_module": {"Intent": "Intent_nointent"},
        "Intent": {"Intent_nointent": {"type": "nointent"}},
    }
    async with local_console() as console:
        terms = await terms_by(console, ok(data))
    assert (terms.intent, terms.functions) == ("none", None)


@pytest.mark.req("PC-2")
async def test_a_device_without_memory_is_not_remembered() -> None:
    data = {"Memory": {"Memory_nomem": {"type": "nomem"}}, "summaryMemory": "She likes tea."}
    async with local_console() as console:
        terms = await terms_by(console, ok(data))
        assert (terms.forgets, terms.memory) == (True, "")
        assert not (await terms_by(console, ok({"summaryMemory": "She likes tea."}))).forgets


@pytest.mark.req("PC-2", "AV-4", "AV-5")
async def test_ears_are_replaced_only_by_those_of_another_type_and_unknown_ones_not_at_all() -> None:
    data = {
        "VAD": {"VAD_Silero": {"type": "silero"}},
        "ASR": {"ASR_Fun": {"type": "fun_local"}},
        "TTS": {"TTS_Edge": {"type": "edge"}},
        "LLM": {"LLM_Odd": {"type": "odd"}},
    }
    async with local_console() as console:
        terms = await terms_by(console, ok(data))
        assert (terms.vad, terms.asr, terms.tts, terms.llms) == ("", "", "", {})
        other = await terms_by(console, ok({"VAD": {"VAD_E": {"type": "energy", "ratio": "4"}}}))
    assert other.vad


@pytest.mark.req("PC-5")
async def test_a_device_that_is_not_bound() -> None:
    async with local_console() as console:
        known = await terms_by(console, {"code": 10042, "msg": "123456", "data": None})
        assert known == Terms(bound=False, code="123456")
        assert await terms_by(console, {"code": 10041, "msg": "no"}) == Terms(bound=False)


@pytest.mark.req("PC-6", "PC-7", "B-79")
@pytest.mark.parametrize(
    "answer",
    [
        b"<html><body>Bad gateway</body></html>",
        b"",
        b"\xff\xfe",
        b'{"code": 0, "data": {"prompt": "\xed\xa0\x80"}}',
        b'{"code": 0, "data": {',
        b"[]",
        b"5",
        b"[" * 100_000,
        b'{"code": 0, "data": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
        b'{"code": "0"}',
        b'{"code": true}',
        b'{"code": 0, "data": "x"}',
        b'{"code": 500, "msg": "oh"}',
        b'{"code": 0, "data": {"prompt": "' + b"x" * LONGEST_ANSWER + b'"}}',
    ],
)
async def test_rubbish_is_not_an_unbound_device(answer: bytes) -> None:
    async with local_console() as console:
        assert await terms_by(console, answer) == Terms(unknown=True)


@pytest.mark.req("PC-6", "PC-7", "B-79")
async def test_a_console_that_is_slow_or_away_is_not_waited_for() -> None:
    async def hang(_: Any) -> bytes:
        await trio.sleep_forever()

    async with local_console() as console:
        with trio.fail_after(30):
            assert await terms_by(console, hang, timeout_s=0.3) == Terms(unknown=True)
        console.status = 503
        assert await terms_by(console, ok({})) == Terms(unknown=True)
    async with office(with_console(f"http://127.0.0.1:{await free_port()}")) as house:
        assert await house.devices.terms(DEVICE, "c") == Terms(unknown=True)


@pytest.mark.req("PC-6", "PC-7")
async def test_a_redirect_is_not_followed() -> None:
    async with local_console() as console, local_console() as elsewhere:
        console.status, console.headers_sent = 302, [("location", elsewhere.url + "/config/agent-models")]
        assert await terms_by(console, ok({"prompt": "mine"})) == Terms(unknown=True)
    assert elsewhere.asked == []


@pytest.mark.req("PC-6", "PC-7")
async def test_an_answer_that_is_packed_is_not_unpacked() -> None:
    async with local_console() as console:
        console.headers_sent = [("content-encoding", "gzip")]
        bomb = gzip.compress(json.dumps(ok({"prompt": "x" * 50_000_000})).encode())
        assert len(bomb) < LONGEST_ANSWER
        assert await terms_by(console, bomb) == Terms(unknown=True)
        assert console.headers[0]["accept-encoding"] == "identity"


@pytest.mark.req("PC-2", "PC-6")
async def test_odd_values_are_left_out_and_the_rest_is_used() -> None:
    module = b'{"L": {"type": "openai", "url": "http://llm.example", "temperature": 1' + b"0" * 400 + b"}}"
    answer = b'{"code": 0, "data": {"prompt": "Hi \\ud800", "LLM": ' + module + b', "plugins": {"\\udc00": "{}"}}}'
    async with local_console() as console:
        terms = await terms_by(console, answer)
    assert (terms.prompt, terms.functions, bool(terms.llms)) == ("Hi �", ("�",), True)


@pytest.mark.parametrize(("secret", "sent"), [("s3cret", "Bearer s3cret"), ("你的密钥", None), ("two\nlines", None)])
async def test_a_secret_that_no_header_can_hold_stays_here(secret: str, sent: str | None) -> None:
    async with local_console() as console:
        settings = with_console(console.url, secret="")
        settings = attrs.evolve(settings, auth=attrs.evolve(settings.auth, manager_secret=secret))
        async with office(settings) as house:
            assert await house.devices.terms(DEVICE, "c") == Terms()
    assert console.headers[0].get("authorization") == sent


@pytest.mark.parametrize(
    "wrong", [{"url": "http://"}, {"url": "http://x:port"}, {"url": "ftp://x"}, {"secret": "钥匙"}]
)
def test_what_cannot_be_a_console_is_refused_at_once(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ConsoleSettings(**wrong)


@pytest.mark.req("PC-7", "B-79")
async def test_many_slow_answers_delay_nobody_beyond_their_time() -> None:
    async def slow(asked: dict[str, Any]) -> Any:
        if asked["macAddress"] != DEVICE:
            await trio.sleep_forever()
        return ok({})

    found: list[Terms] = []
    async with local_console() as console:
        console.answers[AGENT_MODELS] = slow
        async with office(with_console(console.url, timeout_s=0.5)) as house:

            async def ask(device: str) -> None:
                found.append(await house.devices.terms(device, "c"))

            rounds = 20  # whoever waits for a call waits within the time that he has
            with trio.fail_after(rounds * 0.5):
                async with trio.open_nursery() as nursery:
                    for number in range(2 * rounds * MOST_CALLS):
                        nursery.start_soon(ask, f"slow-{number}")
            await ask(DEVICE)
    assert found == [*[Terms(unknown=True)] * 2 * rounds * MOST_CALLS, Terms()]


@pytest.mark.req("PC-6")
async def test_the_last_good_answer_holds_for_a_while() -> None:
    async with local_console() as console, office(with_console(console.url, keep_s=0.5)) as house:
        console.answers[AGENT_MODELS] = ok({"prompt": "mine"})
        assert (await house.devices.terms(DEVICE, "c")).prompt == "mine"
        console.answers[AGENT_MODELS] = b"rubbish"
        assert (await house.devices.terms(DEVICE, "c")).prompt == "mine"
        await trio.sleep(0.6)
        assert await house.devices.terms(DEVICE, "c") == Terms(unknown=True)


@pytest.mark.req("CH-31")
async def test_what_was_spoken_is_counted_against_the_limit_of_the_day() -> None:
    async with local_console() as console:
        console.answers[AGENT_MODELS] = ok({"device_max_output_size": 10})
        async with office(with_console(console.url)) as house:
            assert await house.devices.spoke(DEVICE, 100)
            await house.devices.terms(DEVICE, "c")
            assert [await house.devices.spoke(DEVICE, 4) for _ in range(3)] == [True, True, False]
            assert not await house.devices.spoke(DEVICE, 0)


@pytest.mark.req("B-87")
async def test_minutes_of_a_device_are_written_by_its_own_model() -> None:
    async with local_console() as console:
        console.answers[AGENT_MODELS] = ok(FULL)
        settings, clock = with_console(console.url), FrozenClock()
        llms = live_llms(settings, workshop({}, clock), Ledger(Metrics()), clock)
        async with office(settings, llms) as house:
            await house.devices.terms(DEVICE, "c")
            mine = await llms.of(Purpose.MEETING, device=DEVICE).ready()
            assert mine.name == "private"
            assert (await llms.of(Purpose.MEETING, device="another").ready()).name != mine.name
            console.answers[AGENT_MODELS] = ok({})
            await house.devices.terms(DEVICE, "c")
            assert (await llms.of(Purpose.MEETING, device=DEVICE).ready()).name != mine.name
