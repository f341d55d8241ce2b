"""The part of the schema of config.toml that is about the tools of the server."""

from __future__ import annotations

import re
from typing import Any, Literal
from zoneinfo import ZoneInfo

from attrs import frozen

from providers.settings import between, setting


def _is_address(value: str) -> bool:
    return not value or value.startswith(("http://", "https://"))


_ADDRESS: dict[str, Any] = {
    "check": _is_address,
    "expected": "empty or an address that begins with http:// or https://",
}


def _template(*names: str) -> dict[str, Any]:
    """`check` and `expected` for an address with one of these placeholders, and no other."""
    known = {"{" + name + "}" for name in names}

    def fits(value: str) -> bool:
        places = set(re.findall(r"\{[^}]*\}", value))
        return not value or (_is_address(value) and bool(places) and places <= known)

    return {
        "check": fits,
        "expected": f"empty or an http address with {' or '.join(sorted(known))}, and no other braces",
    }


def _is_zone(value: str) -> bool:
    try:
        return not value or bool(ZoneInfo(value))
    except (OSError, ValueError, KeyError):
        return False


@frozen(kw_only=True)
class WeatherSettings:
    """The weather, from an HTTP service that you choose. Without an address the tool is not offered."""

    url: str = setting(
        "",
        "where to ask: {place} stands for the name; or, after place_url, {latitude} and {longitude}. For example "
        "https://wttr.in/{place}?format=3",
        **_template("place", "latitude", "longitude"),
    )
    place_url: str = setting(
        "",
        "where to ask first for the coordinates of {place}: answers JSON in the form of open-meteo's geocoding",
        **_template("place"),
    )
    home: str = setting("", "the place that is meant when none is named")


@frozen(kw_only=True)
class SearchSettings:
    """Search in the web, by an HTTP service that you choose. Without an address the tool is not offered."""

    url: str = setting(
        "",
        "where to ask: {query} stands for the words. For example https://searx.example/search?format=json&q={query}",
        **_template("query"),
    )
    results: int = setting(5, "results that the model is told", **between(1, 20))


@frozen(kw_only=True)
class HomeSettings:
    """Things at home, by Home Assistant. Without an address and a token the tools are not offered."""

    url: str = setting("", "address of Home Assistant, such as http://homeassistant.local:8123", **_ADDRESS)
    token: str = setting("", "its long-lived access token", env="BADGE_HOME_TOKEN", hidden=True)
    devices: list[str] = setting(
        [],
        'ids of the badges that may use the tools; ["*"] allows all; empty: none may. An id is not proven unless '
        "auth.enabled",
    )
    allowed: dict[str, list[str]] = setting(
        {
            "light_control": ["on", "off", "brightness"],
            "temperature": ["set_temperature"],
            "music": ["play", "pause", "volume"],
        },
        "kind of thing = commands that are allowed; whatever is not named here is refused. Other kinds are domains of "
        'Home Assistant with their services, such as cover = ["open_cover", "close_cover"]',
    )
    audit_file: str = setting("home-audit.jsonl", "where every executed command is written, one JSON object in a line")
    audit_mb: float = setting(10.0, "size at which this file is put aside as .1, .2 and so on", **between(0.01, 1000))
    audit_files: int = setting(5, "files that are put aside before the oldest is deleted", **between(1, 100))


@frozen(kw_only=True)
class ToolSettings:
    """What a language model can call: shipped tools and plugins."""

    use: Literal["all", "shipped", "none"] = setting("all", "all, shipped (no plugins), or none")
    off: list[str] = setting([], "names of tools that are not offered")
    zone: str = setting(
        "",
        "time zone of the users, such as Asia/Shanghai; empty: the machine's",
        check=_is_zone,
        expected="empty or a time zone such as Europe/Berlin",
    )
    plugins: str = setting("plugins", "folder whose *.py files are plugins; it need not exist")
    trusted: list[str] = setting(
        [], "plugins of the folder, by file name without .py, that run inside the server, without limits"
    )
    untrusted: list[str] = setting(
        [], "installed plugins (entry points), by name, that run in a process of their own, as those of the folder do"
    )
    digests: dict[str, str] = setting(
        {},
        'name of a plugin of the folder = SHA-256 of its file, for example { dice = "9f86…" }; with another content '
        "it is not loaded",
    )
    digests_only: bool = setting(False, "plugins of the folder that digests does not name are not loaded")
    plugin_s: float = setting(5.0, "run time of one call of a plugin that is not trusted", **between(0.1, 600))
    plugin_mb: float = setting(
        100.0, "memory that such a plugin may take, beyond that of an empty process", **between(8, 100000)
    )
    plugin_idle_s: float = setting(60.0, "its process ends when it is not called for so long", **between(1, 86400))
    call_s: float = setting(30.0, "longest time of any call, waiting included", **between(1, 600))
    calls: int = setting(64, "calls at one time, of all badges; more wait their turn", **between(1, 1000))
    calls_per_device: int = setting(4, "calls at one time of one badge; more wait their turn", **between(1, 100))
    plugin: dict[str, dict[str, Any]] = setting(
        {}, "settings of plugins by name, for example [tools.plugin.dice] with sides = 20", hidden=True
    )
    weather: WeatherSettings = WeatherSettings()
    search: SearchSettings = SearchSettings()
    home: HomeSettings = HomeSettings()


def wrong_tools(tools: ToolSettings) -> list[tuple[str, object, str]]:
    """What no single field can see: (key, value, what would be right)."""
    found: list[tuple[str, object, str]] = []
    weather, home = tools.weather, tools.home
    if "{l" in weather.url and not weather.place_url:
        found.append(("tools.weather.place_url", "", "is needed for {latitude} and {longitude} in tools.weather.url"))
    if home.url and not home.token:
        found.append(("tools.home.token", "", "is needed beside tools.home.url; its environment variable will do"))
    found.extend(
        (f"tools.digests.{name}", digest, "must be a SHA-256 in hexadecimal")
        for name, digest in tools.digests.items()
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digest)
    )
    return found
