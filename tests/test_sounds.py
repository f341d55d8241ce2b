"""Sounds that badges fetch: kept for a while, within bounds."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from badge.edge.ota import http_url
from badge.sounds import BYTES, FILES, LIFETIME, Sounds


async def test_a_file_is_there_for_its_time(autojump_clock: MockClock) -> None:
    sounds = Sounds()
    assert sounds.put("first", b"one")
    await trio.sleep(LIFETIME / 2)
    assert sounds.put("second", b"two")
    await trio.sleep(LIFETIME / 2 - 0.01)
    assert sounds.get("first") == b"one"
    await trio.sleep(0.02)
    assert (sounds.get("first"), sounds.get("second"), sounds.get("third")) == (None, b"two", None)
    await trio.sleep(LIFETIME)
    sounds.put("third", b"three")
    assert sounds.size == 5  # what is too old takes no memory either


async def test_the_oldest_goes_when_there_are_too_many(autojump_clock: MockClock) -> None:
    sounds = Sounds()
    for number in range(FILES + 1):
        sounds.put(str(number), b"x")
    assert sounds.get("0") is None
    assert [sounds.get(str(number)) for number in range(1, FILES + 1)] == [b"x"] * FILES


async def test_the_oldest_go_when_they_are_too_large(autojump_clock: MockClock) -> None:
    sounds = Sounds()
    for name in "abc":
        assert sounds.put(name, bytes(BYTES // 3))
    assert sounds.put("d", bytes(BYTES // 2))
    assert [sounds.get(name) is not None for name in "abcd"] == [False, False, True, True]
    assert sounds.size <= BYTES
    assert not sounds.put("e", bytes(BYTES + 1))
    assert sounds.get("d") is not None


@pytest.mark.parametrize(
    ("public", "host", "url"),
    [
        ("", "badge.local:8000", "http://badge.local:8003"),
        ("", "192.168.1.2", "http://192.168.1.2:8003"),
        ("", "[fd00::1]:8000", "http://[fd00::1]:8003"),
        ("", "", ""),
        ("", "no host/at all", ""),
        ("https://badge.example/", "192.168.1.2:8000", "https://badge.example"),
        ("https://badge.example", "", "https://badge.example"),
    ],
)
def test_the_address_of_the_http_port(public: str, host: str, url: str) -> None:
    assert http_url(public, host, 8003) == url
