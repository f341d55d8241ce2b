"""The answer to an over-the-air report, as a function of what the badge sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge.edge.ota import MAX_BODY, Firmware, Report, ota_reply, read_report, websocket_url

MAC = "aa:bb:cc:dd:ee:ff"
UUID = "3c2b1f9e-1111-4222-8333-0123456789ab"

FULL_BODY = {
    "version": 2,
    "language": "zh-CN",
    "flash_size": 16777216,
    "mac_address": MAC,
    "uuid": UUID,
    "chip_model_name": "esp32s3",
    "application": {"name": "xiaozhi", "version": "2.2.0", "elf_sha256": "ab" * 32},
    "display": {"monochrome": False, "width": 240, "height": 240},
    "board": {"type": "bread-compact-wifi", "name": "bread", "ip": "192.168.1.20", "mac": MAC},
}


def report_of(body: object = b"", **headers: str) -> Report | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_report([(name.replace("_", "-"), value) for name, value in headers.items()], raw)


def reply_to(report: Report, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"now_ms": 1_795_248_157_866, "offset_minutes": 480, "url": "ws://host:8000/xiaozhi/v1/"}
    return ota_reply(report, **{**given, **changes})


# --- the report -------------------------------------------------------------------------------------------------------


@pytest.mark.req("OT-1")
def test_reads_what_firmware_sends() -> None:
    report = report_of(FULL_BODY, Device_Id=MAC, Client_Id=UUID, User_Agent="bread-compact-wifi/2.2.0")
    assert report == Report(device=MAC, client=UUID, version="2.2.0", model="bread-compact-wifi")


def test_ids_are_normalised_as_at_the_websocket() -> None:
    report = report_of(DEVICE_ID=' "AA:BB:CC:DD:EE:FF" ', client_id="'X-1'")
    assert report is not None
    assert (report.device, report.client) == (MAC, "x-1")


def test_client_defaults_to_device() -> None:
    assert report_of(Device_Id=MAC, Client_Id=' "" ') == Report(device=MAC, client=MAC)


@pytest.mark.parametrize("device", [None, "", "  ", '""', "x" * 129, "a\x07b"])
def test_without_a_usable_device_there_is_no_report(device: str | None) -> None:
    assert report_of(FULL_BODY, **({} if device is None else {"Device_Id": device})) is None


def test_an_unusable_client_id_refuses_too() -> None:
    assert report_of(Device_Id=MAC, Client_Id="y" * 129) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b'{"application":{"version":"2.2.0"},},"board":{}}',
        b'"just text"',
        b"[1,2]",
        b"null",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"1" * 5000,
        b'{"application":"2.2.0","board":7}',
        b'{"application":{"version":2.2},"board":{"type":["x"]}}',
        b'{"application":{"version":null}}',
        json.dumps({"application": {"version": "2.2.0"}, "fill": "x" * MAX_BODY}).encode(),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_bad_body_is_ignored(body: bytes) -> None:
    assert report_of(body, Device_Id=MAC) == Report(device=MAC, client=MAC)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_no_error(body: bytes) -> None:
    assert report_of(body, Device_Id=MAC) is not None


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_in_known_places_is_no_error(value: object) -> None:
    report = report_of({"application": value, "board": {"type": value}}, Device_Id=MAC)
    assert report is not None
    assert isinstance(report.model, str)


def test_version_comes_from_the_agent_when_the_body_is_broken() -> None:
    broken = b'{"application":{"version":"2.2.0"},"display":{},},}'
    report = report_of(broken, Device_Id=MAC, User_Agent="bread-compact-wifi/1.9.4")
    assert report is not None
    assert report.version == "1.9.4"


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (X11; Linux)", "py-xiaozhi", "a/b/1.2", "x/1.2-beta", "x/", "x/1..2"])
def test_other_agents_are_no_versions(agent: str) -> None:
    report = report_of(Device_Id=MAC, User_Agent=agent)
    assert report is not None
    assert report.version == ""


def test_headers_come_before_the_body() -> None:
    report = report_of(FULL_BODY, Device_Id=MAC, Device_Version="2.3.1", Device_Model="my-board")
    assert report is not None
    assert (report.version, report.model) == ("2.3.1", "my-board")


@pytest.mark.parametrize("version", ["v2.2.0", "2.2.0-beta", "", "٢.٢", "1" * 10, "2..2", "2.2.", " 2.2"])
def test_a_version_that_firmware_could_not_read_is_not_passed_on(version: str) -> None:
    report = report_of({"application": {"version": version}}, Device_Id=MAC)
    assert report is not None
    assert reply_to(report)["firmware"] == {"version": "0.0.0", "url": ""}


# --- the reply --------------------------------------------------------------------------------------------------------


@pytest.mark.req("OT-1", "OT-3")
def test_the_whole_reply() -> None:
    assert reply_to(Report(device=MAC, client=UUID, version="2.2.0"), token="sig.123") == {
        "server_time": {"timestamp": 1_795_248_157_866, "timezone_offset": 480},
        "firmware": {"version": "2.2.0", "url": ""},
        "websocket": {"url": "ws://host:8000/xiaozhi/v1/", "token": "sig.123"},
    }


def test_without_authentication_the_token_is_empty() -> None:
    assert reply_to(Report(device=MAC, client=MAC))["websocket"]["token"] == ""


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_framing_is_told_only_when_configured(version: int) -> None:
    report = Report(device=MAC, client=MAC)
    assert "version" not in reply_to(report)["websocket"]
    assert reply_to(report, version=version)["websocket"]["version"] == version


@settings(deadline=None)
@given(st.builds(Report, device=st.text(), client=st.text(), version=st.just(""), model=st.text()))
def test_firmware_is_always_there_and_mqtt_never(report: Report) -> None:
    reply = reply_to(report)
    assert set(reply) == {"server_time", "firmware", "websocket"}
    assert set(reply["firmware"]) == {"version", "url"}


@pytest.mark.parametrize(
    ("running", "offered", "told"),
    [
        ("2.2.0", "2.2.1", "2.2.1"),
        ("2.9.0", "2.10.0", "2.10.0"),
        ("2.2", "2.2.0", "2.2"),
        ("2.2.0", "2.2.0", "2.2.0"),
        ("2.3.0", "2.2.9", "2.3.0"),
        ("2.2", "2.2.0.1", "2.2.0.1"),
        ("", "2.2.0", "0.0.0"),
    ],
)
def test_firmware_is_offered_only_when_newer(running: str, offered: str, told: str) -> None:
    report = Report(device=MAC, client=MAC, version=running)
    reply = reply_to(report, firmware=Firmware(version=offered, url="http://host/fw.bin"))
    assert reply["firmware"] == {"version": told, "url": "http://host/fw.bin" if told == offered != running else ""}


def test_firmware_of_another_board_is_not_offered() -> None:
    offer = Firmware(version="9.0.0", url="http://host/fw.bin", model="esp-box")
    other = Report(device=MAC, client=MAC, version="2.2.0", model="bread-compact-wifi")
    fits = Report(device=MAC, client=MAC, version="2.2.0", model="esp-box")
    assert reply_to(other, firmware=offer)["firmware"] == {"version": "2.2.0", "url": ""}
    assert reply_to(fits, firmware=offer)["firmware"] == {"version": "9.0.0", "url": "http://host/fw.bin"}


@pytest.mark.parametrize("version", ["", "v1.2", "1.2-rc1", "latest"])
def test_an_offer_that_firmware_could_not_read_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="dotted numbers"):
        Firmware(version=version)


# --- the address ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.168.1.5:8003", "192.168.1.5"),
        ("192.168.1.5", "192.168.1.5"),
        ("Badge.Local:8003", "badge.local"),
        ("my_service:1", "my_service"),
        ("[::1]:8003", "[::1]"),
        ("[2001:DB8::7]", "[2001:db8::7]"),
        ("[::ffff:10.0.0.3]:8003", "10.0.0.3"),
    ],
)
def test_the_address_follows_the_host_header(host: str, expected: str) -> None:
    assert websocket_url("", host, 8000) == f"ws://{expected}:8000/xiaozhi/v1/"


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "evil.example/xiaozhi",
        "a@b",
        "user:pw@host",
        "a b",
        "host:80:80",
        "host:8x",
        "[::1",
        "[not-v6]",
        "[::1]x",
        "-a.example",
        "a..b",
        ".",
        'a"b',
        "a\r\nX: y",
        "a%00",
        "例子.example",
        "x" * 64 + ".example",
        "a." * 200 + "example",
        "ws://x",
        "host:٣",
    ],
)
def test_a_hostile_host_header_is_ignored(host: str) -> None:
    assert websocket_url("", host, 8000, reached="10.1.2.3") == "ws://10.1.2.3:8000/xiaozhi/v1/"
    assert websocket_url("", host, 8000) == "ws://localhost:8000/xiaozhi/v1/"


@pytest.mark.parametrize(
    ("reached", "expected"),
    [("::1", "[::1]"), ("::ffff:10.0.0.3", "10.0.0.3"), ("fe80::1%eth0", "[fe80::1]"), ("10.0.0.3", "10.0.0.3")],
)
def test_the_address_of_the_socket_serves_when_there_is_no_host(reached: str, expected: str) -> None:
    assert websocket_url("", "", 8000, reached=reached) == f"ws://{expected}:8000/xiaozhi/v1/"


def test_a_configured_address_wins() -> None:
    assert websocket_url("wss://badge.example/x/", "other:1", 8000) == "wss://badge.example/x/"


@settings(deadline=None)
@given(st.text(max_size=80))
def test_no_host_header_breaks_out_of_the_address(host: str) -> None:
    url = websocket_url("", host, 8000)
    assert url.startswith("ws://")
    assert url.endswith(":8000/xiaozhi/v1/")
    inside = url.removeprefix("ws://").removesuffix(":8000/xiaozhi/v1/")
    assert not set(inside) & set("/@?#\\ \r\n\"'<>")
    assert inside.isascii()
