"""Presence: who is here, and who takes whose place."""

from __future__ import annotations

import pytest
import structlog
import trio
import trio.testing

from badge import texts
from badge.dialogue import Dialogue
from badge.link import Goodbye, Mailbox, Outbox
from badge.peers.presence import HouseFullError, Presence


def mailbox() -> Mailbox:
    return Mailbox(Outbox(lambda: None), lambda _: None)


@pytest.mark.req("RG-1", "RG-13")
async def test_queries() -> None:
    presence = Presence(10)
    a, b = mailbox(), mailbox()
    presence.enter("a", a, Dialogue(1))
    presence.enter("b", b, Dialogue(1))
    assert presence.find("a") is a
    assert presence.find("x") is None
    assert presence.is_online("b")
    assert not presence.is_online("x")
    assert presence.online() == ["a", "b"]
    assert len(presence) == 2
    assert presence.others("a") == {"b": b}
    assert presence.everyone() == [a, b]


@pytest.mark.req("RG-2", "RG-7", "RG-8", "RG-9", "B-16")
async def test_the_newest_connection_is_the_resident_and_keeps_the_dialogue() -> None:
    presence = Presence(10)
    dialogue = Dialogue(5)
    dialogue.begin("hello")
    first, second = mailbox(), mailbox()
    old, replaced = presence.enter("a", first, dialogue)
    assert replaced is None
    new, replaced = presence.enter("a", second, Dialogue(5))
    assert replaced is first
    assert presence.find("a") is second
    dialogue.begin("said to the connection that is about to close")
    assert [exchange.user for exchange in new.dialogue] == ["hello"]
    version = presence.version
    with structlog.testing.capture_logs() as logs:
        assert not presence.leave("a", old)
    assert (presence.version, presence.find("a"), logs) == (version, second, [])
    assert len(new.dialogue) == 1
    assert presence.leave("a", new)
    assert len(new.dialogue) == 0
    assert presence.online() == []
    assert not presence.leave("a", new)


@pytest.mark.req("RG-4", "RG-10")
async def test_log_lines_and_news() -> None:
    presence = Presence(10)
    with structlog.testing.capture_logs() as logs:
        presence.enter("a", mailbox(), Dialogue(1))
        resident, _ = presence.enter("a", mailbox(), Dialogue(1))
        presence.leave("a", resident)
    assert [(line["log_level"], line["event"].format(**line)) for line in logs] == [
        ("info", "注册设备路由: a"),
        ("warning", "检测到重复连接，启用双通道过渡(≤2s)并接受新连接: device=a"),
        ("info", "注册设备路由: a"),
        ("info", "注销设备路由: a"),
    ]
    assert texts.LOG_TAKEOVER in [line["event"] for line in logs]
    assert presence.version == 3


@pytest.mark.req("RG-12")
async def test_a_full_house_takes_no_new_device_but_always_a_takeover() -> None:
    presence = Presence(1)
    presence.enter("a", mailbox(), Dialogue(1))
    with pytest.raises(HouseFullError, match=r"limits\.connections"):
        presence.enter("b", mailbox(), Dialogue(1))
    presence.enter("a", mailbox(), Dialogue(1))
    assert presence.online() == ["a"]


async def test_waiting_for_news(autojump_clock: trio.testing.MockClock) -> None:
    presence = Presence(10)
    seen = []

    async def watch() -> None:
        version = presence.version
        while len(seen) < 2:
            version = await presence.changed(version)
            seen.append(version)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.sleep(1)
        resident, _ = presence.enter("a", mailbox(), Dialogue(1))
        await trio.sleep(1)
        presence.leave("a", resident)
    assert seen == [1, 2]


async def test_mailbox_passes_on() -> None:
    retired: list[Goodbye] = []
    outbox = Outbox(lambda: None)
    box = Mailbox(outbox, retired.append)
    assert box.post("hello")
    box.retire(Goodbye.SUPERSEDED)
    outbox.finish()
    assert not box.post("late")
    assert retired == [Goodbye.SUPERSEDED]
    assert await outbox.take() == "hello"
