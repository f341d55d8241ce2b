"""What clients can do wrong about tasks, messages and meetings: it is named, with the remedy, and everything else goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
import trio

from badge.app import Running, assemble, choose
from badge.clock import Ids, SystemClock
from badge.config.settings import Settings
from badge.session.errands import WAITING
from tests.e2e.running import Client, client, local, reset, running, upgraded
from tests.house import changed

ODD = {
    "emoji": "🙂🙂🙂",
    "quotes": "'\"; DROP TABLE tasks; --",
    "percent": "%s%n{0}",
    "control characters": "a\x00b\x1b[31m\r\n",
    "half a character": "\ud800",
    "direction": "\u202eabc",
    "10 kB": "x" * 10_240,
    "empty": "",
}
NO_ID = {"control characters", "half a character", "direction", "10 kB", "empty"}
"""What the id of a task cannot be."""


@asynccontextmanager
async def team(**tables: dict[str, Any]) -> AsyncIterator[Running]:
    """The program's own server, without a voice; nothing may fail in it."""
    nothing = {
        "vad": {"use": "none"},
        "asr": {"use": "none"},
        "tts": {"use": "none"},
        "models": {"folder": "/nonexistent"},
    }
    settings: Settings = local(changed(**{**nothing, **tables}))
    clock = SystemClock()
    with structlog.testing.capture_logs() as logs:
        async with running(assemble(settings, choose(settings, {}, clock), clock, Ids())) as server:
            yield server
    assert not [line for line in logs if "exc_info" in line]


async def answer(badge: Client, kind: str, **message: Any) -> dict[str, Any]:
    """The next message of a type that answers, after which the connection still lives."""

    def answers() -> list[dict[str, Any]]:
        return [m for m in badge.of(kind) if m.get("event") not in ("update", "message", "receipt", "redelivered")]

    before = len(answers())
    await badge.tell(type=kind, **message)
    with trio.fail_after(10):
        while len(answers()) == before:
            await trio.sleep(0.005)
    await badge.alive()
    found = answers()[before]
    assert "Traceback" not in json.dumps(found)
    return found


async def raw_answer(badge: Client, kind: str, text: str) -> dict[str, Any]:
    """The same for a message that Python would not write."""
    before = len(badge.of(kind))
    await badge.socket.send_message(text)
    found = await badge.until(kind, count=before + 1)
    await badge.alive()
    return found


# --- tasks --------------------------------------------------------------------------------------------------------------


@pytest.mark.req("WF-4", "WF-5", "WF-6", "WF-8", "B-69")
async def test_tasks_that_are_unknown_foreign_or_taken_are_named() -> None:
    async with (
        team() as server,
        client(server, device_id="ourplace:1") as anna,
        client(server, device_id="ourplace:2") as bert,
        client(server, device_id="elsewhere") as stranger,
    ):
        await answer(anna, "workflow", event="create", tasks=[{"id": "t", "title": "lamps"}])
        await answer(anna, "workflow", event="assign", id="t")
        for badge, outcome in ((bert, "taken"), (stranger, "unknown")):
            for message in (
                {"event": "assign", "id": "t"},
                {"event": "complete", "ids": ["t"]},
                {"event": "update", "tasks": [{"id": "t", "title": "mine"}]},
                {"event": "update", "tasks": [{"id": "t", "owner": ""}]},
            ):
                found = await answer(badge, "workflow", **message)
                assert (found["status"], found["request"]) == ("error", message["event"])
                (result,) = found["results"]
                assert (result["id"], result["outcome"]) == ("t", outcome)
                assert result.get("owner", "") == ("ourplace:1" if badge is bert else "")
        both = await answer(bert, "workflow", event="complete", ids=["nothing", "t"])
        assert [result["outcome"] for result in both["results"]] == ["unknown", "taken"]


@pytest.mark.req("WF-6", "RT-7")
@pytest.mark.parametrize("kind", ODD)
async def test_ids_of_tasks_with_odd_characters(kind: str) -> None:
    number = ODD[kind]
    async with team() as server, client(server, device_id="ourplace:1") as anna:
        created = await result(anna, {"event": "create", "tasks": [{"id": number, "title": "lamps"}]})
        assert created["results"][0]["outcome"] == ("invalid" if kind in NO_ID else "created")
        if kind in NO_ID:
            right = "a string" if kind == "half a character" else "1 to 64 printable characters"
            assert f"id: must be {right}" in created["results"][0]["message"]
            assert len(json.dumps(created)) < 1000
            for message in ({"event": "assign", "id": number}, {"event": "complete", "ids": [number]}):
                if kind == "half a character":
                    assert "must be a" in (await bad_message(anna, {"type": "workflow", **message}))["message"]
                else:
                    assert (await result(anna, message))["results"][0]["outcome"] == "invalid"
        else:
            assert (await answer(anna, "workflow", event="assign", id=number))["status"] == "ok"
            assert (await answer(anna, "workflow", event="complete", ids=[number]))["results"][0]["id"] == number


