"""Keys and tokens of remote servers: from a file, else from an environment variable; some may stand in the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from providers.ports import ProviderError


def key_source(variable: str, file: str, given: str = "") -> str:
    """Where a key is from, for people. One that is `given` beside a file was read from it before."""
    if file:
        return f"the file {file}"
    return "api_key" if given else f"the environment variable {variable}"


def key_in(file: str) -> str:
    """What a file with a key says now. Raises `OSError`, or `UnicodeDecodeError` when it is not text."""
    return Path(file).read_text(encoding="utf-8").strip()


def read_key(name: str, variable: str, file: str, environment: Mapping[str, str], given: str = "") -> str:
    """The key, or an empty text when there is none; one that is `given` overrides the file, and that the variable. For
    threads, because of the file. Raises `ProviderError` when what is there is no key."""
    source, key = key_source(variable, file, given), given or environment.get(variable, "")
    if file and not given:
        try:
            key = key_in(file)
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is not text"
            raise ProviderError(name, f"{source} cannot be read: {reason}.", remedy="Check api_key_file.") from None
    key = key.strip()
    if not all("!" <= character <= "~" for character in key):
        raise ProviderError(
            name, f"the API key in {source} has characters that no key has.", remedy="Copy the key again, one line."
        )
    return key
