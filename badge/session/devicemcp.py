"""The MCP server that a badge is: what it can do, as tools for the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import trio

from badge import texts
from badge.desk import Tool, ToolResult
from badge.log import get_log
from badge.session.listing import Listing
from protocol import ErrorCode, RemoteProtocolError
from protocol.jsonrpc import METHOD_NOT_FOUND, Nonsense, Question, Reply, read, refusal, request
from protocol.outbound import Mcp, Stt
from providers.ports import well_formed

log = get_log(__name__)

CALL_WITHIN = 30.0
"""Seconds that a badge has to answer a call."""

STEP_WITHIN, MOST_ATTEMPTS = 10.0, 3
"""Seconds that a badge has for each answer about what it can do, and how often it is asked in all where one is missing."""

MOST_CALLS = 16
"""Calls that may be under way at one time."""

LONGEST_RESULT = 16_000
"""Characters of a result that the model gets to see."""

PROTOCOL_VERSION = "2024-11-05"
"""The one that firmware speaks."""

CLIENT = {"name": "badge", "version": "1.0.0"}
"""Not the version of this program: a recording shall be as good for the next one."""

Tell = Callable[[attrs.AttrsInstance], None]


class _Waiting:
    """A call that is under way."""

    def __init__(self) -> None:
        self.over = trio.Event()
        self.reply: Reply | None = None


class DeviceMcp:
    """The client of one badge's MCP server. It has no task: what the badge sends moves the handshake on, whoever wants its
    tools has an answer that was lost asked for again, and a call is waited for by whoever makes it, so that it ends with the
    turn."""

    def __init__(self, tell: Tell, session_id: str, *, now: Callable[[], float] = trio.current_time) -> None:
        """`now` tells the time in s."""
        self._tell = tell
        self._session_id = session_id
        self._now = now
        self._last_id = 0
        self.begun = False
        """Whether the badge has said that it has an MCP server."""
        self._handshake: int | None = None  # the request that moves it on
        self._due = 0.0  # when that should have been answered
        self._attempts = 0
        self._listing: Listing | None = None
        self._tools: dict[str, tuple[str, Tool]] = {}
        self._waiting: dict[int, _Waiting] = {}

    def begin(self) -> None:
        """Ask the badge what it can do; what is known holds until the answer is here."""
        self.begun = True
        self._attempts = 1
        self._initialize()

    def end(self) -> None:
        """The badge has no MCP server any more, so nobody will answer what is under way."""
        self.begun = False
        self._handshake, self._listing = None, None
        self._tools = {}
        for waiting in self._waiting.values():
            waiting.over.set()

    def receive(self, payload: dict[str, Any]) -> None:
        """Take what the badge's server sends. Raises `RemoteProtocolError` when it is no JSON-RPC; an answer to nobody's
        question, or a late one, is nothing."""
        match read(payload):
            case Nonsense(detail):
                raise RemoteProtocolError(
                    ErrorCode.BAD_MESSAGE, f"mcp: payload: {detail}", ref={"type": "mcp", "field": "payload"}
                )
            case Question(method="notifications/tools/list_changed"):
                self._list_again()
            case Question(method="ping", id=int() | str() as number):
                self._tell(Mcp(payload={"jsonrpc": "2.0", "id": number, "result": {}}))
            case Question(id=int() | str() as number):
                self._tell(Mcp(payload=refusal(number, METHOD_NOT_FOUND, "Method not found")))
            case Reply() as reply if reply.id == self._handshake:
                self._proceed(reply)
            case Reply() as reply if reply.id in self._waiting:
                waiting = self._waiting.pop(reply.id)
                waiting.reply = reply
                waiting.over.set()

    async def offered(self) -> Sequence[Tool]:  # noqa: ASYNC124 - a question of the toolbox
        """What the badge can do. One that has not said so in time is asked again; what is known holds until the answer is
        here."""
        if self._overdue and self._attempts < MOST_ATTEMPTS:
            if self._attempts == 1:
                log.warning("the badge does not say what it can do, and is asked again", step=self._step)
            self._attempts += 1
            self._step_again()
        return tuple(tool for _, tool in self._tools.values())

    def knows(self, own: str) -> str:
        """The name that models know a tool of the badge by; empty when there is none."""
        return next((name for name, (one, _) in self._tools.items() if one == own), "")

    async def call(self, _key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Have the badge do something, and show it what."""
        if tool not in self._tools:
            return ToolResult(kind="unknown", text=f"There is no tool {tool}.")
        self._tell(Stt(text=f"% {tool}", session_id=self._session_id))
        return result_of(await self.request(self._tools[tool][0], arguments))

    async def request(self, own: str, arguments: dict[str, Any]) -> Reply | None:
        """What the badge answers to a call of a tool by its own name; None when nothing came in time."""
        if len(self._waiting) >= MOST_CALLS:
            log.warning("a call of the badge is not made: too many are under way")
            return None
        waiting = _Waiting()
        number = self._ask("tools/call", {"name": own, "arguments": arguments})
        self._waiting[number] = waiting
        try:
            with trio.move_on_after(CALL_WITHIN):
                await waiting.over.wait()
        finally:
            self._waiting.pop(number, None)
        if waiting.reply is None:
            log.warning("the badge has not answered a call", tool=own)
        return waiting.reply

    def _ask(self, method: str, params: dict[str, Any] | None = None) -> int:
        self._last_id += 1
        self._tell(Mcp(payload=request(self._last_id, method, params)))
        return self._last_id

    # --- the handshake ---

    @property
    def _step(self) -> Literal["initialize", "list"]:
        return "list" if self._listing is not None or self._handshake is None else "initialize"

    @property
    def _overdue(self) -> bool:
        return self._handshake is not None and self._now() >= self._due

    def _list_again(self) -> None:
        """The list has changed; pages of the old one that are on their way are not for the new one."""
        if self._step == "list" or self._overdue:  # else it is still to come
            self._attempts = 1
            self._step_again()

    def _step_again(self) -> None:
        """Answers to what was asked before are nobody's from here on."""
        if self._step == "list":
            self._begin_list()
        else:
            self._initialize()

    def _initialize(self) -> None:
        self._listing = None
        self._expect("initialize", {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": CLIENT})

    def _begin_list(self) -> None:
        self._listing = Listing()
        self._expect("tools/list")

    def _expect(self, method: str, params: dict[str, Any] | None = None) -> None:
        self._handshake = self._ask(method, params)
        self._due = self._now() + STEP_WITHIN

    def _proceed(self, reply: Reply) -> None:
        """The handshake's next step: the first page, the next one, or the end."""
        step, self._handshake = self._step, None
        if reply.error is not None:
            log.warning("the badge has refused to say what it can do", step=step)
            self._listing = None
        elif self._listing is None:
            self._begin_list()
        elif cursor := self._listing.take(reply.result):
            self._expect("tools/list", {"cursor": cursor})
        else:
            self._tools = self._listing.named()
            self._listing = None
            log.info("the badge has told what it can do", tools=len(self._tools))


# --- what an answer means -------------------------------------------------------------------------------------------------


_ACTIONS = {"RESPONSE": "spoken", "REQLLM": "answer", "NONE": "silent", "NOTFOUND": "failed", "ERROR": "failed"}
"""What a badge, or the vision service behind it, wants to happen with its answer."""


def result_of(reply: Reply | None) -> ToolResult:
    """What the model is told of an answer, or what is said."""
    if reply is None:
        return ToolResult(kind="answer", text=texts.DEVICE_TOOL_FAILED)
    text = text_of(reply)
    if reply.error is not None or reply.result.get("isError") is True or not text:
        return ToolResult(kind="answer", text=": ".join(filter(None, (texts.DEVICE_TOOL_FAILED, text))))
    return _action_in(text) or ToolResult(kind="answer", text=text)


def text_of(reply: Reply) -> str:
    """What an answer, or an error, says."""
    content = reply.result.get("content")
    parts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    text = "\n".join(part for part in parts if isinstance(part, str)) if reply.error is None else reply.error
    text = well_formed(text)
    return text if len(text) <= LONGEST_RESULT else text[:LONGEST_RESULT] + " …"


def _action_in(text: str) -> ToolResult | None:
    """The action in an answer that is a JSON object with one; None for every other answer."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    action, response = found.get("action"), found.get("response")
    kind = _ACTIONS.get(action.upper()) if isinstance(action, str) else None
    said = well_formed(response) if isinstance(response, str) else ""
    match kind:
        case "spoken" | "failed" if said:
            return ToolResult(kind=kind, text=said)
        case "answer":
            return ToolResult(kind=kind, text=said or text)
        case "silent":
            return ToolResult(kind=kind)
        case _:
            return None