async def result(badge: Client, message: dict[str, Any]) -> dict[str, Any]:
    """What became of a request."""
    before = len([m for m in badge.of("workflow") if m["event"] == "result"])
    await badge.socket.send_message(json.dumps({"type": "workflow", **message}))
    with trio.fail_after(10):
        while len(found := [m for m in badge.of("workflow") if m["event"] == "result"]) == before:
            await trio.sleep(0.005)
    await badge.alive()
    return found[before]


@pytest.mark.req("WF-6", "RT-7", "RT-12")
async def test_lists_that_are_much_too_long() -> None:
    async with team() as server, client(server, device_id="a") as anna, client(server, device_id="b") as bert:
        ids = [str(number) for number in range(10_000)]
        for message in (
            {"event": "complete", "ids": ids},
            {"event": "create", "tasks": [{"title": "x"} for _ in ids]},
            {"event": "update", "tasks": [{"id": number, "title": "x"} for number in ids]},
        ):
            found = await answer(anna, "workflow", **message)
            assert found["status"] == "error"
            assert (
                found["message"]
                == f"{len(message.get('ids') or message['tasks'])} tasks in one message: at most 100 are taken"
            )
            await bert.alive()
        for kind, entries in (("workflow", {"tasks": [{}] * 200_000}), ("workflow", {"ids": [None] * 10_000})):
            begun = trio.current_time()
            found = await bad_message(anna, {"type": kind, "event": "create", **entries})
            assert found["ref"]["type"] == kind
            assert ("must have at most 10000 entries, not 200000" if "tasks" in entries else "ids[0]") in found[
                "message"
            ]
            await bert.alive()
            assert trio.current_time() - begun < 2
        found = await answer(anna, "peer", to=ids, payload={})
        assert (found["status"], found["code"]) == ("error", "too-many-targets")
        assert "at most 100 devices, not 10000; use * or @group" in found["message"]
        found = await answer(anna, "workflow", event="create", tasks=[])
        assert found["message"] == "there is no task in the message"


@pytest.mark.req("WF-6", "RT-7")
async def test_messages_of_almost_a_mebibyte() -> None:
    huge = "x" * 1_000_000
    async with team() as server, client(server, device_id="a") as anna:
        created = await answer(anna, "workflow", event="create", tasks=[{"id": "1", "title": huge}])
        assert "title: must be 1 to 500 characters" in created["results"][0]["message"]
        sent = await answer(anna, "peer", to=["b"], payload={"text": huge})
        assert sent["code"] == "too-large"
        assert "at most 262144 bytes (peer.payload_bytes), not 1000011" in sent["message"]
        assert (await answer(anna, "peer", to=[huge], payload={}))["code"] == "bad-target"
        assert (await answer(anna, "peer", to=["b"], id=huge, payload={}))["code"] == "bad-id"
        refused = await raw_answer(
            anna, "meeting", json.dumps({"type": "meeting", "phase": "tasks", "meetingId": huge})
        )
        assert refused["status"] == "error"
        assert "no such meeting; leave it out for the latest one" in refused["message"]
        assert all(len(data) < 1_010_000 for _, data in anna.got)


@pytest.mark.req("PE-2", "PE-4", "PE-6", "RT-7")
@pytest.mark.parametrize("kind", ODD)
async def test_messages_with_odd_ids_for_odd_devices(kind: str) -> None:
    odd = ODD[kind]
    async with team() as server, client(server, device_id="a") as anna:
        named = await raw_peer(anna, {"to": ["b"], "id": odd, "payload": {}})
        if kind == "half a character":
            assert named["message"] == "invalid to/payload"
        elif kind in NO_ID - {"empty"}:
            assert named["code"] == "bad-id"
            assert "1 to 128 printable characters; leave it out to get one" in named["message"]
        else:
            assert named["status"] == "ok"
        sent = await raw_peer(anna, {"to": [odd], "id": "1", "payload": {}})
        if kind == "half a character":
            assert sent["message"] == "invalid to/payload"
        elif kind in NO_ID:
            assert sent["code"] in ("bad-target", "no-target"), sent
            assert "device" in sent["message"]
        else:
            assert sent["to"] in ({odd.lower(): "queued"}, {odd.strip("'\"").lower(): "queued"}), sent


async def raw_peer(badge: Client, message: dict[str, Any]) -> dict[str, Any]:
    """What became of a message."""
    return await raw_answer(badge, "peer", json.dumps({"type": "peer", **message}))


@pytest.mark.req("RT-7", "RT-12")
async def test_more_requests_than_wait_are_told_to_come_later() -> None:
    async with team() as server, client(server, device_id="a") as anna:
        for number in range(300):
            await anna.tell(type="peer", to=["b"], id=str(number), payload={})
        with trio.fail_after(20):
            while len(taken := [m for m in anna.of("peer") if "event" not in m]) + len(anna.of("error")) < 300:
                await trio.sleep(0.01)
        await anna.alive()
        assert {m["status"] for m in taken} == {"ok"}
        assert len(taken) >= WAITING
        for refusal in anna.of("error"):
            assert refusal["code"] == "busy"
            assert refusal["message"] == f"{WAITING} requests wait already; ask again later"
            assert refusal["ref"] == {"type": "peer"}


