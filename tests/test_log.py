"""Logging: shape, redaction, and that it never waits."""

from __future__ import annotations

import io
import json
import logging
import os
import threading  # noqa: TID251 - somebody has to read the pipe
from pathlib import Path

import pytest
import structlog
from attrs import frozen

from badge import log as logs
from badge.boundary import boundary
from badge.log import describe, get_log, logging_to, mask, mask_addresses, mask_target, shorten
from protocol.inbound import Coding, Features, Hello, Listen, Peer, ServerCommand
from providers.ports import ProviderError

SOURCES = ("badge", "protocol", "providers")
ROOT = Path(__file__).parents[1]


def lines(form: str, *, level: str = "info", limit: int = 2000, speak) -> list[str]:  # type: ignore[no-untyped-def]
    stream = io.StringIO()
    with logging_to(stream, form=form, level=level, max_message_length=limit):  # type: ignore[arg-type]
        speak(get_log("badge.test"))
    return stream.getvalue().splitlines()


@pytest.mark.req("LG-1")
def test_long_texts_keep_head_and_tail() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("a" * 50 + "b" * 50, 20) == "a" * 10 + "..." + "b" * 10
    (line,) = lines(
        "json", limit=100, speak=lambda log: log.info("收到{kind}消息：{message}", kind="peer", message="x" * 5000)
    )
    assert len(line) < 600
    assert json.loads(line)["event"].startswith("收到peer消息：xxx")


def test_json_and_console_forms() -> None:
    (line,) = lines("json", speak=lambda log: log.warning("注册设备路由: {device}", device="d"))
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["device"], entry["logger"]) == (
        "注册设备路由: d",
        "warning",
        "d",
        "badge.test",
    )
    assert entry["timestamp"].endswith("Z")
    (line,) = lines("console", speak=lambda log: log.info("注册设备路由: {device}", device="d"))
    assert "注册设备路由: d" in line


def test_level_and_bound_context() -> None:
    def speak(log) -> None:  # type: ignore[no-untyped-def]
        log.debug("quiet")
        with structlog.contextvars.bound_contextvars(session="s-1"):
            log.info("loud")

    (line,) = lines("json", speak=speak)
    assert json.loads(line)["session"] == "s-1"


def test_a_template_with_a_missing_field_is_still_a_line() -> None:
    (line,) = lines("json", speak=lambda log: log.info("收到{kind}消息：{message}", kind="x"))
    assert json.loads(line)["event"] == "收到x消息：{message}"


@pytest.mark.req("LG-2", "LG-6", "RT-14")
def test_redaction_is_declared_on_the_fields() -> None:
    assert describe(Listen(state="detect", text="my words")) == '{"state": "detect", "text_size": 8}'
    assert (
        describe(ServerCommand(action="restart", content={"secret": "x"})) == '{"action": "restart", "content": "***"}'
    )
    assert describe(Coding(phase="phase", name="my words")) == '{"phase": "phase", "name_size": 8}'
    assert describe(Peer(to=["a"], payload={"t": 1})) == '{"to": ["a"], "payload_size": 1}'
    assert "mcp" in describe(Hello(features=Features(mcp=True)))
    assert "my words" not in repr(Listen(state="detect", text="my words"))


@pytest.mark.req("LG-2")
def test_masking_of_unknown_values() -> None:
    value = {"token": "x", "deep": [{"API-Key": "y", "ok": 1}], "Authorization": "z"}
    assert mask(value) == {"token": "***", "deep": [{"API-Key": "***", "ok": 1}], "Authorization": "***"}
    nested: list[object] = []
    for _ in range(1000):
        nested = [nested]
    assert "..." in str(mask(nested))


@pytest.mark.req("LG-6")
def test_credentials_in_a_request_target_are_masked() -> None:
    target = "/v1/?device-id=d&authorization=Bearer%20s3cret&token=t&x=1"
    assert mask_target(target) == "/v1/?device-id=d&authorization=***&token=***&x=1"


@pytest.mark.req("LG-6")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pass@host/path", "https://***@host/path"),
        ("https://host/path?appid=KEY&q={place}#x", "https://host/path?appid=***&q={place}#x"),
        ("https://host/?key=KEY&empty=&q={a}{b}", "https://host/?key=***&empty=&q={a}{b}"),
        ("see https://u@host/ and wait?a=b", "see https://***@host/ and wait?a=***"),
        ("what is 1 + 1? x=2", "what is 1 + 1? x=2"),
    ],
)
def test_credentials_in_configured_addresses_are_masked(text: str, shown: str) -> None:
    assert mask_addresses(text) == shown


@pytest.mark.req("LG-6")
def test_error_messages_that_may_quote_a_user_are_left_out() -> None:
    words = "".join(["my ", "sec", "ret"])

    def speak(log) -> None:  # type: ignore[no-untyped-def]
        with boundary("turn", log):
            raise ValueError(words)
        with boundary("turn", log):
            raise ExceptionGroup("g", [ProviderError("openai", "refused (401)."), KeyError(words)])

    first, second = lines("json", speak=speak)
    assert "secret" not in first + second
    assert "ValueError" in json.loads(first)["exception"]
    assert "test_log.py" in json.loads(first)["exception"]
    assert "openai: refused (401)." in json.loads(second)["exception"]
    assert json.loads(second)["error"] == "KeyError, ProviderError"


@pytest.mark.req("LG-5")
def test_a_log_stream_that_is_never_read_does_not_stop_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full pipe blocks the writer thread only; lines beyond the queue are dropped and counted."""
    monkeypatch.setattr(logs, "QUEUE_LINES", 50)
    reader, writer = os.pipe()

    def drain() -> None:
        while os.read(reader, 65536):
            pass

    relief = threading.Timer(1.0, drain)
    with os.fdopen(writer, "w") as stream, logging_to(stream, form="json", level="info", max_message_length=2000):
        for _ in range(2000):
            get_log("x").info("line", text="x" * 500)
        relief.start()
    relief.join(timeout=5)
    os.close(reader)
    assert "log lines were dropped" in capsys.readouterr().err


@pytest.mark.req("LG-5")
def test_logging_never_raises_into_the_caller() -> None:
    @frozen
    class Unprintable:
        def __repr__(self) -> str:
            return "unprintable"

    got = lines("json", speak=lambda log: log.info("odd {x}", x=Unprintable(), y={1: {2}}, z="\ud800"))
    assert len(got) == 1


def test_logging_is_put_back() -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    lines("json", speak=lambda log: log.info("x"))
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before


@pytest.mark.req("LG-3")
def test_only_one_broad_except_in_the_project() -> None:
    """Everything else catches what it expects: an error that nobody expected reaches the boundary and its log."""
    broad = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "except* Exception" in line or "except*Exception" in line
    ]
    assert [place.split(":")[0] for place in broad] == ["badge/boundary.py"]
