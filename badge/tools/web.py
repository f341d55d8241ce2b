"""Requests to HTTP services that the operator has chosen; what they answer is hostile."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import quote

import httpx2
import trio
from attrs import field, frozen

from badge.log import get_log

log = get_log(__name__)

LARGEST = 1 << 20
"""Bytes of an answer that are read; the rest is left."""

PATIENCE = 10.0
"""Seconds for one whole exchange."""

_PLAIN = {"accept-encoding": "identity"}
"""A small packed answer may be a large one."""

_CHARSET = re.compile(r"ascii|utf-(8|16|32)(-.*)?|iso8859-\d+|cp\d+|gb\w+|big5\w*|euc_\w+|shift_jis\w*|koi8-\w")


class WebError(Exception):
    """A service did not answer as it should; the message says how, without the address."""


@frozen(kw_only=True)
class Page:
    """What a service answered, as text."""

    text: str = field(repr=False)
    whole: bool = True

    def json(self) -> Any:
        """The value. Raises `WebError`."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as exc:
            raise WebError("it answered with something that is no JSON") from exc


class Web:
    """A client for all requests, opened with the first one."""

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Live until cancelled; then close connections that were kept."""
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            if self._client is not None:
                with trio.move_on_after(1, shield=True):
                    await self._client.aclose()

    async def ask(
        self,
        address: str,
        *,
        method: Literal["GET", "POST"] = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Page:
        """Make a request. Raises `WebError`."""
        try:
            with trio.fail_after(PATIENCE):
                return await self._exchange(method, address, headers, body)
        except trio.TooSlowError as exc:
            raise WebError(f"it did not answer within {PATIENCE:g} s") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise WebError(f"it cannot be reached ({type(exc).__name__})") from exc

    async def _exchange(self, method: str, address: str, headers: Mapping[str, str] | None, body: Any) -> Page:
        if self._client is None:
            made = await trio.to_thread.run_sync(_client)
            self._client = self._client or made
        async with self._client.stream(method, address, headers={**_PLAIN, **(headers or {})}, json=body) as response:
            if response.status_code >= 300:
                raise WebError(f"it answered with status {response.status_code}")
            data = bytearray()
            with trio.CancelScope() as reading:
                async for piece in response.aiter_raw():
                    data += piece
                    if (
                        len(data) > LARGEST
                    ):  # not `break`: the package's nested generators end only when they are resumed
                        reading.cancel("more than is wanted")
        text = bytes(data[:LARGEST]).decode(_encoding(response), "replace")
        return Page(text=text, whole=len(data) <= LARGEST)


def _client() -> httpx2.AsyncClient:
    """Loading certificates takes a moment."""
    return httpx2.AsyncClient(timeout=PATIENCE, follow_redirects=False, trust_env=False)


def _encoding(response: httpx2.Response) -> str:
    """The one that the service names, if texts have such; Python knows others, which take minutes for a page, or fail."""
    with suppress(LookupError, ValueError):
        name = codecs.lookup(response.charset_encoding or "utf-8").name
        return name if _CHARSET.fullmatch(name) else "utf-8"
    return "utf-8"


def filled(template: str, **values: object) -> str:
    """An address with values in the places of its names, such as `{place}`."""
    for name, value in values.items():
        template = template.replace("{" + name + "}", quote(str(value), safe=""))
    return template
