"""The settings of a server with the OpenAI API, and what they say in a request."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import frozen

from providers.openai_client import Account
from providers.ports import ChatMessage, Prompt
from providers.settings import between, plain_json, setting


def _model_before_key(_: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """The order of config.toml: the address, what is asked there, the key and the times to wait. Without this all of
    the account comes first."""
    names = attrs.fields_dict(Account)
    address, *account = [field for field in fields if field.name in names]
    own = [field for field in fields if field.name not in names]
    after_key = [field.name for field in own].index("api_key") + 1
    return [address, *own[:after_key], *account, *own[after_key:]]


@frozen(kw_only=True, field_transformer=_model_before_key)
class OpenAiSettings(Account):
    """A server with the OpenAI API: the official one, another company's, or a local one such as Ollama or llama.cpp."""

    model: str = setting("gpt-4o-mini", "name of the model", check=bool, expected="the name of a model")
    temperature: float = setting(-1.0, "randomness, 0 to 2; -1 leaves it to the server", **between(-1, 2))
    top_p: float = setting(
        0.0, "share of likely words to choose from, up to 1; 0 leaves it to the server", **between(0, 1)
    )
    max_tokens: int = setting(0, "longest answer in tokens; 0 leaves it to the server", **between(0, 1_000_000))
    extra: dict[str, Any] = setting(
        {},
        "further fields of the request, such as { enable_thinking = false }",
        check=plain_json,
        expected="values that JSON has: text, numbers, true, false, lists and tables",
    )
    api_key: str = setting(
        "",
        "the key itself. Prefer api_key_env or api_key_file, which keep it out of this file; api_key overrides both",
        hidden=True,
    )
    first_token_timeout_s: float = setting(10.0, "longest wait for the first word", **between(0.1, 300))
    token_timeout_s: float = setting(10.0, "longest wait between two words", **between(0.1, 300))
    retry: bool = setting(True, "ask once more when the server fails before the first word and there is time left")

    @property
    def given_key(self) -> str:
        """`api_key`."""
        return self.api_key


def fields_of(settings: OpenAiSettings, prompt: Prompt) -> dict[str, Any]:
    """The fields of a request that asks this."""
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": [_message(message) for message in prompt.messages],
        "stream": True,
    }
    if settings.temperature >= 0:
        request["temperature"] = settings.temperature
    if settings.top_p > 0:
        request["top_p"] = settings.top_p
    if limit := prompt.max_tokens or settings.max_tokens:
        # Newer official models refuse the old name, other servers do not know the new one.
        request["max_tokens" if settings.base_url else "max_completion_tokens"] = limit
    if prompt.tools:
        request["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in prompt.tools
        ]
    if settings.extra:
        request["extra_body"] = dict(settings.extra)
    return request


def _message(message: ChatMessage) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        fields["content"] = message.content or None  # next to calls an empty text is not understood everywhere
        fields["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in message.calls
        ]
    if message.call:
        fields["tool_call_id"] = message.call
    return fields
