"""The documentation keeps its word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from badge.config.tools import HomeSettings, SearchSettings, ToolSettings, WeatherSettings
from badge.tools.functions import functions_of
from tests.tools.counter import DEVICE, opened

DOCS = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.req("PL-3")
def test_the_plugin_in_the_text_is_one() -> None:
    module = ModuleType("shown")
    exec(blocks("python")[0], vars(module))
    (function,) = functions_of(module)
    assert (function.tool.spec.name, function.tool.effects, function.seconds) == ("set_volume", True, 5)
    assert function.signature.read({"volume": 300}) == "volume: must be an integer from 0 to 100, not 300."


async def test_all_tools_are_in_the_table() -> None:
    services = tomllib.loads("\n".join(blocks("toml")[:2]))["tools"]
    weather, search = WeatherSettings(**services["weather"]), SearchSettings(**services["search"])
    home = HomeSettings(token="x", **services["home"])
    async with opened(weather=weather, search=search, home=home) as counter:
        names = set(await counter.names(DEVICE))
    told = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in DOCS.splitlines() if line.startswith("| `")))
    )
    assert told == names


def test_settings_that_are_named_exist() -> None:
    known = set(ToolSettings.__annotations__) | {"weather.url", "search.url", "plugin.NAME", "home.allowed"}
    assert set(re.findall(r"\btools\.([a-z_.]+[a-z])\b", DOCS)) - {"md"} <= known
