"""Meetings of hours."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.meetings.long import long_meeting


@pytest.mark.req("MT-4", "MT-10", "MT-15", "I-6")
async def test_three_hours_are_written_down_pushed_and_summed_up(autojump_clock: object) -> None:
    figures = await long_meeting(10_000, measure=False)
    assert (figures.segments, figures.pushed) == (10_000, 10_000)
    assert figures.snippets <= 3 * 3600 / 3 + 1
    assert figures.checkpoints == 59
    assert figures.parts == 227  # all of it
    assert figures.joins >= 4
    assert figures.longest_prompt <= 4000
    (point, *_) = cast(list[dict[str, Any]], figures.minutes["summary"])
    assert point["segments"][0] == 1
    assert point["segments"][1] > 9900
    told = cast(list[str], figures.minutes["left_out"])
    assert len(told) == 1
    assert "because minutes hold 100 of each" in told[0]


@pytest.mark.req("MT-15")
async def test_the_memory_of_writing_minutes_does_not_grow_with_the_meeting(autojump_clock: object) -> None:
    """Every list of the minutes is full in both meetings, and every part is asked about."""
    short = await long_meeting(2500, part_chars=1000, most_parts=10_000)
    long = await long_meeting(10_000, part_chars=1000, most_parts=10_000)
    assert long.parts > 3.9 * short.parts > 800
    assert long.memory < 1.3 * short.memory
    assert long.memory < long.characters
