"""A plugin without settings."""

import random
from typing import Annotated

from badge.plugin import Within, tool


@tool
def throw_dice(
    sides: Annotated[int, Within(1, 1000), "sides of each die"] = 6,
    count: Annotated[int, Within(1, 100), "how many are thrown"] = 1,
) -> str:
    """Throw dice."""
    thrown = [random.randint(1, sides) for _ in range(count)]
    together = f" (together {sum(thrown)})" if count > 1 else ""
    return ", ".join(map(str, thrown)) + together
