"""Calls to the API of a management console, each bounded in time and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from badge.config.devices import ConsoleSettings
from badge.console.answers import too_deep, whole
from badge.log import get_log

if TYPE_CHECKING:
    import httpx2

log = get_log(__name__)

MOST_CALLS = 32
"""Calls at one time; others wait, as long as their own time allows."""

LONGEST_ANSWER = 1024 * 1024
"""Bytes."""


class ConsoleError(Exception):
    """The console did not answer as one does; the message says what it did instead, and holds no secret."""


class Console:
    """The API of a console. Every answer is `{"code": …, "msg": …, "data": …}`."""

    def __init__(self, settings: ConsoleSettings, fallback_secret: str = "") -> None:
        self._settings = settings
        self._fallback_secret = fallback_secret
        self._client: httpx2.AsyncClient | None = None
        self._limit = trio.CapacityLimiter(MOST_CALLS)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections until cancelled."""
        client = await trio.to_thread.run_sync(_client, self._settings, self._fallback_secret)
        self._client = client
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._client = None
            with trio.move_on_after(1, shield=True):
                await client.aclose()

    async def call(self, path: str, body: Mapping[str, Any], *, within: float) -> dict[str, Any]:
        """The answer to one call, an object with a number as `code`. Raises `ConsoleError`, also when there is none within so many
        seconds."""
        try:
            with trio.fail_after(within):
                async with self._limit:
                    return await self._post(path, body)
        except trio.TooSlowError:
            raise ConsoleError(f"it did not answer within {within:g} s") from None

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if self._client is None:
            raise ConsoleError("the server is starting or stopping")
        try:
            async with self._client.stream("POST", self._settings.url.rstrip("/") + path, json=body) as response:
                if response.status_code >= 300:
                    raise ConsoleError(f"it answered with HTTP status {response.status_code}")
                text = await _read(response)
        except ConsoleError:
            raise
        except Exception as exc:  # noqa: BLE001 - the library's exceptions become one
            raise ConsoleError(f"it cannot be reached ({type(exc).__name__})") from None
        return _answer(text)


async def _read(response: httpx2.Response) -> bytes:
    text = bytearray()
    with trio.CancelScope() as scope:
        async with aclosing(response.aiter_raw()) as pieces:  # a little that is packed may be very much
            async for piece in pieces:
                text += piece
                if len(text) > LONGEST_ANSWER:
                    scope.cancel("too long")  # and not an exception: the generators inside have to be unwound
    if len(text) > LONGEST_ANSWER:
        raise ConsoleError(f"its answer is longer than {LONGEST_ANSWER} bytes")
    return bytes(text)


def _answer(text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ConsoleError("its answer is no JSON") from None
    if not isinstance(answer, dict) or type(answer.get("code")) is not int:
        raise ConsoleError("its answer is no object with a code")
    if too_deep(answer):
        raise ConsoleError("its answer is nested too deeply")
    sound: dict[str, Any] = whole(answer) if b"\\ud" in text.lower() else answer
    return sound


def _client(settings: ConsoleSettings, fallback_secret: str) -> httpx2.AsyncClient:
    """Blocking: the import alone takes tenths of a second."""
    import httpx2

    headers = {"Accept-Encoding": "identity"}
    if secret := _sendable(settings.secret or _secret_in(settings.secret_file) or fallback_secret):
        headers["Authorization"] = f"Bearer {secret}"
    return httpx2.AsyncClient(headers=headers, timeout=None, follow_redirects=False)


def _sendable(secret: str) -> str:
    if secret.isascii() and secret.isprintable():
        return secret
    log.error("the secret of the console is not printable ASCII: calls go out without a secret")
    return ""


def _secret_in(file: str) -> str:
    if not file:
        return ""
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        log.error("devices.console.secret_file cannot be read: calls go out without a secret", error=type(exc).__name__)
        return ""
