"""The README keeps its word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from badge.__main__ import _parser
from badge.diagram import diagrams

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_machines_are_as_printed() -> None:
    shown = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
    assert shown.startswith(diagrams() + "\n\n")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m badge (\w+)", README))))
def test_commands_exist(command: str) -> None:
    assert command in _parser().format_help()


def test_measurements_exist() -> None:
    for script in re.findall(r"tests/bench/\w+\.py", README):
        assert (ROOT / script).exists(), script
