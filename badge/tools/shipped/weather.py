"""The weather, by an HTTP service."""

from __future__ import annotations

from typing import Annotated, Any

from badge.config.tools import WeatherSettings
from badge.plugin import tool
from badge.tools.results import cut
from badge.tools.web import Page, Web, WebError, filled

LONGEST = 4000
"""Characters of an answer that the model is told."""

LONGEST_NAME = 100


class Weather:
    """A tool that asks for the weather at a place."""

    def __init__(self, settings: WeatherSettings, web: Web) -> None:
        self._settings = settings
        self._web = web

    @tool
    async def get_weather(self, place: Annotated[str, "name of a town; empty: where the user is"] = "") -> str:
        """Tell the weather at a place, now and for the next days."""
        place = place.strip()[:LONGEST_NAME] or self._settings.home
        if not place:
            return "place: must not be empty."
        try:
            values: dict[str, Any] = {"place": place}
            if self._settings.place_url:
                values |= _coordinates(await self._web.ask(filled(self._settings.place_url, place=place)))
            page = await self._web.ask(filled(self._settings.url, **values))
        except WebError as exc:
            return f"The weather service is unavailable right now: {exc}."
        return f"{values['place']}: {cut(page.text.strip(), LONGEST)}"


def _coordinates(page: Page) -> dict[str, Any]:
    """Where the place is that was found first. Raises `WebError`."""
    match page.json():
        case {
            "results": [
                {"latitude": int() | float() as latitude, "longitude": int() | float() as longitude, **more},
                *_,
            ]
        }:
            return {"latitude": latitude, "longitude": longitude} | _full_name(more)
    raise WebError("it does not know this place")


def _full_name(fields: dict[Any, Any]) -> dict[str, str]:
    """The name by which the service knows the place, so that the model notices when another one is meant."""
    parts = [fields[key] for key in ("name", "admin1", "country") if isinstance(fields.get(key), str)]
    return {"place": ", ".join(parts)[: 2 * LONGEST_NAME]} if parts else {}
