"""Authentication: who comes in, by what, and what can be learnt from trying."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from badge.config.settings import AuthSettings, TokenSettings
from badge.edge.auth import DAY, AuthError, Gate, sign, signing_key
from protocol import Identity, identify
from tests.house import FrozenClock

KEY = "the-signing-key"
NOW = int(FrozenClock().now().timestamp())


def badge(token: str = "", *, device: str = "AA:BB", client: str = "c-1", target: str = "/") -> Identity:
    headers = [("device-id", device), ("client-id", client)]
    if token:
        headers.append(("authorization", token))
    return identify(target, headers, lambda: "auto-00000000")


def gate(**settings: object) -> Gate:
    return Gate(AuthSettings(enabled=True, **settings), KEY, FrozenClock())  # type: ignore[arg-type]


STATIC = [
    TokenSettings(name="desk", token="s3cret"),
    TokenSettings(name="lab", token="sha256:" + hashlib.sha256(b"hashed").hexdigest()),
]


def test_without_authentication_everybody_comes_in() -> None:
    assert Gate(AuthSettings(), KEY, FrozenClock()).admit(badge()) == "anyone"


@pytest.mark.req("AU-1", "SC-1")
def test_static_tokens_name_their_owner() -> None:
    assert gate(tokens=STATIC).admit(badge("Bearer s3cret")) == "desk"
    assert gate(tokens=STATIC).admit(badge("Bearer hashed")) == "lab"


@pytest.mark.req("AU-1", "AU-7")
@pytest.mark.parametrize(
    "header",
    ["", "Bearer ", "Bearer wrong", "s3cret", "bearer s3cret", "Basic s3cret", "Bearer s3cret ", "Bearer S3CRET"],
)
def test_anything_else_is_refused(header: str) -> None:
    with pytest.raises(AuthError, match="token"):
        gate(tokens=STATIC).admit(badge(header))


@pytest.mark.req("AU-7", "AD-3")
def test_the_digest_in_the_configuration_opens_no_door() -> None:
    with pytest.raises(AuthError):
        gate(tokens=STATIC).admit(badge(f"Bearer {STATIC[1].token}"))


def test_an_empty_configured_token_matches_nothing() -> None:
    nobody = gate(tokens=[TokenSettings(name="oops", token="")])
    for header in ("", "Bearer", "Bearer "):
        with pytest.raises(AuthError):
            nobody.admit(badge(header))


@pytest.mark.req("AU-7")
def test_all_comparisons_are_constant_time_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret is compared through hmac.compare_digest, and no match ends the search early."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def spy(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr("badge.edge.auth.hmac.compare_digest", spy)
    gate(tokens=STATIC).admit(badge("Bearer s3cret"))
    assert len(compared) == 2
    with pytest.raises(AuthError):
        gate(tokens=STATIC).admit(badge("Bearer x.123"))
    assert len(compared) == 2 + 2 + 2


@pytest.mark.req("AU-2")
def test_known_devices_need_no_token() -> None:
    assert gate(devices=["aa:bb"]).admit(badge()) == "device aa:bb"
    with pytest.raises(AuthError):
        gate(devices=["aa:bb"]).admit(badge(device="aa:cc"))


@pytest.mark.req("AU-3", "B-2")
def test_a_device_id_that_was_chosen_in_the_query_admits_nobody() -> None:
    with pytest.raises(AuthError, match="query names another device"):
        gate(devices=["whitelisted"]).admit(badge(device="a", target="/?device-id=whitelisted"))
    assert gate(devices=["a"]).admit(badge(device="a", target="/?device-id=A")) == "device a"


@pytest.mark.req("AU-8")
def test_a_bound_device_must_come_with_its_client_id() -> None:
    bound = gate(tokens=STATIC, bindings={"AA:BB": "C-1"})
    assert bound.admit(badge("Bearer s3cret", client="c-1")) == "desk"
    with pytest.raises(AuthError, match="bound to another client"):
        bound.admit(badge("Bearer s3cret", client="c-2"))
    assert bound.admit(badge("Bearer s3cret", device="other", client="c-2")) == "desk"


def signature(client: str, device: str, stamp: int) -> str:
    """The reference formula, written out again."""
    digest = hmac.new(KEY.encode(), f"{client}|{device}|{stamp}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() + f".{stamp}"


def test_signed_tokens_have_the_reference_form() -> None:
    assert sign(KEY, client="c", device="d", issued=1700000000) == signature("c", "d", 1700000000)


@pytest.mark.parametrize(
    ("token", "comes_in"),
    [
        (signature("c-1", "aa:bb", NOW), True),
        (signature("c-1", "AA:BB", NOW), True),  # other issuers sign the ids as they are written
        (signature("c-1", "aa:bb", NOW - 29 * DAY), True),
        (signature("c-1", "aa:bb", NOW - 30 * DAY - 1), False),
        (signature("c-1", "aa:bb", NOW + 299), True),
        (signature("c-1", "aa:bb", NOW + 3600), False),
        (signature("c-1", "aa:cc", NOW), False),
        (signature("c-2", "aa:bb", NOW), False),
        (signature("c-1", "aa:bb", NOW).replace(str(NOW), str(NOW + 1)), False),
        (signature("c-1", "aa:bb", NOW).replace(".", "=."), False),
        ("." + str(NOW), False),
        (f"x.{'9' * 400}", False),
        ("x.-5", False),
        ("x.١٢", False),
    ],
)
def test_signed_tokens(token: str, comes_in: bool) -> None:
    if comes_in:
        assert gate().admit(badge(f"Bearer {token}")) == "signed token"
    else:
        with pytest.raises(AuthError):
            gate().admit(badge(f"Bearer {token}"))


@pytest.mark.req("AU-8")
def test_tokens_are_issued_to_known_devices_only() -> None:
    known = gate(devices=["AA:BB"], bindings={"cc:dd": "c-9"})
    token = known.token_for("aa:bb", "c-1")
    assert known.admit(badge(f"Bearer {token}", target="/?device-id=aa:bb")) == "device aa:bb"
    assert gate().admit(badge(f"Bearer {token}")) == "signed token"
    assert known.token_for("cc:dd", "c-9")
    assert known.token_for("cc:dd", "c-1") == ""
    assert known.token_for("ee:ff", "c-1") == ""
    assert known.token_for("ee:ff", "c-1", True)
    assert known.token_for("cc:dd", "c-1", True) == ""  # the configuration goes before
    assert Gate(AuthSettings(devices=["aa:bb"]), KEY, FrozenClock()).token_for("aa:bb", "c-1") == ""


@pytest.mark.req("AU-9")
@pytest.mark.parametrize(
    ("key", "secret", "expected"),
    [
        ("own", "manager", "own"),
        ("", "manager", "manager"),
        ("", "", "invented"),
        ("", "你的密钥", "invented"),
        ("你的密钥", "manager", "manager"),
    ],
)
def test_the_signing_key(key: str, secret: str, expected: str) -> None:
    assert signing_key(AuthSettings(key=key, manager_secret=secret), lambda: "invented") == expected


def test_secrets_are_not_shown() -> None:
    settings = AuthSettings(tokens=STATIC, key="hide-me", manager_secret="hide-me-too")
    assert "s3cret" not in repr(settings)
    assert "hide-me" not in repr(settings)
    assert "sha256" not in repr(STATIC[1])
