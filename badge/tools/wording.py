"""What users and models are told of calls that come to nothing."""

from __future__ import annotations

from typing import Literal

from badge.desk import ToolResult
from providers.ports import Language

Trouble = Literal["unknown", "failed", "late", "busy", "closed"]

_TEXTS: dict[Trouble, dict[Language, str]] = {
    "unknown": {"en": "There is no tool {tool}.", "zh": "没有工具 {tool}。"},
    "failed": {"en": "The tool {tool} did not work.", "zh": "工具 {tool} 调用出错。"},
    "late": {"en": "The tool {tool} took too long.", "zh": "工具 {tool} 超时了。"},
    "busy": {
        "en": "The tool {tool} is too busy. Please try again in a moment.",
        "zh": "工具 {tool} 太忙了，请稍后再试。",
    },
    "closed": {"en": "The tool {tool} is not there at the moment.", "zh": "工具 {tool} 暂时不可用。"},
}


def trouble(kind: Trouble, tool: str, language: Language) -> ToolResult:
    """The result of a call that came to nothing."""
    text = _TEXTS[kind][language].format(tool=tool[:64])
    return ToolResult(kind="unknown" if kind == "unknown" else "failed", text=text)
