"""Keys and tokens of remote servers: from a file, else from an environment variable; never in the settings themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from providers.ports import ProviderError


def key_source(variable: str, file: str) -> str:
    """Where a key is from, for people."""
    return f"the file {file}" if file else f"the environment variable {variable}"


def read_key(name: str, variable: str, file: str, environment: Mapping[str, str]) -> str:
    """The key, or an empty text when there is none. Raises `ProviderError` when what is there is no key."""
    source, key = key_source(variable, file), environment.get(variable, "")
    if file:
        try:
            key = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is not text"
            raise ProviderError(name, f"{source} cannot be read: {reason}.", remedy="Check api_key_file.") from None
    key = key.strip()
    if not all("!" <= character <= "~" for character in key):
        raise ProviderError(
            name, f"the API key in {source} has characters that no key has.", remedy="Copy the key again, one line."
        )
    return key
