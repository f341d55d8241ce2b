"""Providers that devices have of their own: shared by equal settings, few at a time, and made of whatever a console says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from badge.private import IN_USE, PrivateProviders, fitting
from providers.llm.openai_settings import OpenAiSettings
from providers.ports import Provider
from providers.scripted import ScriptedTts
from providers.tts.espeak import EspeakSettings

Clock = trio.testing.MockClock


class Made:
    """Makes providers, and notes of which settings."""

    def __init__(self) -> None:
        self.settings: list[Mapping[str, Any]] = []

    def __call__(self, settings: Mapping[str, Any]) -> Provider:
        self.settings.append(settings)
        if settings.get("bad"):
            raise RuntimeError("nobody thought of this")
        return ScriptedTts()


async def private(nursery: trio.Nursery, made: Made, most: int = 3) -> PrivateProviders:
    found = PrivateProviders({("tts", "mine"): made}, most=most)
    await nursery.start(found.run)
    return found


def mine(voice: object, **more: Any) -> dict[str, Any]:
    return {"type": "Mine", "voice": voice, **more}


@pytest.mark.req("PC-2", "AV-5")
async def test_devices_with_equal_settings_share_a_provider(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    house = await private(nursery, made := Made())
    one, same, other = (house.admit("tts", mine(voice)) for voice in ("a", "a", "b"))
    assert one == same != other
    assert len(made.settings) == 2
    component = house.component("tts", one)
    assert component is not None
    await component.ready()
    assert house.component("asr", one) is None  # a voice is no ear
    assert "a" not in one.removeprefix("tts.private-")


@pytest.mark.req("PC-2")
async def test_there_are_few_at_a_time_and_who_is_in_use_stays(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    house = await private(nursery, Made(), most=2)
    first, second = house.admit("tts", mine(1)), house.admit("tts", mine(2))
    assert house.admit("tts", mine(3)) == ""
    await trio.sleep(IN_USE - 1)
    assert house.component("tts", second) is not None  # asked for: in use
    await trio.sleep(2)
    started = len(nursery.child_tasks)
    third = house.admit("tts", mine(3))
    await trio.testing.wait_all_tasks_blocked()
    assert third
    assert house.component("tts", first) is None
    assert house.component("tts", second) is not None
    assert len(nursery.child_tasks) == started
    assert house.admit("tts", mine(1)) == ""  # and no room again


@pytest.mark.req("PC-2", "PC-6")
async def test_what_cannot_be_made_leaves_the_server_its_own(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    house = await private(nursery, Made())
    for settings in (mine(1, bad=True), {"type": "odd"}, {"type": 5}, {}):
        assert house.admit("tts", settings) == ""
    assert house.admit("tts", mine(1))
    assert PrivateProviders().admit("tts", {"type": "espeak"}) == ""  # it does not run


@pytest.mark.req("PC-2")
def test_settings_are_whatever_fits_of_what_came() -> None:
    usual = OpenAiSettings()
    said = {"temperature": "0.5", "max_tokens": 7.0, "top_p": 1, "model": 5, "retry": "no", "unknown": 1}
    read = fitting(OpenAiSettings, said)
    assert (read.temperature, read.top_p, read.model, read.retry) == (0.5, 1.0, usual.model, True)
    assert read.max_tokens == usual.max_tokens


@pytest.mark.req("PC-6")
@pytest.mark.parametrize(
    "odd", [10**400, -(10**400), float("nan"), float("inf"), "nan", "9" * 5000, None, True, [], {}]
)
def test_odd_values_change_nothing(odd: Any) -> None:
    for cls in (OpenAiSettings, EspeakSettings):
        numbers = [name for name, value in attrs.asdict(cls()).items() if isinstance(value, int | float)]
        assert numbers
        for name in numbers:
            if not (isinstance(odd, bool) and isinstance(getattr(cls(), name), bool)):
                assert fitting(cls, {name: odd}) == cls(), name
