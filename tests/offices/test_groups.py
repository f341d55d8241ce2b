"""Who shares tasks with whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.config.team import WorkflowSettings
from badge.offices.groups import group_of

PLAIN = WorkflowSettings()
DESK = WorkflowSettings(groups={"desk": ["AA:BB:cc:00:00:01 ", "auto-00000001"], "aa:bb:cc": ["other"]})


@pytest.mark.req("WF-1")
def test_the_prefix_makes_the_group() -> None:
    assert group_of("aa:bb:cc:00:00:01", PLAIN) == "aa:bb:cc"
    assert group_of("short", PLAIN) == "short"
    assert group_of("", PLAIN) == "default"


@pytest.mark.req("HS-20", "B-4")
def test_a_configured_group_goes_before_the_prefix() -> None:
    assert group_of("aa:bb:cc:00:00:01", DESK) == group_of("auto-00000001", DESK) == "desk"
    assert group_of("aa:bb:cc:00:00:02", DESK) != "desk"


@pytest.mark.req("HS-20", "B-4")
def test_strangers_do_not_share() -> None:
    assert group_of("auto-00000001", PLAIN) == "auto-00000001"
    assert group_of("auto-00000001", PLAIN) != group_of("auto-00000002", PLAIN)
    alone = WorkflowSettings(by_prefix=False)
    assert group_of("aa:bb:cc:00:00:01", alone) == "aa:bb:cc:00:00:01"


@pytest.mark.req("HS-20", "B-4")
def test_no_id_leads_into_a_configured_group() -> None:
    assert group_of("aa:bb:cc:99:99:99", DESK) not in DESK.groups
    assert group_of("desk", DESK) not in DESK.groups
    assert group_of("desk", WorkflowSettings(groups={"desk": [], "desk~": []})) == "desk~~"


@given(st.text(), st.booleans(), st.dictionaries(st.text(), st.lists(st.text(), max_size=2), max_size=3))
def test_a_group_is_never_empty(device: str, by_prefix: bool, groups: dict[str, list[str]]) -> None:
    settings = WorkflowSettings(by_prefix=by_prefix, groups={name: ids for name, ids in groups.items() if name})
    assert group_of(device, settings)
