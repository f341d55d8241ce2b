"""Who connects: ids, framing and credentials from target and headers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Framing, HandshakeError, Identity, Source, identify, normalise


def who(target: str = "/", *headers: tuple[str, str]) -> Identity:
    return identify(target, headers, lambda: "auto-0badcafe")


@pytest.mark.req("HS-2", "HS-3", "HS-13")
@pytest.mark.parametrize(
    ("target", "headers", "device", "source"),
    [
        ("/x?device-id=q", [("device-id", "h")], "q", Source.QUERY),
        ("/x?device_id=q", [("device-id", "h")], "q", Source.QUERY),
        ("/x?device_id=under&device-id=hyphen", [], "hyphen", Source.QUERY),
        ("/x?device-id=first&device-id=second", [], "first", Source.QUERY),
        ("/x?device-id=", [("device-id", "h")], "h", Source.HEADER),
        ("/x?device-id=&device_id=u", [("device-id", "h")], "u", Source.QUERY),
        ("/x?device-id=%20%20", [("device-id", "h")], "h", Source.HEADER),
        ("/x", [("device-id", "h")], "h", Source.HEADER),
        ("/x", [], "auto-0badcafe", Source.AUTO),
    ],
)
def test_device_id_comes_from_query_then_header_then_is_invented(
    target: str, headers: list[tuple[str, str]], device: str, source: Source
) -> None:
    found = who(target, *headers)
    assert (found.device, found.source) == (device, source)


@pytest.mark.req("HS-4", "B-3")
def test_header_names_are_tried_in_order_and_in_any_case() -> None:
    names = ["device-id", "device_id", "x-device-id", "x-device_id"]
    for at, name in enumerate(names):
        headers = [(later.upper(), later) for later in reversed(names[at:])]
        assert who("/", *headers).device == name
    names = ["client-id", "client_id", "x-client-id", "x-client_id"]
    for at, name in enumerate(names):
        headers = [("Device-Id", "d"), *((later.title(), later) for later in reversed(names[at:]))]
        assert who("/", *headers).client == name


@pytest.mark.req("HS-5")
def test_client_header_stands_in_for_a_missing_device_id() -> None:
    found = who("/", ("X-Client-Id", "cc"))
    assert (found.device, found.client, found.source) == ("cc", "cc", Source.HEADER)


@pytest.mark.req("HS-7")
def test_client_query_stands_in_for_a_missing_device_id() -> None:
    found = who("/?client-id=CQ")
    assert (found.device, found.client, found.source) == ("cq", "cq", Source.QUERY)


@pytest.mark.req("HS-6")
@pytest.mark.parametrize(
    ("target", "headers", "client"),
    [
        ("/?device-id=d&client-id=q", [("client-id", "h")], "q"),
        ("/?device-id=d", [("client-id", "h")], "d"),
        ("/", [("device-id", "d"), ("client-id", "h")], "h"),
        ("/", [("device-id", "d")], "d"),
        ("/?client-id=q", [("device-id", "d"), ("client-id", "h")], "q"),
    ],
)
def test_client_id_rules(target: str, headers: list[tuple[str, str]], client: str) -> None:
    assert who(target, *headers).client == client


@pytest.mark.req("HS-8", "HS-9", "B-5")
@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  AA:BB ", "aa:bb"),
        ('"AA"', "aa"),
        ("'aa'", "aa"),
        ("\"'x'\"", "x"),
        ("'\"x\"'", "x"),
        ('" "', ""),
        ("' \" '", ""),
        ("", ""),
    ],
)
def test_normalisation_repeats_until_nothing_changes(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@pytest.mark.req("HS-9")
@given(st.text(alphabet=" \"'aB\t", max_size=12))
def test_normalisation_is_idempotent(raw: str) -> None:
    once = normalise(raw)
    assert normalise(once) == once


@pytest.mark.req("HS-10", "HS-9")
def test_blank_ids_are_no_ids() -> None:
    assert who("/?device-id=%22%20%22", ("device-id", '"'), ("client-id", " ")).source is Source.AUTO


@pytest.mark.req("HS-12")
def test_bare_query_target() -> None:
    assert who("?device-id=q").device == "q"


@pytest.mark.req("B-1")
def test_identity_depends_on_nothing_but_its_arguments() -> None:
    assert who("/?device-id=VICTIM").device == "victim"
    assert who("/").device == "auto-0badcafe"


@pytest.mark.req("AU-3")
def test_query_that_overrides_another_header_id_is_noticed() -> None:
    assert who("/?device-id=b", ("device-id", "a")).id_overridden
    assert not who("/?device-id=a", ("device-id", "A")).id_overridden
    assert not who("/?device-id=a").id_overridden
    assert not who("/", ("device-id", "a")).id_overridden


@pytest.mark.parametrize(
    ("target", "headers", "framing"),
    [
        ("/", [], Framing.V1),
        ("/", [("Protocol-Version", "1")], Framing.V1),
        ("/", [("protocol-version", "2")], Framing.V2),
        ("/", [("PROTOCOL-VERSION", "3")], Framing.V3),
        ("/?protocol-version=3", [], Framing.V3),
        ("/?from=mqtt_gateway", [("protocol-version", "2")], Framing.GATEWAY),
        ("/?from=mqtt_gateway&x=1", [], Framing.V1),
    ],
)
def test_framing(target: str, headers: list[tuple[str, str]], framing: Framing) -> None:
    assert who(target, *headers).framing is framing


@pytest.mark.parametrize("version", ["0", "4", "two", "2.0"])
def test_unknown_framing_is_refused(version: str) -> None:
    with pytest.raises(HandshakeError, match="1, 2 or 3") as refused:
        who("/", ("protocol-version", version))
    assert refused.value.status == 400


def test_authorization_from_header_before_query() -> None:
    assert who("/?authorization=Bearer%20q").authorization == "Bearer q"
    assert who("/?authorization=Bearer%20q", ("Authorization", "Bearer h")).authorization == "Bearer h"
    assert "secret" not in repr(who("/?authorization=Bearer%20secret"))


@pytest.mark.parametrize("bad", ["x" * 129, "a\nb", "a\x00b", "\x1b[31m"])
def test_ids_that_nobody_could_mean_are_refused(bad: str) -> None:
    with pytest.raises(HandshakeError, match="device-id") as refused:
        who("/", ("device-id", bad))
    assert refused.value.status == 400


@given(st.text(max_size=60), st.lists(st.tuples(st.text(max_size=14), st.text(max_size=30)), max_size=6))
def test_any_request_gives_an_identity_or_a_refusal(target: str, headers: list[tuple[str, str]]) -> None:
    with suppress(HandshakeError):
        found = identify(target, headers, lambda: "auto-00000000")
        assert found.device
        assert found.client
        assert found.device == normalise(found.device)
