"""The registry of devices: what the operator says, and whom he means by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from badge.clock import Ids
from badge.config.devices import DevicesSettings
from badge.desk import RefusedError
from badge.offices.registry import Registry
from badge.storage.memory import MemoryStore
from tests.house import FrozenClock

MAC = "aa:bb:cc:00:00:01"


def registry(changed: Callable[[str], None] = lambda _: None, **settings: float) -> Registry:
    found = DevicesSettings(binding="code", **settings)  # type: ignore[arg-type]
    return Registry(store=MemoryStore().devices, settings=found, clock=FrozenClock(), ids=Ids(1), changed=changed)


def wide(code: str) -> str:
    """As some keyboards write digits."""
    return "".join(chr(ord(digit) - ord("0") + ord("０")) for digit in code)


@pytest.mark.req("PC-5")
@pytest.mark.parametrize(
    "typed",
    [lambda code: f" {code} ", lambda code: f"{code[:3]} {code[3:]}", lambda code: f"{code[:3]}-{code[3:]}", wide],
)
async def test_a_code_may_be_typed_as_people_do(typed: Callable[[str], str]) -> None:
    office = registry()
    code = (await office.visit(MAC, "c")).code
    bound = await office.bind(typed(code))
    assert (bound.device, bound.bound, bound.client) == (MAC, True, "c")


@pytest.mark.req("PC-5")
@pytest.mark.parametrize("wrong", ["12345", "1234567", "123-45", "12 34 56 7", "0", "１２３"])
async def test_a_mistyped_code_binds_nobody(wrong: str) -> None:
    changes: list[str] = []
    office = registry(changes.append)
    with pytest.raises(RefusedError, match="a code has 6 digits"):
        await office.bind(wrong)
    assert (await office.known(), changes) == ((), [])


async def test_a_device_whose_id_looks_like_a_code_can_be_bound_once_it_has_come() -> None:
    office = registry()
    for device in ("4711", "999999"):
        await office.visit(device, "c")
        assert (await office.bind(device)).bound
    assert (await office.bind("11-22-33-44-55-66")).device == "11-22-33-44-55-66"


@pytest.mark.req("PC-5", "PC-9")
async def test_a_code_is_good_for_one_badge_and_one_time() -> None:
    office = registry()
    code = (await office.visit(MAC, "c")).code
    assert (await office.visit(MAC, "c")).code == code
    await office.bind(code)
    assert (await office.visit(MAC, "c")).bound
    with pytest.raises(RefusedError, match="no badge waits"):
        await office.bind(code)
    again = (await office.visit(MAC, "another")).code
    assert again not in ("", code)


async def test_unbinding_what_is_not_bound_leaves_its_code() -> None:
    changes: list[str] = []
    office = registry(changes.append)
    code = (await office.visit(MAC, "c")).code
    assert not (await office.unbind(MAC)).bound
    assert ((await office.visit(MAC, "c")).code, changes) == (code, [])


@pytest.mark.parametrize("wrong", ["x" * 101, "a\x1b[31mred", "\u202egnp.exe"])
async def test_names_and_owners_are_short_and_printable(wrong: str) -> None:
    office = registry()
    await office.visit(MAC, "c")
    with pytest.raises(RefusedError, match="at most 100 printable"):
        await office.rename(MAC, wrong)
    with pytest.raises(RefusedError, match="at most 100 printable"):
        await office.bind(MAC, owner=wrong)
    assert [one.bound for one in await office.known()] == [False]


@pytest.mark.req("PC-5")
async def test_codes_are_six_digits_that_nobody_can_foretell() -> None:
    office = Registry(
        store=MemoryStore().devices,
        settings=DevicesSettings(binding="code", codes_per_minute=5000),
        clock=FrozenClock(),
        ids=Ids(),
        changed=lambda _: None,
    )
    codes = [(await office.visit(f"device-{number}", "c")).code for number in range(500)]
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    assert len(set(codes)) == 500
    assert {code[place] for code in codes for place in range(6)} == set("0123456789")
    assert len({code[:2] for code in codes}) > 90  # nowhere near each other
