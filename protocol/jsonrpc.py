"""JSON-RPC 2.0 as badges speak it: numeric ids, errors that may lack a code. Values in, values out; nothing waits here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

METHOD_NOT_FOUND = -32601


@frozen(kw_only=True)
class Reply:
    """What came for one of our requests: a `result`, or an `error` with what it says. Its id may be nobody's."""

    id: int
    result: dict[str, Any] = field(factory=dict, repr=False)
    error: str | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Question:
    """What the other side asks of us: a notification when there is no id."""

    method: str
    id: int | str | None = None


@frozen
class Nonsense:
    """Neither an answer nor a question; `detail` says what is wrong."""

    detail: str


def request(number: int, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask for something."""
    asked = {"jsonrpc": "2.0", "id": number, "method": method}
    return asked if params is None else {**asked, "params": dict(params)}


def refusal(number: int | str, code: int, message: str) -> dict[str, Any]:
    """The answer to a question that gets none."""
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def read(payload: Mapping[str, Any]) -> Reply | Question | Nonsense:
    """What a payload means; no payload makes it raise."""
    number = payload.get("id")
    if "method" in payload:
        method = payload["method"]
        if not isinstance(method, str):
            return Nonsense("method: must be a string")
        return Question(method=method, id=number if _is_id(number) else None)
    if "result" not in payload and "error" not in payload:
        return Nonsense("must have a method, a result or an error")
    if isinstance(number, bool) or not isinstance(number, int):
        return Nonsense("id: must be the number of a request")
    if payload.get("error") is not None:
        return Reply(id=number, error=_message(payload["error"]))
    result = payload.get("result")
    return Reply(id=number, result=result if isinstance(result, dict) else {})


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _message(error: object) -> str:
    """What an error says, whatever form it has: firmware sends no code, some send bare text."""
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""
