"""The part of the schema of config.toml that is about who a badge belongs to."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from attrs import frozen

from providers.settings import between, setting


@frozen(kw_only=True)
class ConsoleSettings:
    """The management console, with binding = "console"."""

    url: str = setting(
        "",
        "address of its API, such as http://console.example:8002/xiaozhi. Old name: manager-api.url",
        check=lambda v: not v or _is_address(v),
        expected="empty or an address that begins with http:// or https://",
    )
    secret: str = setting(
        "",
        "server secret of the console; empty: secret_file, else auth.manager_secret. Old name: manager-api.secret",
        check=lambda v: v.isascii() and v.isprintable(),
        expected="printable ASCII characters",
        hidden=True,
        env="BADGE_CONSOLE_SECRET",
    )
    secret_file: str = setting("", "file with the secret")
    timeout_s: float = setting(
        5.0, "longest wait for what it says of a badge; then the settings of this server hold", **between(0.1, 5)
    )
    keep_s: float = setting(
        3600.0, "for so long its last answer about a badge is used while it cannot be reached", **between(0, 604800)
    )
    report_queue: int = setting(
        1000, "parts of conversations that wait to be reported; the oldest make room", **between(1, 100000)
    )


@frozen(kw_only=True)
class DevicesSettings:
    """Who may talk: whether a badge has to belong to somebody before it is answered."""

    binding: Literal["open", "code", "console"] = setting(
        "open",
        "open: every badge is served; code: a new badge tells a code, and is served after `python -m badge devices bind "
        'CODE`; console: a management console decides, and may configure each badge. Old name: read_config_from_api = "console"',
    )
    code_hours: float = setting(24.0, "hours for which a code is valid", **between(0.1, 720))
    pending: int = setting(
        1000, "badges that may wait to be bound; the one that was not seen for longest makes room", **between(1, 100000)
    )
    codes_per_minute: int = setting(60, "new codes in a minute, so that nobody can use them up", **between(1, 100000))
    address: str = setting("", "what a badge shows above its code, such as the address of a page that explains it")
    keys: dict[str, str] = setting(
        {},
        "serial number = key in hexadecimal: a badge with this serial number has to prove by HMAC-SHA256 that it has the "
        "key before its activation is confirmed. Of others the proof is ignored",
        hidden=True,
    )
    console: ConsoleSettings = ConsoleSettings()


def wrong_devices(settings: DevicesSettings) -> list[tuple[str, object, str]]:
    """What no single field can see: (key, value, what would be right)."""
    found: list[tuple[str, object, str]] = []
    if settings.binding == "console" and not settings.console.url:
        found.append(("devices.console.url", "", 'must be the address of the console, as devices.binding is "console"'))
    for serial, key in settings.keys.items():
        if not _is_key(key):
            found.append((f"devices.keys.{serial}", "***", "must be a key in hexadecimal, of at least 16 bytes"))
    return found


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) >= 16
    except ValueError:
        return False
