"""What was acknowledged to a client is not lost when the server is killed, at whatever moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.killing.servers import servers
from tests.e2e.killing.story import Story

SEED = 9
ROUNDS = 52
COLD = (0, 17, 34)
"""Rounds whose server starts as a program of its own."""


@pytest.mark.req("WF-5", "MT-9", "MT-19", "PE-8", "PE-11")
async def test_nothing_that_was_acknowledged_is_lost_at_kill_9(tmp_path: Path) -> None:
    file = tmp_path / "badge.db"
    story = Story(SEED)
    async with servers(tmp_path) as some:
        for number in range(ROUNDS):
            await story.round(some, cold=number in COLD)
            await story.look(file)
            assert not story.promises.broken, f"seed {SEED}, killed after {story.moments} s"
        await story.end(some, within=10)
        await story.look(file)
    assert not story.promises.broken, f"seed {SEED}, killed after {story.moments} s"
    assert "Traceback" not in some.log
    promised = story.promises
    counts = len(promised.letters.promised), len(promised.tasks.promised), len(promised.meetings.minutes)
    assert all(map(int.__ge__, counts, (500, 50, 3))), counts
    assert promised.meetings.said > 200
    assert len(promised.reminders.promised) > 5


async def test_a_server_that_acknowledges_before_it_commits_is_found_out(tmp_path: Path) -> None:
    story = Story(SEED)
    async with servers(tmp_path, fault="early") as some:
        for _ in range(20):
            await story.round(some)
            await story.look(tmp_path / "badge.db")
            broken = {sentence.split()[0] for sentence in story.promises.broken}
            if broken >= {"letter", "task", "meeting", "reminder"}:
                return
    pytest.fail(f"only these were missed: {broken}")


async def test_a_server_that_forgets_everything_is_found_out_by_what_it_says(tmp_path: Path) -> None:
    """Without a look at any file."""
    story = Story(SEED)
    async with servers(tmp_path, store="memory") as some:
        for _ in range(4):
            await story.round(some)
        await story.end(some, within=2)
    broken = {sentence.split(maxsplit=1)[0] for sentence in story.promises.broken}
    assert broken >= {"letter", "task", "minutes"}, broken
