"""What a long meeting costs: CPU while it goes on, and time and memory of its minutes, beside the language model.

A simulated meeting of three hours for each number of segments, under a clock that jumps; the model answers at once. Time is of this
process alone. Memory is the most that writing the minutes takes above the transcript, which the store holds; it is
measured in a second run, because measuring is slow.

    python tests/bench/meeting.py [--segments 2500 10000 40000]
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import structlog
import trio
import trio.testing

from tests.meetings.long import HOURS, Figures, long_meeting


def run(segments: int, *, measure: bool) -> Figures:
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(partial(long_meeting, segments, measure=measure), clock=clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, nargs="+", default=[2500, 10_000, 40_000])
    args = parser.parse_args()
    structlog.configure(processors=[_drop])
    print("segments  characters  snippets  checkpoints  parts  joins  ms/segment  writing s  stall ms  memory KiB")
    for segments in args.segments:
        plain, memory = run(segments, measure=False), run(segments, measure=True).memory
        print(
            f"{plain.segments:8d}  {plain.characters:10d}  {plain.snippets:8d}  {plain.checkpoints:11d}  {plain.parts:5d}"
            f"  {plain.joins:5d}  {plain.going_on / segments * 1000:10.2f}  {plain.writing:9.2f}  {plain.stall * 1000:8.1f}  {memory / 1024:10.0f}"
        )
    print(f"each meeting lasts {HOURS:.0f} h")


def _drop(*_: object) -> None:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
