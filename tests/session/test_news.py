"""The news about who is online: their sender fails visibly, stops with the server, and can be switched off."""

from __future__ import annotations

import pytest
import structlog
import trio
from trio.testing import MockClock

from badge import stats
from badge.dialogue import Dialogue
from badge.link import Mailbox, Outbox
from tests.e2e.running import client, scripted_server
from tests.house import House, changed


class Broken(Mailbox):
    """Something that is not as anybody thought."""

    def post(self, *_: object, **__: object) -> bool:
        raise RuntimeError("of all things")


@pytest.mark.req("ST-5")
async def test_news_that_cannot_be_told_are_logged_and_the_next_are_told(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery)
    presence = house.services.presence
    a = await house.enter("a")
    broken = Broken(Outbox(lambda: None), lambda _: None)
    resident, _ = presence.enter("broken", broken, Dialogue(1))
    with structlog.testing.capture_logs() as logs:
        nursery.start_soon(stats.broadcast_stats, house.settings.stats, presence, house.clock)
        await trio.sleep(15)
    failures = [line for line in logs if line["event"] == "failed"]
    assert [(line["what"], line["error"]) for line in failures] == [("news about who is online", "RuntimeError")] * 2
    presence.leave("broken", resident)
    await trio.sleep(1)
    assert a.of("server")[-1]["online"] == ["a"]


@pytest.mark.req("ST-5")
async def test_the_sender_of_news_stops_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = trio.Event()
    broadcast = stats.broadcast_stats

    async def watched(*arguments: object) -> None:
        try:
            await broadcast(*arguments)  # type: ignore[arg-type]
        finally:
            ended.set()

    monkeypatch.setattr("badge.app.broadcast_stats", watched)
    async with scripted_server() as (server, _), client(server, device_id="a") as a:
        await a.until("server")
        server.stop()
        with trio.fail_after(5):
            await ended.wait()


@pytest.mark.req("ST-6")
@pytest.mark.parametrize("wanted", [True, False])
async def test_badges_learn_of_each_other_only_when_the_operator_wants_it(wanted: bool) -> None:
    settings = changed(stats={"broadcast": wanted, "every_s": 1.0})
    async with (
        scripted_server(settings=settings) as (server, _),
        client(server, device_id="a") as a,
        client(server, device_id="b"),
    ):
        with trio.move_on_after(5 if wanted else 1.5):
            await a.until("server", count=2)
        await a.alive()
        assert bool(a.of("server")) is wanted
