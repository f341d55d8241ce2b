"""A badge that belongs to nobody, from its first report to its first answer: the real program, and an operator's commands."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio_websocket

from badge import texts
from badge.boundary import leaves
from badge.client.device import Introduction, connect
from badge.config.devices import ConsoleSettings
from badge.config.settings import Settings
from tests.console.server import AGENT_MODELS, REPORT, local_console, ok
from tests.e2e.running import client, scripted_server
from tests.e2e.test_program import NOTHING, QUIET, ROOT, badge, program
from tests.house import changed

MAC, UUID = "aa:bb:cc:00:00:01", "3c2b1f9e-1111-4222-8333-0123456789ab"
KEY = "00112233445566778899aabbccddeeff"
BOTH = ["/xiaozhi/ota", "/xiaozhi/ota/"]


async def post(port: int, path: str, body: object = None, **headers: str) -> httpx2.Response:
    names = {"Device-Id": MAC, "Client-Id": UUID, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        return await http.post(f"http://127.0.0.1:{port}{path}", content=json.dumps(body or {}), headers=names)


async def report(port: int, path: str = BOTH[1], **headers: str) -> Mapping[str, Any]:
    answer = await post(port, path, {"application": {"version": "2.2.0"}}, **headers)
    assert answer.status_code == 200
    found: Mapping[str, Any] = answer.json()
    return found


def coded(folder: Path, **devices: Any) -> str:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"binding": "code", **devices}.items())
    return f"{NOTHING}[devices]\n{lines}[store]\nfile = '{folder / 'team.db'}'\n"


@pytest.mark.req("PC-5", "PC-9", "PC-10")
def test_from_the_code_to_the_conversation(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"

    async def operator(*arguments: str) -> str:
        command = [sys.executable, "-m", "badge", "devices", *arguments, "--config", str(config)]
        done = await trio.run_process(
            command, env={**os.environ, **QUIET}, cwd=ROOT, capture_stdout=True, capture_stderr=True, check=False
        )
        assert b"Traceback" not in done.stderr
        return f"{done.returncode} {done.stdout.decode().strip()}"

    async def live(ws_port: int, http_port: int) -> None:
        writes = [sys.executable, "-m", "badge", "say", "--url", f"ws://127.0.0.1:{ws_port}/", "--text", "hello"]
        heard = await trio.run_process([*writes, "--device", "new-1"], cwd=ROOT, capture_stdout=True)
        assert b"to bind this device" in heard.stdout  # whoever writes learns the code as well
        activation = (await report(http_port, BOTH[0]))["activation"]
        code = activation["code"]
        assert len(code) == 6
        assert code.isdigit()
        assert activation["message"] == f"badge.example\n{code}"
        assert activation["timeout_ms"] > 0
        again = (await report(http_port))["activation"]
        assert again == activation  # stable until it is bound
        for path in BOTH:
            assert (await post(http_port, f"{path.rstrip('/')}/activate")).status_code == 202
            assert (await post(http_port, f"{path.rstrip('/')}/activate/")).status_code == 202
        me = Introduction(device=MAC, client=UUID)
        async with connect(f"ws://127.0.0.1:{ws_port}/xiaozhi/v1/", me) as one:
            said = ""
            while code not in said:
                said += (await one.until("tts", state="sentence_start"))["text"]
            await one.until("tts", state="stop")
            listed = await operator("list", "--json")
            assert listed.startswith("0 "), listed
            assert json.loads(listed[2:])[0]["code"] == code
            assert (await operator("bind", "000000" if code != "000000" else "000001")).startswith("1 no badge waits")
            assert await operator("bind", f"{code[:3]} {code[3:]}", "--owner", "Ann") == f"0 {MAC} is bound"
            said = ""
            while "talk now" not in said:
                said += (await one.until("tts", state="sentence_start"))["text"]
            await one.until("tts", state="stop")
            assert (await post(http_port, "/xiaozhi/ota/activate")).status_code == 200
            assert "activation" not in await report(http_port)
            await one.tell(type="listen", state="detect", text="what is 6 times 7")
            assert "42" in (await one.until("tts", state="sentence_start"))["text"]
            assert await operator("rename", MAC, "Desk") == f"0 {MAC} is called Desk"
            shown = await operator("list")
            assert all(word in shown for word in (MAC, "bound", "online", "Desk", "Ann"))

    with program(tmp_path, coded(tmp_path, address="badge.example")) as server:

        async def bounded() -> None:
            with trio.fail_after(100):
                await live(server.ws_port, server.http_port)

        trio.run(bounded)
        server.process.terminate()
        server.process.wait(30)
        assert "6 times 7" not in server.log()


def test_the_operator_needs_no_running_server(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(coded(tmp_path), encoding="utf-8")

    def operator(*arguments: str, **more: str) -> tuple[int, str]:
        done = badge("devices", *arguments, "--config", more.get("config") or tmp_path / "config.toml")
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout.strip()

    assert operator("list") == (0, "no badge is known yet")
    assert operator("bind", "Badge-7", "--owner", "Ann") == (0, "badge-7 is bound; it has not been here yet")
    assert operator("rename", "badge-7", "Desk") == (0, "badge-7 is called Desk")
    status, shown = operator("list")
    assert status == 0
    assert all(word in shown for word in ("badge-7", "bound", "never", "Desk", "Ann"))
    assert operator("rename", "badge-7", " ") == (0, "badge-7 has no name any more")
    assert operator("unbind", "BADGE-7") == (0, "badge-7 is not bound any more")
    assert operator("unbind", "nobody") == (1, "nobody: there is no such device; `devices list` shows all")
    assert operator("bind", "123456")[1].startswith("no badge waits with the code 123456")
    assert operator("bind", "12-345") == (1, "a code has 6 digits, 12-345 has 5")
    assert operator("bind", "badge-7", "--owner", "x" * 101)[0] == 1
    other = tmp_path / "other.toml"
    other.write_text("[store]\nuse = 'memory'\n", encoding="utf-8")
    assert operator("list", config=str(other))[1].startswith("store.use is memory")
    other.write_text(f"[store]\nfile = '{tmp_path / 'no' / 'badge.db'}'\n", encoding="utf-8")
    for command in (("list",), ("bind", "x"), ("bind", "123456")):
        hint = operator(*command, config=str(other))[1].splitlines()[-1]
        assert hint.startswith("every badge is served, bound or not"), command
    assert json.loads(operator("list", "--json", config=str(other))[1])[0]["device"] == "x"


@pytest.mark.req("PC-5")
async def test_a_badge_whose_key_is_known_has_to_prove_itself() -> None:
    settings = changed(devices={"binding": "code", "keys": {"SN-1": KEY}})
    async with scripted_server(settings=settings) as (server, house):
        activation = (await report(server.http_port, Activation_Version="2", Serial_Number="SN-1"))["activation"]

        def proof(key: str, challenge: str = activation["challenge"]) -> dict[str, str]:
            signed = hmac.new(bytes.fromhex(key), challenge.encode(), hashlib.sha256).hexdigest()
            return {"algorithm": "hmac-sha256", "serial_number": "SN-1", "challenge": challenge, "hmac": signed}

        async def status(body: object = None, **headers: str) -> int:
            return (await post(server.http_port, "/xiaozhi/ota/activate", body, **headers)).status_code

        good = proof(KEY)
        assert await status(good) == 202
        await house.office.binding.registry.bind(activation["code"])
        assert await status(good) == 200
        assert await status({"Payload": good}, Serial_Number="SN-1") == 200
        for bad in (
            {},
            proof("ff" * 16),
            proof(KEY, "another challenge"),
            {**good, "hmac": 5},
            {**good, "hmac": "é"},
            {**good, "hmac": "\ud800", "serial_number": "\ud800"},
            {"Payload": []},
            [],
        ):
            assert await status(bad) == 403, bad
        assert (await report(server.http_port, Device_Id="other", Serial_Number="SN-2"))["activation"]
        assert await status({**good, "serial_number": "SN-2"}, Device_Id="other") == 202  # its key is not known


@pytest.mark.req("AU-8", "PC-5")
@pytest.mark.parametrize("binding", ["code", "console"])
async def test_where_tokens_are_needed_a_badge_gets_one_when_it_is_bound_and_nobody_else(binding: str) -> None:
    async with local_console() as console:
        console.answers[AGENT_MODELS] = {"code": 10042, "msg": "654321"}
        settings = attrs.evolve(with_console(console.url), auth=attrs.evolve(Settings().auth, enabled=True))
        settings = attrs.evolve(settings, devices=attrs.evolve(settings.devices, binding=binding))
        async with scripted_server(settings=settings) as (server, house):
            first = await report(server.http_port)
            assert first["activation"]["code"]
            assert first["websocket"]["token"] == ""
            if binding == "code":
                await house.office.binding.registry.bind(first["activation"]["code"])
                assert (await report(server.http_port, Client_Id="another"))["websocket"]["token"] == ""
            else:
                console.answers[AGENT_MODELS] = ok({})
            token = (await report(server.http_port))["websocket"]["token"]
            with pytest.raises(ExceptionGroup) as refused:
                async with client(server, device_id=MAC, client_id=UUID):
                    raise AssertionError
            assert [type(one) for one in leaves(refused.value)] == [trio_websocket.ConnectionRejected]
            async with client(server, device_id=MAC, client_id=UUID, authorization=f"Bearer {token}") as one:
                await one.tell(type="listen", state="detect", text="what time is it")
                assert (await one.until("tts", "sentence_start"))["text"] == "It is half past nine."
            if binding == "console":
                console.answers[AGENT_MODELS] = b"rubbish"
                stranger = await report(server.http_port, Device_Id="aa:bb:cc:00:00:09")
                assert stranger["websocket"]["token"] == ""


async def test_an_open_server_offers_no_activation_and_confirms_any() -> None:
    async with scripted_server() as (server, house):
        for path in BOTH:
            assert "activation" not in await report(server.http_port, path)
        assert (await post(server.http_port, "/xiaozhi/ota/activate")).status_code == 200
        assert (await post(server.http_port, "/xiaozhi/ota/activate", Device_Id="")).status_code == 400
        assert await house.store.devices.known() == ()


async def test_a_flood_of_reports_fills_neither_the_store_nor_displaces_who_waits() -> None:
    settings = changed(devices={"binding": "code", "pending": 5, "codes_per_minute": 20})
    async with scripted_server(settings=settings) as (server, house):
        mine = (await report(server.http_port))["activation"]["code"]
        offers = ["activation" in await report(server.http_port, Device_Id=f"hostile-{number}") for number in range(40)]
        assert offers.count(True) < 25
        known = await house.store.devices.known()
        assert len(known) == 5
        assert len({one.code for one in known}) == 5
        assert mine.isdigit()


@pytest.mark.req("PC-6", "PC-7", "B-79")
async def test_while_the_console_hangs_others_are_answered_at_once_and_then_all_are_served() -> None:
    async def hang(_: Any) -> bytes:
        await trio.sleep_forever()

    async with local_console() as console:
        console.answers[AGENT_MODELS] = hang
        settings = with_console(console.url)
        async with (
            scripted_server(settings=settings) as (server, _),
            client(server, device_id=MAC) as waits,
            client(server, device_id="other") as other,
        ):
            await waits.tell(type="listen", state="detect", text="what time is it")
            with trio.fail_after(3):  # less than the console has
                await other.alive()
                await waits.alive()
            assert (await waits.until("tts", "sentence_start", within=30))["text"] == "It is half past nine."
            assert [m["message"] for m in waits.of("system")] == [texts.TERMS_UNKNOWN]


@pytest.mark.req("PC-1", "RP-1", "RP-2", "RP-4", "B-77")
async def test_with_a_console_what_is_said_is_reported_also_after_a_sudden_end() -> None:
    async with local_console() as console:
        console.answers[AGENT_MODELS] = ok({"chat_history_conf": 2, "prompt": "You are Ann's."})
        async with scripted_server(settings=with_console(console.url)) as (server, house):
            async with client(server, device_id=MAC, client_id=UUID) as one:
                await one.tell(type="listen", state="start", mode="manual")
                await one.sound("voice", 0.9)
                await one.tell(type="listen", state="stop")
                await one.until("tts", "sentence_start")
                await trio.sleep(0.4)
            user, agent = await console.until(REPORT, 2)
    assert console.asked[0][1]["clientId"] == UUID
    assert (user["chatType"], user["content"], agent["chatType"]) == (1, "what time is it", 2)
    assert user["sessionId"] == agent["sessionId"]
    assert user["audioBase64"][:4] == agent["audioBase64"][:4] == "UklG"  # RIFF
    assert house.llm.prompts[0].messages[0].content.startswith("You are Ann's.")  # type: ignore[attr-defined]


@pytest.mark.req("PC-5")
async def test_the_code_of_a_console_is_offered_and_its_binding_confirmed() -> None:
    async with local_console() as console:
        console.answers[AGENT_MODELS] = {"code": 10042, "msg": "654321"}
        async with scripted_server(settings=with_console(console.url)) as (server, _):
            assert (await report(server.http_port))["activation"]["code"] == "654321"
            assert (await post(server.http_port, "/xiaozhi/ota/activate")).status_code == 202
            console.answers[AGENT_MODELS] = ok({})
            assert (await post(server.http_port, "/xiaozhi/ota/activate/")).status_code == 200
            assert "activation" not in await report(server.http_port)
            console.answers[AGENT_MODELS] = b"rubbish"  # nobody knows: asked again later
            assert (await post(server.http_port, "/xiaozhi/ota/activate", Device_Id="new")).status_code == 202


def with_console(url: str) -> Any:
    settings = changed(devices={"binding": "console"})
    return attrs.evolve(settings, devices=attrs.evolve(settings.devices, console=ConsoleSettings(url=url)))
