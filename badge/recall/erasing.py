"""Erasing what is remembered, as the operator asks for it: of a running server, or of a file that none is using."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, get_args

from badge.desk import RefusedError
from badge.storage.ports import StoreError
from badge.storage.recollections import Known, Part

MOST_NAMED = 20
"""Badges that are named when the one that was asked for is not there."""


class Erasable(Protocol):
    """What can be erased: a `RecallStore`, or the office that writes into it."""

    async def devices(self) -> tuple[Known, ...]:
        """Everybody of whom something is remembered."""

    async def forget(self, device: str, *, part: Part = "all", fact: str = "") -> int:
        """Erase; gives how many exchanges and facts there were."""


async def erase(memory: Erasable, device: str, *, part: Part, fact: str) -> str:
    """Erase a part of a device's memory, or one fact; gives what there is to say about it. Raises `RefusedError` when there is
    nothing of it, and `StoreError`."""
    known = await memory.devices()
    erased = await memory.forget(device, part=part, fact=fact)
    if not erased and not any(one.device == device for one in known):  # what it said may have come between the two
        raise RefusedError("unknown-device", unknown(device, known))
    if fact and not erased:
        raise RefusedError(
            "unknown-fact", f"{device} has no fact {fact}; `python -m badge memory show {device}` lists them"
        )
    return (
        f"{device}: {erased} exchanges and facts erased. A conversation that goes on just now still knows what was said in "
        "it; backups and recordings that were made before are files of their own"
    )


def unknown(device: str, known: Sequence[Known]) -> str:
    """Of a device nothing is remembered; of which there is."""
    if not known:
        return f"{device}: nothing is remembered of any badge"
    named = ", ".join(one.device for one in known[:MOST_NAMED]) + (", …" if len(known) > MOST_NAMED else "")
    return f"{device}: nothing is remembered of this badge; of these there is: {named}"


def memory_commands(memory: Erasable) -> dict[str, Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]]:
    """The operator's commands of a running server, by name: forget."""

    async def forget(request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Erase `part` of what is remembered of `device`, or one `fact`."""
        device, part, fact = request.get("device"), request.get("part", ""), request.get("fact", "")
        if not isinstance(device, str) or part not in get_args(Part) or not isinstance(fact, str):
            raise RefusedError("bad-request", f"forget needs a device, and a part: {', '.join(get_args(Part))}")
        try:
            return {"message": await erase(memory, device, part=part, fact=fact)}
        except StoreError as exc:
            raise RefusedError("not-stored", str(exc)) from exc

    return {"forget": forget}
