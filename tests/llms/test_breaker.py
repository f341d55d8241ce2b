"""The breaker, as a table: what happens at which second, and what it says then."""

from __future__ import annotations

import pytest

from badge.config.llm import BreakerSettings
from badge.llms import breaker
from badge.llms.breaker import LONGEST_PAUSE, Breaker, Breakers

SETTINGS = BreakerSettings(failures=3, pause_s=20)

# (second, what happens, who does it if it matters; state after it). "ask+" is admitted, "ask-" is not.
TABLES: dict[str, list[tuple[float, str, str]]] = {
    "opens after three in a row": [
        (0, "ask+", "closed"), (0, "fail", "closed"), (1, "ask+", "closed"), (1, "fail", "closed"),
        (2, "ask+", "closed"), (2, "fail", "open"), (3, "ask-", "open"), (21.9, "ask-", "open"),
    ],
    "a success between them starts anew": [
        (0, "fail", "closed"), (0, "fail", "closed"), (0, "succeed", "closed"), (0, "fail", "closed"),
        (0, "fail", "closed"), (0, "fail", "open"),
    ],
    "one may try after the pause": [
        (0, "fail", "closed"), (0, "fail", "closed"), (0, "fail", "open"), (20, "ask+", "half-open"),
        (20, "ask- third", "half-open"), (21, "begin", "closed"), (21, "ask+", "closed"), (21, "ask+", "closed"),
        (30, "succeed", "closed"), (30, "fail", "closed"), (30, "fail", "closed"), (30, "fail", "open"),
    ],
    "a trial that breaks off opens it again": [
        (0, "fail", "closed"), (0, "fail", "closed"), (0, "fail", "open"), (20, "ask+", "half-open"),
        (21, "begin", "closed"), (25, "fail", "open"), (44, "ask-", "open"), (45, "ask+", "half-open"),
    ],
    "an answer that was begun before it opened does not close it": [
        (0, "ask+ old", "closed"), (0, "begin old", "closed"), (1, "fail", "closed"), (1, "fail", "closed"), (1, "fail", "open"),
        (2, "succeed", "open"), (21, "ask+", "half-open"), (21, "begin old", "half-open"), (21, "succeed", "half-open"),
        (21, "begin", "closed"),
    ],
    "who asked before it opened and leaves makes no room for another trial": [
        (0, "ask+ old", "closed"), (1, "fail", "closed"), (1, "fail", "closed"), (1, "fail", "open"),
        (21, "ask+", "half-open"), (21, "leave old", "half-open"), (21, "ask- third", "half-open"), (22, "leave", "half-open"),
        (22, "ask+ third", "half-open"),
    ],
    "a trial that fails opens it again": [
        (0, "fail", "closed"), (0, "fail", "closed"), (0, "fail", "open"), (30, "ask+", "half-open"),
        (31, "fail", "open"), (50, "ask-", "open"), (51, "ask+", "half-open"),
    ],
    "a trial that was given up lets another one try": [
        (0, "fail", "closed"), (0, "fail", "closed"), (0, "fail", "open"), (20, "ask+", "half-open"),
        (20, "leave", "half-open"), (20, "ask+", "half-open"), (20, "ask- third", "half-open"),
    ],
    "a server that names a pause gets it": [
        (0, "fail 7", "open"), (6.9, "ask-", "open"), (7, "ask+", "half-open"), (7, "begin", "closed"),
    ],
    "the longer pause counts": [
        (0, "fail", "closed"), (0, "fail", "closed"), (0, "fail 60", "open"), (59, "ask-", "open"), (60, "ask+", "half-open"),
        (60, "fail 5", "open"), (79, "ask-", "open"), (80, "ask+", "half-open"),
    ],
    "no pause is endless": [
        (0, "fail 1e9", "open"), (LONGEST_PAUSE - 1, "ask-", "open"), (LONGEST_PAUSE, "ask+", "half-open"),
    ],
    "who was asked before it opened may still fail": [
        (0, "ask+", "closed"), (0, "fail", "closed"), (0, "fail", "closed"), (0, "fail", "open"), (5, "fail", "open"),
        (24, "ask-", "open"), (25, "ask+", "half-open"),
    ],
}  # fmt: skip


@pytest.mark.req("DG-5")
@pytest.mark.parametrize("name", TABLES)
def test_the_breaker(name: str) -> None:
    one = Breaker(SETTINGS)
    for now, event, state in TABLES[name]:
        what, _, more = event.partition(" ")
        match what:
            case "ask+" | "ask-":
                assert one.admits(now, more) is (what == "ask+"), (now, event)
            case "begin":
                one.began(more)
            case "fail":
                one.failed(now, float(more or 0))
            case "succeed":
                one.succeeded()
            case "leave":
                one.left(more)
        assert one.state(now) == state, (now, event)


def test_one_for_each_server() -> None:
    breakers = Breakers(SETTINGS)
    one = breakers.of(("openai", "x"))
    assert breakers.of(("openai", "x")) is one
    assert breakers.of(("openai", "y")) is not one
    breakers.retain({("openai", "y")})
    assert breakers.of(("openai", "x")) is not one


def test_only_so_many_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not needed for the longest time is forgotten."""
    monkeypatch.setattr(breaker, "MOST", 2)
    breakers = Breakers(SETTINGS)
    x, y = breakers.of("x"), breakers.of("y")
    assert breakers.of("x") is x
    breakers.of("z")
    assert breakers.of("x") is x
    assert breakers.of("y") is not y
