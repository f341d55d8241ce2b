"""The README keeps its word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from badge.__main__ import _parser
from badge.commands.diagram import diagrams

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


MARKED = """
import pytest

@pytest.mark.req("B-7", "HS-1")
def test_seven(): ...

@pytest.mark.req("B-70")
@pytest.mark.parametrize("number", [1, 2])
def test_seventy(number): ...

@pytest.mark.req("HB-7")
def test_heartbeat(): ...

def test_b_like_any(): ...
"""


@pytest.mark.parametrize(
    ("words", "selected"),
    [
        ("B_7", {"seven"}),
        ("b_70 or HB_7", {"seventy", "heartbeat"}),
        ("B_", {"b_like_any"}),  # names of tests are still found by any part of them
    ],
)
def test_tests_are_selected_by_requirement(tmp_path: Path, words: str, selected: set[str]) -> None:
    file = tmp_path / "test_marked.py"
    file.write_text(MARKED, encoding="utf-8")
    pytest_ = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "pyproject.toml",
        "-p",
        "tests.conftest",
        "--co",
        "-p",
        "no:cacheprovider",
    ]
    listed = subprocess.run([*pytest_, "-k", words, str(file)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(re.findall(r"::test_(\w+)", listed.stdout)) == selected, listed.stdout
