"""`say` and the team: modes, messages and what others send, by real sockets to a real server with scripted providers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from badge.app import Running
from badge.client.device import Introduction, connect
from badge.client.shown import shown
from badge.client.talk import Manner
from badge.commands.say import Order, say
from badge.config.settings import Settings
from providers.audiofile import write_wav
from providers.ports import EAR_RATE
from providers.scripted import ScriptedAsr, ScriptedLlm
from tests.e2e.running import scripted_server
from tests.house import changed

_LEFT_OUT = ("connected", "latency", "stages", " ", "you ...", "tasks     none")


@asynccontextmanager
async def office(*, said: list[str] | None = None, **tables: Any) -> AsyncIterator[Running]:
    """A server with its back office; `said` is what it understands."""
    settings = changed(meeting={"push_interval_ms": 100}, store={"use": "memory"}, **tables)
    providers = {} if said is None else {"asr": ScriptedAsr(said)}
    async with scripted_server(settings=settings, team=True, llm=ScriptedLlm(["All right."]), **providers) as (one, _):
        yield one


async def carried_out(server: Running, *, device: str = "badge-1", **order: Any) -> tuple[int, list[str]]:
    """The exit status and what was written, without figures, partial words and empty lists."""
    lines: list[str] = []
    order = {"manner": Manner(patience=5), **order}
    made = Order(url=f"ws://127.0.0.1:{server.port}/", me=Introduction(device=device, client="c"), **order)
    with trio.fail_after(60):
        status = await say(made, Settings(), {}, lines.append)
    return status, [line for line in lines if not line.startswith(_LEFT_OUT)]


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A recording; what is heard in it is up to the script."""
    path = tmp_path / "voice.wav"
    write_wav(path, b"\x10\x10" * (EAR_RATE // 5), EAR_RATE)
    return path


async def test_several_recordings_and_texts_are_answered_in_one_session(voice: Path) -> None:
    async with office(said=["one", "two"]) as server:
        status, lines = await carried_out(server, files=[voice, voice], texts=["three"])
    assert status == 0
    assert [line for line in lines if line.startswith(("you", "badge"))] == [
        "you       one",
        "badge     All right.",
        "you       two",
        "badge     All right.",
        "you       three",
        "badge     All right.",
    ]


async def test_a_meeting_ends_with_its_minutes(voice: Path) -> None:
    async with office(said=["we ship on Friday", "Otto writes the text"]) as server:
        status, lines = await carried_out(server, enter="meeting", files=[voice, voice])
    assert status == 0
    assert lines[0] == "mode      meeting: on"
    said = [line for line in lines if re.fullmatch(r"meeting   \d\d:\d\d:\d\d  .+", line)]
    assert {line.partition(":")[2][7:] for line in said} <= {"we ship on Friday", "Otto writes the text"}
    assert "meeting   over; the minutes are being written" in lines
    assert "mode      meeting: off" in lines
    assert any(line.startswith("minutes   ") for line in lines)
    assert "## Summary" in lines
    assert any("Friday" in line for line in lines if line.startswith("- "))


async def test_a_command_while_working_is_answered_without_speech(voice: Path) -> None:
    create = '{"type":"workflow","event":"create","tasks":[{"title":"Water the plants"}]}'
    async with office(said=["claim task"]) as server:
        assert await carried_out(server, messages=[create]) == (
            0,
            ["tasks     create: Water the plants - created"],
        )
        status, lines = await carried_out(server, enter="working", files=[voice], texts=["complete task"])
    assert status == 0
    assert "tasks     assign: Water the plants - assigned by badge-1" in lines
    assert "tasks     complete: Water the plants - completed" in lines
    assert not any(line.startswith("badge") for line in lines)


async def test_messages_go_from_badge_to_badge_and_are_read_out() -> None:
    """The sender stays for the receipts, the receiver for the voice."""
    told: dict[str, list[str]] = {}
    letter = '{"type":"peer","to":["badge-2"],"payload":{"text":"Lunch?"}}'

    async with office() as server, trio.open_nursery() as nursery:

        async def send() -> None:
            _, told["sender"] = await carried_out(server, messages=[letter], stay=3)

        nursery.start_soon(send)
        await trio.sleep(1)
        status, told["receiver"] = await carried_out(server, device="badge-2", stay=1.5)
    assert status == 0
    assert "peer      to badge-2: queued" in told["sender"]
    assert "peer      to badge-2: delivered" in told["sender"]
    assert "peer      from badge-1: Lunch?" in told["receiver"]
    assert any(line.startswith("badge ") and "Lunch?" in line for line in told["receiver"])


async def test_what_is_refused_fails(voice: Path) -> None:
    async with office() as server:
        for message, why in (
            ('{"type":"peer","to":[],"payload":{}}', "error     `to` must name a device"),
            ('{"type":"workflow","event":"juggle"}', "error     workflow: event: must be one of"),
            ('{"type":"coding","phase":"log","line":"x"}', "error     no coding stream is running"),
            ('{"type":"mode","state":"end","mode":"meeting"}', "error     "),
        ):
            status, lines = await carried_out(server, messages=[message])
            assert status == 1
            assert any(line.startswith(why) for line in lines), lines
            assert lines[-1] == "the server refused"


async def test_a_coding_session_and_its_insight() -> None:
    messages = (
        '{"type":"coding","phase":"start"}',
        '{"type":"coding","phase":"log","line":"error: no such file"}',
        '{"type":"coding","phase":"stop"}',
    )
    async with office(coding={"insight_interval_s": 1}) as server:
        status, lines = await carried_out(server, enter="coding", messages=messages[:2], stay=1.5)
        assert status == 0
    assert "coding    1: error: no such file" in lines
    assert "coding    insights: 1 new lines, 1 of them speak of trouble." in lines
    assert "coding    risks: error: no such file" in lines


async def test_the_end_of_the_connection_is_told_while_waiting() -> None:
    async with office() as server, trio.open_nursery() as nursery:
        nursery.start_soon(_hang_up, server)
        status, lines = await carried_out(server, stay=20)
    assert (status, lines[-1]) == (1, "the server closed the connection")


async def _hang_up(server: Running) -> None:
    await trio.sleep(1)
    server.stop()


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (
            {
                "type": "workflow",
                "event": "update",
                "revision": 3,
                "tasks": [
                    {"id": "1", "title": "Cake", "status": "done", "owner": "b"},
                    {"id": "2", "title": "Tea\x1b[2J", "status": "open", "owner": "c", "due": "2026-11-23"},
                ],
            },
            ["tasks     2 in the list", "          [x] Cake", "          [ ] Tea [2J (taken by c, due 2026-11-23)"],
        ),
        ({"type": "workflow", "event": "command", "intent": "assign", "status": "empty"}, ["tasks     assign: there is none"]),
        (
            {"type": "peer", "event": "message", "from": "b", "id": "1", "payload": {"opus": ["a", "b"], "frame_ms": 60}},
            ["peer      from b: a voice of 0.12 s"],
        ),
        ({"type": "peer", "event": "receipt", "id": "1", "to": "b", "status": "heard"}, ["peer      to b: heard"]),
        ({"type": "reminder", "event": "due", "text": "Stretch", "due": "soon"}, ["reminder  Stretch (due soon)"]),
        ({"type": "meeting", "phase": "finalize", "status": "none"}, ["meeting   there is none"]),
        ({"type": "server", "event": "stats"}, []),
        ({"type": ["x"]}, []),
    ],
)  # fmt: skip
def test_messages_as_they_are_shown(message: dict[str, Any], lines: list[str]) -> None:
    assert shown(message) == lines


async def test_a_ping_that_comes_while_leaving_spoils_nothing() -> None:
    """It cannot be answered any more."""

    async def serve(stream: trio.SocketStream) -> None:
        connection = WSConnection(ConnectionType.SERVER)
        async for data in stream:
            connection.receive_data(data)
            for event in connection.events():
                match event:
                    case Request():
                        await stream.send_all(connection.send(AcceptConnection()))
                    case TextMessage():
                        await stream.send_all(connection.send(TextMessage('{"type":"hello","session_id":"s"}')))
                    case CloseConnection():
                        await stream.send_all(b"\x89\x01!" + connection.send(event.response()))

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(partial(trio.serve_listeners, serve, [listener]))
        url = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/"
        async with connect(url, Introduction(device="d", client="c")) as badge:
            assert badge.welcome["session_id"] == "s"
        nursery.cancel_scope.cancel()


async def test_minutes_that_have_come_do_not_come_again(voice: Path) -> None:
    async with office(said=["we ship on Friday"]) as server:
        await carried_out(server, enter="meeting", files=[voice])
        assert await carried_out(server, stay=1) == (0, [])
