"""Make the recordings in this folder: each is a real session, on a real server, over real sockets and in real time.

    python tests/recordings/make.py [STORY ...]

What happens in them is written in `stories.py`. A recording is a test: it holds the server to what it did. So these
files are not made anew when the server changes, but only when the format of recordings does, or when what the server
does was meant to change and a replay shows that this is all that did. A single story is made by naming it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import structlog
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.app import Running, assemble, choose
from badge.choice import Choice, Workshop
from badge.clock import Ids, SystemClock
from badge.config.llm import LlmSettings
from badge.config.settings import Settings
from badge.recording.fileformat import read
from badge.recording.journal import SUFFIX
from tests.e2e.running import client, local, running
from tests.house import changed
from tests.providers.speech import MODELS
from tests.recordings.stories import STORIES, Story


def _as_it_is(settings: LlmSettings) -> LlmSettings:
    return attrs.evolve(settings, use="openai")


FOLDER = Path(__file__).parent


@asynccontextmanager
async def on_air(story: Story, folder: Path) -> AsyncIterator[Running]:
    """A server for one story, that keeps recordings in a folder."""
    off = {"tools": {"use": "none"}, "memory": {"use": "none"}}  # unless the story is about them
    tables = {"recording": {"use": "all", "folder": str(folder)}, "models": {"folder": str(MODELS / "none")}}
    settings: Settings = local(changed(**{**off, **tables, **story.tables}))
    clock = SystemClock()
    choices = choose(settings, {}, clock)
    for name, make in story.providers.items():
        choice = Choice(candidates=(make(),), why="scripted")
        choices = attrs.evolve(
            choices,
            **(
                {"workshop": Workshop(settle=_as_it_is, make=lambda _, one=choice: one.candidates[0])}
                if name == "llm"
                else {name: choice}
            ),
        )
    made = assemble(settings, choices, clock, Ids())
    async with running(made) as server:
        for component in made.services.components() if story.loaded else ():
            await component.settled()
        yield server
        await trio.sleep(1)  # sessions say goodbye, and all is written


async def make(name: str) -> None:
    """Let a story happen, and keep what was recorded of it."""
    story = STORIES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with on_air(story, folder) as server:
            await story.tell(partial(client, server, device_id="ba:d6:e0:00:00:01", client_id="recorded"))
        keep(folder, story)


def keep(folder: Path, story: Story) -> None:
    """Take the files out of a folder, in the order in which the badges came."""
    made = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: str(read(path).header["started"]))
    for path, file in zip(made, story.files, strict=True):
        data = path.read_bytes()
        (FOLDER / f"{file}{SUFFIX}").write_bytes(data)
        print(f"{file}{SUFFIX}: {len(data) / 1024:.0f} KiB, {read(path).duration:.1f} s")


async def make_all(names: list[str]) -> None:
    """One after the other, so that none keeps another waiting; but the story of a long wait beside all others."""
    async with trio.open_nursery() as nursery:
        if "idle-timeout" in names:
            nursery.start_soon(make, "idle-timeout")
        for name in names:
            if name != "idle-timeout":
                await make(name)


def main() -> int:
    names = sys.argv[1:] or list(STORIES)
    if unknown := [name for name in names if name not in STORIES]:
        print(f"there is no story {', '.join(unknown)}; there are: {', '.join(STORIES)}")
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    trio.run(make_all, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
