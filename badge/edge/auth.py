"""Who may come in: static tokens, signed tokens, known devices; secrets are compared in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

from badge.clock import WallClock
from badge.config.settings import AuthSettings
from protocol import Identity, normalise

PLACEHOLDER = "你"
"""In a secret it means that nobody has filled in the template yet."""

SCHEME = "Bearer "
SHA256 = "sha256:"
CLOCK_SKEW = 300
"""Seconds by which another machine's clock may run ahead when it signs tokens."""

DAY = 86_400


class AuthError(Exception):
    """The badge may not come in; the message is for the log, not for the badge."""


def signing_key(settings: AuthSettings, invent: Callable[[], str]) -> str:
    """The key that signs tokens: the configured one, else the manager's secret, else an invented one."""
    for key in (settings.key, settings.manager_secret):
        if key and PLACEHOLDER not in key:
            return key
    return invent()


def sign(key: str, *, client: str, device: str, issued: int) -> str:
    """A signed token for one pair of ids, in the form that the reference server and its gateways use; `issued` in
    seconds since the epoch."""
    digest = hmac.new(key.encode(), f"{client}|{device}|{issued}".encode(), hashlib.sha256).digest()
    return f"{base64.urlsafe_b64encode(digest).decode().rstrip('=')}.{issued}"


class Gate:
    """Decides on every connection, and issues the tokens that it will accept."""

    def __init__(self, settings: AuthSettings, key: str, clock: WallClock) -> None:
        self._enabled = settings.enabled
        self._tokens = [(entry.name, _configured(entry.token)) for entry in settings.tokens if entry.token]
        self._key = key
        self._clock = clock
        self._devices = frozenset(normalise(device) for device in settings.devices)
        self._bindings: Mapping[str, str] = {
            normalise(device): normalise(client) for device, client in settings.bindings.items()
        }
        self._lifetime = settings.token_days * DAY

    def admit(self, identity: Identity) -> str:
        """The name under which this badge comes in, for the log. Raises `AuthError`."""
        if not self._enabled:
            return "anyone"
        bound = self._bindings.get(identity.device)
        if bound is not None and bound != identity.client:
            raise AuthError("the device is bound to another client id")
        name = self._known_device(identity) or self._known_token(identity)
        if name is None:
            raise AuthError("no valid token" if identity.authorization else "no token")
        return name

    def token_for(self, device: str, client: str, bound: bool = False) -> str:  # noqa: FBT001, FBT002 - an issuer
        """A signed token for a device that this server knows, or that is `bound` to somebody together with its client id;
        empty for all others, and where none is needed."""
        known = bound or device in self._devices or self._bindings.get(device) == client
        if not self._enabled or not known or self._bindings.get(device, client) != client:
            return ""
        return sign(self._key, client=client, device=device, issued=self._now())

    def _known_device(self, identity: Identity) -> str | None:
        if identity.device not in self._devices:
            return None
        if identity.id_overridden:
            raise AuthError("the query names another device than the header; a device id chosen so admits nobody")
        return f"device {identity.device}"

    def _known_token(self, identity: Identity) -> str | None:
        if not identity.authorization.startswith(SCHEME):
            return None
        token = identity.authorization[len(SCHEME) :]
        offered, found = _digest(token), None
        for name, digest in self._tokens:  # all of them, always: the time must not tell which one was near
            if hmac.compare_digest(offered, digest):
                found = name
        return found if found is not None else self._signed(token, identity)

    def _signed(self, token: str, identity: Identity) -> str | None:
        _, _, stamp = token.rpartition(".")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return None
        issued, now = int(stamp), self._now()
        fresh = now - self._lifetime <= issued <= now + CLOCK_SKEW
        matches = False
        for client, device in (
            (identity.client, identity.device),
            (identity.raw_client, identity.raw_device),  # other issuers sign the ids as the badge writes them
        ):
            expected = sign(self._key, client=client, device=device, issued=issued)
            matches |= hmac.compare_digest(expected.encode(), token.encode())
        return "signed token" if fresh and matches else None

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _configured(token: str) -> bytes:
    """The digest of a configured token, which may be written as its digest; an offered one may not."""
    if token.lower().startswith(SHA256):
        return token[len(SHA256) :].lower().encode()
    return _digest(token)


def _digest(token: str) -> bytes:
    """What is compared instead of the token."""
    return hashlib.sha256(token.encode()).hexdigest().encode()
