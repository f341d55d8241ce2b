"""Things at home: what may be commanded, by whom, and what is written down of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.config.tools import HomeSettings
from badge.tools import web
from badge.tools.audit import AuditLog, Entry
from badge.tools.whitelist import Whitelist, is_dangerous
from tests.providers.openai_server import OpenAiServer, openai_server
from tests.tools.counter import DEVICE, Counter, logged, opened
from tests.tools.test_web import gives, never, reset


@asynccontextmanager
async def home(
    folder: Path, *, devices: list[str] | None = None, **more: Any
) -> AsyncIterator[tuple[Counter, OpenAiServer]]:
    """An office and a Home Assistant on a real socket, which takes every command."""
    async with openai_server() as server:
        server.plan(gives([]))
        settings = HomeSettings(
            url=server.base_url,
            token="t0ken",
            devices=["AA:BB:CC:00:00:01"] if devices is None else devices,
            audit_file=str(folder / "audit.jsonl"),
            **more,
        )
        async with opened(home=settings) as counter:
            yield counter, server


def audited(folder: Path) -> list[dict[str, Any]]:
    path = folder / "audit.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


COMMANDS = [
    ("light_control", "light.kitchen", "on", None, "light/turn_on", {}),
    ("light_control", "light.kitchen", "off", None, "light/turn_off", {}),
    ("light_control", "light.kitchen", "brightness", 40, "light/turn_on", {"brightness_pct": 40}),
    ("temperature", "climate.bath", "set_temperature", 21.5, "climate/set_temperature", {"temperature": 21.5}),
    ("music", "media_player.hall", "play", None, "media_player/media_play", {}),
    ("music", "media_player.hall", "pause", None, "media_player/media_pause", {}),
    ("music", "media_player.hall", "volume", 35, "media_player/volume_set", {"volume_level": 0.35}),
]


@pytest.mark.parametrize(("kind", "entity", "command", "value", "service", "fields"), COMMANDS)
@pytest.mark.req("IO-3", "IO-5", "PL-3", "SC-8")
async def test_what_the_whitelist_allows_is_done_and_written_down(
    tmp_path: Path, kind: str, entity: str, command: str, value: float | None, service: str, fields: dict[str, Any]
) -> None:
    async with home(tmp_path) as (counter, server):
        told = await counter.text("control_home", kind=kind, entity=entity, command=command, value=value)
        assert told == "Done."
        (exchange,) = server.exchanges
        assert exchange.path == f"/v1/api/services/{service}"
        assert exchange.body == {"entity_id": entity, **fields}
        assert exchange.headers["authorization"] == "Bearer t0ken"
        (entry,) = audited(tmp_path)
        assert entry.pop("time").startswith("2026-11-21T09:30:0")
        assert entry == {
            "device": DEVICE,
            "command": service.replace("/", "."),
            "arguments": {"entity_id": entity, **fields},
            "result": "done",
        }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"kind": "unknown_device", "command": "on"}, "kind: must be one of light_control, temperature, music, not "),
        ({"command": "explode"}, "command: for light_control must be one of on, off, brightness, not 'explode'."),
        ({"command": "play"}, "command: for light_control must be one of"),
        ({"entity": "lock.front_door"}, "entity: must begin with 'light.', not 'lock.front_door'."),
        ({"entity": "light.a/../../config"}, "entity: must begin with 'light.'"),
        ({"entity": "all"}, "entity: must begin with 'light.'"),
        ({"command": "brightness"}, "value: must be a number from 0 to 100, not None."),
        ({"command": "brightness", "value": 101}, "value: must be a number from 0 to 100, not 101.0."),
        (
            {"kind": "temperature", "entity": "climate.a", "command": "set_temperature", "value": 90},
            "value: must be a number from 5 to 35",
        ),
        ({"command": "brightness", "value": "much"}, "value: must be a number, not 'much'."),
    ],
)
@pytest.mark.req("IO-3", "B-112", "SC-8")
async def test_the_whitelist_decides(tmp_path: Path, arguments: dict[str, Any], told: str) -> None:
    async with home(tmp_path) as (counter, server):
        given = {"kind": "light_control", "entity": "light.a", "command": "on", **arguments}
        assert (await counter.text("control_home", **given)).startswith(told)
        assert not server.exchanges
        assert not audited(tmp_path)


@pytest.mark.req("IO-3", "B-112")
async def test_the_whitelist_is_a_setting(tmp_path: Path) -> None:
    allowed = {"light_control": ["off"], "cover": ["open_cover"], "music": ["sing"]}
    async with home(tmp_path, allowed=allowed) as (counter, server):
        light = {"kind": "light_control", "entity": "light.a"}
        assert "must be one of off" in await counter.text("control_home", **light, command="on")
        assert await counter.text("control_home", **light, command="off") == "Done."
        cover = {"kind": "cover", "entity": "cover.garage"}
        assert await counter.text("control_home", **cover, command="open_cover") == "Done."
        assert "must be one of open_cover" in await counter.text("control_home", **cover, command="close_cover")
        song = await counter.text("control_home", kind="music", entity="media_player.a", command="sing")
        assert song == "command: nothing is known of sing for music."
        paths = [exchange.path for exchange in server.exchanges]
        assert paths == ["/v1/api/services/light/turn_off", "/v1/api/services/cover/open_cover"]


@pytest.mark.parametrize("word", ["rm -rf /", "rm \t -RF", "sudo on", "ADMIN"])
@pytest.mark.parametrize("place", ["kind", "entity", "command"])
@pytest.mark.req("IO-4", "SC-8")
async def test_dangerous_words_are_refused_and_logged(tmp_path: Path, word: str, place: str) -> None:
    async with home(tmp_path, allowed={"light_control": ["on"], word: [word]}) as (counter, server):
        given = {"kind": "light_control", "entity": "light.a", "command": "on", place: word}
        with logged() as lines:
            assert await counter.text("control_home", **given) == "This command is refused."
        assert not server.exchanges
        (line,) = lines
        assert line["event"].format(**line) == (
            f"设备 {DEVICE} 尝试执行危险指令: {given['kind']} {given['entity']} {given['command']}"
        )


@pytest.mark.req("IO-4")
def test_what_is_dangerous() -> None:
    assert all(is_dangerous([text]) for text in ("rm -rf", "RM   -rf x", "sudo", "xADMINx"))
    assert not any(is_dangerous([text]) for text in ("rm", "on", "farm-rf", "pseud"))


@pytest.mark.parametrize(
    ("devices", "may"), [([], False), (["other"], False), (["*"], True), (["aa:bb:cc:00:00:01"], True)]
)
@pytest.mark.req("IO-6", "SC-8")
async def test_only_badges_with_permission_have_the_tools(tmp_path: Path, devices: list[str], may: bool) -> None:
    async with home(tmp_path, devices=devices) as (counter, server):
        assert ({"control_home", "read_home"} <= set(await counter.names())) is may
        for name, arguments in (
            ("control_home", {"kind": "light_control", "entity": "light.a", "command": "on"}),
            ("read_home", {"entity": "light.a"}),
        ):
            result = await counter.call(name, **arguments)
            assert (result.kind == "answer") is may
            assert (result.kind == "unknown") is not may
        assert bool(server.exchanges) is may


@pytest.mark.req("IO-5")
async def test_a_command_that_may_have_been_done_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "PATIENCE", 0.3)
    light = {"kind": "light_control", "entity": "light.a", "command": "on"}
    async with home(tmp_path) as (counter, server):
        for reply, reason in (
            (gives("no", 401), "it answered with status 401"),
            (never, "it did not answer within 0.3 s"),
            (reset, "it cannot be reached (ReadError)"),
        ):
            server.plan(reply)
            told = await counter.text("control_home", **light)
            assert told == f"Home Assistant is unavailable right now: failed: {reason}."
            assert audited(tmp_path)[-1]["result"] == f"failed: {reason}"
        monkeypatch.setattr(web, "PATIENCE", 60)
        server.plan(never)
        with trio.move_on_after(0.2):
            await counter.call("control_home", **light)
    last = audited(tmp_path)[-1]  # the server stopped in the middle of it
    assert (len(audited(tmp_path)), last["result"]) == (4, "cut off: nobody knows whether it was done")
    assert "t0ken" not in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.req("IO-5")
async def test_the_same_command_again_is_not_executed_again(tmp_path: Path) -> None:
    light = {"kind": "light_control", "entity": "light.a", "command": "on"}
    async with home(tmp_path) as (counter, server):
        for _ in range(3):
            assert (await counter.office.call(DEVICE, "k", "control_home", light)).text == "Done."
        assert len(server.exchanges) == len(audited(tmp_path)) == 1


def entry(number: int) -> Entry:
    return Entry(time="t", device="d", command="c", arguments={"n": number, "text": "x" * 200}, result="done")


@pytest.mark.req("IO-5")
async def test_the_audit_log_is_bounded_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(HomeSettings(audit_file=str(file), audit_mb=0.01, audit_files=2))
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(log.write, entry(number))
    files = [tmp_path / "audit.jsonl.2", tmp_path / "audit.jsonl.1", file]
    assert sorted(tmp_path.iterdir()) == sorted(files)  # noqa: ASYNC240
    assert all(path.stat().st_size <= 0.01 * (1 << 20) for path in files)
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(lines) > 60
    assert len({line["arguments"]["n"] for line in lines}) == len(lines)


@pytest.mark.req("IO-5")
async def test_a_command_that_cannot_be_written_down_is_told_in_the_log(tmp_path: Path) -> None:
    log = AuditLog(HomeSettings(audit_file=str(tmp_path)))  # a folder
    with logged() as lines:
        await log.write(entry(5))
    assert [line["event"] for line in lines] == ["an executed command is not in the audit log"]
    assert json.loads(lines[0]["entry"])["arguments"]["n"] == 5


async def test_the_state_of_a_thing_is_read(tmp_path: Path) -> None:
    async with home(tmp_path) as (counter, server):
        state = {"state": "21.5", "attributes": {"unit": "°C"}, "context": {"id": 1}}
        server.plan(gives(state))
        told = await counter.text("read_home", entity="sensor.bath")
        assert json.loads(told) == {"state": "21.5", "attributes": {"unit": "°C"}}
        assert server.exchanges[-1].path == "/v1/api/states/sensor.bath"
        for entity in ("lock.door", "sensor", "sensor.a/../../config", "sensor.ä", ""):
            assert (await counter.text("read_home", entity=entity)).startswith("entity: must be one of ")
        assert len(server.exchanges) == 1
        for odd in ("rubbish", [], gives("no", 404)):
            server.plan(odd if callable(odd) else gives(odd))
            assert "Home Assistant is unavailable right now" in await counter.text("read_home", entity="sensor.bath")
        server.plan(gives({"state": "x" * 900_000}))
        assert len(await counter.text("read_home", entity="sensor.bath")) == 2000


@pytest.mark.req("IO-3", "B-112")
def test_an_empty_whitelist_allows_nothing() -> None:
    assert Whitelist({}).refusal("light_control", "on")
    assert Whitelist({"light_control": []}).refusal("light_control", "on")
    assert not Whitelist({"light_control": ["on"]}).refusal("light_control", "on")