# --- receivers ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("B-26", "I-12", "PE-12", "PE-11", "RT-12")
async def test_a_receiver_that_never_reads_delays_nobody() -> None:
    async with (
        team(timeouts={"stall_s": 2.0}) as server,
        client(server, device_id="a") as anna,
        client(server, device_id="b") as bert,
    ):
        stalled = await upgraded(server.port, b"Device-Id: stalled")
        text = "x" * 200_000
        for number in range(60):  # more than the sockets of both sides hold
            begun = trio.current_time()
            sent = await raw_peer_to(anna, ["stalled", "b"], str(number), text)
            assert sent["status"] == "ok"
            assert sent["to"]["stalled"] in ("sent", "queued")
            await anna.alive()
            await bert.alive()
            assert trio.current_time() - begun < 2
        with trio.fail_after(10):
            while len([m for m in bert.of("peer") if m.get("event") == "message"]) < 60:
                await trio.sleep(0.02)
        assert [m["id"] for m in bert.of("peer") if m.get("event") == "message"] == [str(n) for n in range(60)]
        with trio.fail_after(10):  # it is given up
            while "stalled" in anna.of("server")[-1]["online"]:
                await trio.sleep(0.05)
        await reset(stalled)
        async with client(server, device_id="stalled") as back:  # and gets its letters when it reads
            with trio.fail_after(20):
                while len(back.of("peer")) < 60:
                    await trio.sleep(0.02)
            assert [m["id"] for m in back.of("peer")] == [str(n) for n in range(60)]


async def raw_peer_to(badge: Client, to: list[str], number: str, text: str) -> dict[str, Any]:
    """What became of one letter among all that is told of others."""
    await badge.tell(type="peer", to=to, id=number, category="event", payload={"text": text})
    with trio.fail_after(10):
        while not (found := [m for m in badge.of("peer") if m.get("id") == number and "event" not in m]):
            await trio.sleep(0.002)
    return found[0]


@pytest.mark.req("PE-8", "PE-9")
async def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    async with team(peer={"queue": 5}) as server, client(server, device_id="a") as anna:
        with structlog.testing.capture_logs() as logs:
            for number in range(8):
                assert (await raw_peer_to(anna, ["b"], str(number), "x"))["to"] == {"b": "queued"}
            with trio.fail_after(5):
                while len(dropped := [m for m in anna.of("peer") if m.get("event") == "receipt"]) < 3:
                    await trio.sleep(0.01)
            assert [(m["id"], m["to"], m["status"]) for m in dropped] == [(str(n), "b", "dropped") for n in range(3)]
            async with client(server, device_id="b") as bert:
                await bert.until("peer", count=5)
                assert [m["id"] for m in bert.of("peer")] == ["3", "4", "5", "6", "7"]
                await bert.alive()
                with trio.fail_after(10):
                    while not (told := [m for m in anna.of("peer") if m.get("event") == "redelivered"]):
                        await trio.sleep(0.01)
                assert told == [{"type": "peer", "event": "redelivered", "to": "b", "count": 5}]
        assert any(line.get("sent") == 5 and line.get("dropped") == 3 for line in logs)


# --- meetings -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("MT-17", "MT-20", "RT-7")
async def test_wishes_about_meetings_that_cannot_be_fulfilled() -> None:
    async with team() as server, client(server, device_id="a") as anna, client(server, device_id="b") as bert:
        assert (await answer(anna, "meeting", phase="finalize"))["status"] == "none"
        assert (await answer(anna, "meeting", phase="tasks"))["status"] == "error"
        await answer(anna, "mode", state="start", mode="meeting")
        await anna.tell(type="listen", state="detect", text="Anna will order lamps by Friday.")
        await anna.tell(type="listen", state="detect", text="y" * 900_000)
        await anna.tell(type="meeting", phase="finalize")
        with trio.fail_after(20):
            while not (minutes := [m for m in anna.of("meeting") if m["phase"] == "summary"]):
                await trio.sleep(0.02)
        assert minutes[0]["segments"] == 2
        for badge, message in (
            (bert, {"meetingId": minutes[0]["meetingId"]}),
            (anna, {"meetingId": "'; DROP TABLE meetings; --"}),
            (anna, {"items": [99]}),
            (anna, {"items": [-1]}),
            (anna, {"items": [10**30]}),
        ):
            found = await answer(badge, "meeting", phase="tasks", **message)
            assert found["status"] == "error", found
            assert found["message"]
        for bad in ({"phase": "begin"}, {"phase": "tasks", "items": "all"}, {"phase": 5}):
            found = await bad_message(anna, {"type": "meeting", **bad})
            assert found["code"] == "bad-message"
            assert found["ref"]["type"] == "meeting"


async def bad_message(badge: Client, message: dict[str, Any]) -> dict[str, Any]:
    """The error for a message."""
    return await raw_answer(badge, "error", json.dumps(message))
