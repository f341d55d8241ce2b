"""`python -m badge models` against a real HTTP server that behaves well, badly, and not at all."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
from attrs import Factory, define

from badge.commands import models as command
from badge.commands.model_lists import KNOWN, read_list
from badge.commands.models import add_arguments, fetch_models
from badge.commands.unpack import UnpackError, unpack
from providers.models import ModelFolder

ROOT = Path(__file__).parents[1]
TINY = next(
    (p for p in (ROOT / "tests" / "models", ROOT.parent / "shared" / "models") if (p / "vosk-tiny-en").is_dir()), None
)
VOSK, VOICE = "vosk-model-small-en-us-0.15", "en_US-toy-x_low"
VOICE_PATH = "/en/en_US/toy/x_low"
ZIP = f"/{VOSK}.zip"

pytestmark = [
    pytest.mark.skipif(TINY is None, reason="the tiny models are not here"),
    # httpx2 closes the connection of a body that is not read to its end, but leaves the generators inside to the
    # garbage collector.
    pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning"),
]


# --- a mirror ---------------------------------------------------------------------------------------------------------


@define
class Mirror:
    """A small HTTP server: `files` by path, and the ways in which it misbehaves."""

    files: dict[str, bytes] = Factory(dict)
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    obeys_if_range: bool = True
    framed: bool = True
    cut_after: dict[str, int] = Factory(dict)
    hang_after: dict[str, int] = Factory(dict)
    redirect: dict[str, str] = Factory(dict)
    status: dict[str, int] = Factory(dict)
    seen: list[tuple[str, int, int]] = Factory(list)
    """(path, status, bytes of body sent) of every request."""
    url: str = ""

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        await trio.serve_listeners(self._answer, [listener], task_status=task_status)  # type: ignore[arg-type]

    async def _answer(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while isinstance(event := connection.next_event(), type) or not isinstance(event, h11.Request):
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.ConnectionClosed):
                    return
            await self._respond(stream, event)
        except trio.BrokenResourceError:
            pass
        finally:
            await stream.aclose()

    async def _respond(self, stream: trio.SocketStream, request: h11.Request) -> None:
        path = request.target.decode()
        asked = {name.decode(): value.decode() for name, value in request.headers}
        body, status, headers = self._content(path, asked)
        headers += [("connection", "close")]
        if self.framed:
            headers.append(("content-length", str(len(body))))
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
        await stream.send_all("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        limit = self.cut_after.get(path, self.hang_after.get(path, len(body)))
        self.seen.append((path, status, min(limit, len(body))))
        await stream.send_all(body[:limit])
        if path in self.hang_after:
            await trio.sleep_forever()

    def _content(self, path: str, asked: dict[str, str]) -> tuple[bytes, int, list[tuple[str, str]]]:
        if path in self.redirect:
            return b"", 302, [("location", self.redirect[path])]
        if path in self.status or path not in self.files:
            return b"no", self.status.get(path, 404), []
        body = self.files[path]
        mark = self.etag or self.modified
        headers = [("etag", self.etag)] * bool(self.etag) + [("last-modified", self.modified)] * bool(self.modified)
        same = asked.get("if-range", mark) == mark or not self.obeys_if_range
        if self.ranges and same and "range" in asked:
            start = int(asked["range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return b"", 416, [("content-range", f"bytes */{len(body)}")]
            headers.append(("content-range", f"bytes {start}-{len(body) - 1}/{len(body)}"))
            return body[start:], 206, headers
        return body, 200, headers

    def publish(self, **archives: bytes) -> None:
        """Offer these zip files (`_` stands for `-`) and list them as Vosk does."""
        self.files |= {f"/{name}.zip": data for name, data in archives.items()}
        entries = [
            {
                "lang": "en-us",
                "name": path[1:-4],
                "md5": hashlib.md5(data).hexdigest(),
                "size": len(data),
                "size_text": "x",
                "obsolete": "false",
                "url": "https://elsewhere.example/not-used.zip",
            }
            for path, data in self.files.items()
            if path.endswith(".zip")
        ]
        self.files["/model-list.json"] = json.dumps(entries).encode()

    def publish_voice(self, name: str = VOICE, **changes: Any) -> None:
        """Offer the tiny voice and list it as Piper does."""
        assert TINY is not None
        listed: dict[str, Any] = {}
        for suffix in (".onnx", ".onnx.json"):
            data = (TINY / "piper-tiny" / f"{VOICE}{suffix}").read_bytes()
            self.files[f"{VOICE_PATH}/{name}{suffix}"] = data
            about = {"size_bytes": len(data), "md5_digest": hashlib.md5(data).hexdigest()}
            listed[f"{VOICE_PATH[1:]}/{name}{suffix}"] = about | changes
        listed[f"{VOICE_PATH[1:]}/MODEL_CARD"] = {"size_bytes": 1, "md5_digest": "0" * 32}
        self.files["/voices.json"] = json.dumps({name: {"key": name, "files": listed, "aliases": []}}).encode()


def pack(source: str = "vosk-tiny-en", name: str = VOSK, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A tiny model zipped as Vosk zips its own."""
    assert TINY is not None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for path in sorted((TINY / source).rglob("*")):
            if path.is_file():
                packed.write(path, f"{name}/{path.relative_to(TINY / source)}")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def archive() -> bytes:
    return pack()


@pytest.fixture
async def mirror(nursery: trio.Nursery, archive: bytes) -> Mirror:
    mirror = Mirror()
    await nursery.start(mirror.serve)
    mirror.publish(**{VOSK: archive})
    mirror.publish_voice()
    return mirror


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models")


Run = Callable[..., Any]


@pytest.fixture
def run(mirror: Mirror, folder: ModelFolder) -> Run:
    async def run(*names: str, url: str = "") -> tuple[int, str]:
        out = io.StringIO()
        arguments = parse("--folder", str(folder.path), "--mirror", url or mirror.url, *names)
        with trio.fail_after(30):
            status = await fetch_models(arguments, out)
        return status, out.getvalue()

    return run


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def partial_files(folder: ModelFolder) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (folder.path / ".partial").glob("*")}


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_without_names_it_lists_and_asks_nobody(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    status, said = await run()
    assert status == 0
    assert mirror.seen == []
    for known in KNOWN:
        assert known.name in said
    recommended = " ".join(known.name for known in KNOWN if known.recommended)
    assert f"python -m badge models --folder {folder.path} --mirror {mirror.url} {recommended}\n" in said
    assert "none; Badge uses" in said
    assert not folder.path.exists()


async def test_the_official_addresses_are_listed(folder: ModelFolder) -> None:
    out = io.StringIO()
    assert await fetch_models(parse("--folder", str(folder.path)), out) == 0
    said = out.getvalue().split()
    assert "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip" in said
    voices = "https://huggingface.co/rhasspy/piper-voices/resolve/main"
    assert f"{voices}/en/en_US/lessac/medium/en_US-lessac-medium.onnx" in said
    assert f"{voices}/zh/zh_CN/huayan/x_low/zh_CN-huayan-x_low.onnx" in said


async def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGE_MODELS", str(tmp_path / "mine"))
    out = io.StringIO()
    await fetch_models(parse(), out)
    assert f"Models in {tmp_path / 'mine'}:" in out.getvalue()
    assert "models --folder" not in out.getvalue()


async def test_what_is_installed_is_listed(run: Run, folder: ModelFolder) -> None:
    await run(VOSK, VOICE)
    (folder.path / "vosk" / "vosk-model-cn-0.22" / "am").mkdir(parents=True)
    _, said = await run()
    here, _, to_be_had = said.partition("To be had:")
    assert VOSK in here
    assert VOICE in here
    assert "vosk-model-cn-0.22 is no complete Vosk model" in here
    assert VOSK not in to_be_had.partition("Get the recommended")[2]


# --- downloads --------------------------------------------------------------------------------------------------------


async def test_a_vosk_model_arrives(run: Run, folder: ModelFolder) -> None:
    status, said = await run(VOSK)
    assert (status, said) == (0, f"{VOSK}: complete, {folder.path / 'vosk' / VOSK}\n")
    (model,) = folder.vosk_models()
    assert (model.name, model.language) == (VOSK, "en")
    assert TINY is not None
    for original in (p for p in (TINY / "vosk-tiny-en").rglob("*") if p.is_file()):
        assert (model.path / original.relative_to(TINY / "vosk-tiny-en")).read_bytes() == original.read_bytes()
    assert partial_files(folder) == {}


async def test_a_piper_voice_arrives(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    status, said = await run(VOICE)
    assert (status, said) == (0, f"{VOICE}: complete, {folder.path / 'piper' / VOICE}.onnx\n")
    (voice,) = folder.piper_voices()
    assert voice.path.read_bytes() == mirror.files[f"{VOICE_PATH}/{VOICE}.onnx"]
    assert folder.problems() == ()
    assert partial_files(folder) == {}


async def test_several_names_one_after_the_other(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.publish(**{"vosk-model-small-cn-0.22": pack("vosk-tiny-zh", "vosk-model-small-cn-0.22")})
    status, said = await run(VOSK, VOICE, "vosk-model-small-cn-0.22")
    assert status == 0
    assert said.count(": complete, ") == 3
    assert [model.language for model in folder.vosk_models()] == ["zh", "en"]
    assert sum(path == "/model-list.json" for path, _, _ in mirror.seen) == 1


async def test_what_is_complete_is_not_loaded_again(mirror: Mirror, run: Run) -> None:
    await run(VOSK, VOICE)
    mirror.seen.clear()
    status, said = await run(VOSK, VOICE)
    assert status == 0
    assert said.count("already complete") == 2
    assert mirror.seen == []


async def test_a_broken_model_is_replaced(run: Run, folder: ModelFolder) -> None:
    await run(VOSK, VOICE)
    (folder.path / "vosk" / VOSK / "graph" / "HCLG.fst").unlink()
    (folder.path / "piper" / f"{VOICE}.onnx.json").write_text("{")
    assert len(folder.problems()) == 2
    assert (await run(VOSK, VOICE))[0] == 0
    assert folder.problems() == ()
    assert partial_files(folder) == {}


async def test_an_archive_without_a_folder_inside(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.publish(**{VOSK: pack(name=".")})
    assert (await run(VOSK))[0] == 0
    assert len(folder.vosk_models()) == 1


async def test_a_model_of_another_language_is_had_with_a_remark(mirror: Mirror, run: Run) -> None:
    mirror.publish(**{"vosk-model-small-de-0.15": pack(name="vosk-model-small-de-0.15")})
    status, said = await run("vosk-model-small-de-0.15")
    assert status == 0
    assert "complete" in said
    assert "is not used: its name says neither" in said


async def test_redirects_are_followed(mirror: Mirror, run: Run) -> None:
    mirror.redirect[ZIP] = "/cdn/x"
    mirror.files["/cdn/x"] = mirror.files[ZIP]
    mirror.cut_after["/cdn/x"] = 50_000
    assert (await run(VOSK))[0] == 1
    del mirror.cut_after["/cdn/x"]
    assert (await run(VOSK))[0] == 0
    assert mirror.seen[-1] == ("/cdn/x", 206, len(mirror.files[ZIP]) - 50_000)


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [{"etag": '"one"'}, {"etag": "", "modified": "Sat, 21 Nov 2026 08:00:00 GMT"}])
async def test_a_broken_transfer_goes_on(mirror: Mirror, run: Run, folder: ModelFolder, mark: dict[str, str]) -> None:
    mirror.etag, mirror.modified = mark["etag"], mark.get("modified", "")
    mirror.cut_after[ZIP] = 100_000
    status, said = await run(VOSK)
    assert status == 1
    assert f"{mirror.url}{ZIP} broke off after 0.1 of " in said
    assert "run the same command again" in said
    assert partial_files(folder)[f"{VOSK}.zip"] == 100_000
    mirror.cut_after[ZIP] = 200_000
    await run(VOSK)
    assert partial_files(folder)[f"{VOSK}.zip"] == 300_000
    del mirror.cut_after[ZIP]
    assert (await run(VOSK))[0] == 0
    transfers = [seen[1:] for seen in mirror.seen if seen[0] == ZIP]
    assert transfers == [(200, 100_000), (206, 200_000), (206, len(mirror.files[ZIP]) - 300_000)]
    assert len(folder.vosk_models()) == 1


async def test_a_connection_that_just_ends_is_a_broken_transfer(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.framed = False
    mirror.cut_after[ZIP] = 100_000
    assert "broke off" in (await run(VOSK))[1]
    assert partial_files(folder)[f"{VOSK}.zip"] == 100_000
    del mirror.cut_after[ZIP]
    assert (await run(VOSK))[0] == 0


async def test_a_server_without_ranges_starts_over(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.ranges = False
    mirror.cut_after[ZIP] = 100_000
    await run(VOSK)
    del mirror.cut_after[ZIP]
    assert (await run(VOSK))[0] == 0
    assert mirror.seen[-1] == (ZIP, 200, len(mirror.files[ZIP]))
    assert len(folder.vosk_models()) == 1


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
async def test_without_a_mark_it_starts_over(mirror: Mirror, run: Run, etag: str) -> None:
    mirror.etag = etag
    mirror.cut_after[ZIP] = 100_000
    await run(VOSK)
    del mirror.cut_after[ZIP]
    assert (await run(VOSK))[0] == 0
    assert mirror.seen[-1] == (ZIP, 200, len(mirror.files[ZIP]))


async def test_a_file_that_changed_meanwhile_starts_over(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.cut_after[ZIP] = 100_000
    await run(VOSK)
    del mirror.cut_after[ZIP]
    mirror.etag = '"two"'
    mirror.publish(**{VOSK: pack(method=zipfile.ZIP_STORED)})
    assert (await run(VOSK))[0] == 0
    assert mirror.seen[-1] == (ZIP, 200, len(mirror.files[ZIP]))
    assert len(folder.vosk_models()) == 1


async def test_a_server_that_mixes_two_files_is_found_out(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.obeys_if_range = False
    mirror.cut_after[ZIP] = 100_000
    await run(VOSK)
    del mirror.cut_after[ZIP]
    mirror.publish(**{VOSK: pack(method=zipfile.ZIP_STORED)})
    status, said = await run(VOSK)
    assert status == 1
    assert "md5" in said
    assert partial_files(folder) == {}
    assert (await run(VOSK))[0] == 0


async def test_a_complete_partial_file_is_only_verified(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    (folder.path / ".partial").mkdir(parents=True)
    (folder.path / ".partial" / f"{VOSK}.zip").write_bytes(mirror.files[ZIP])
    assert (await run(VOSK))[0] == 0
    assert [path for path, _, _ in mirror.seen] == ["/model-list.json"]


async def test_ctrl_c_keeps_what_has_come(mirror: Mirror, folder: ModelFolder, run: Run, tmp_path: Path) -> None:
    mirror.hang_after[ZIP] = 100_000
    code = (
        "import argparse, sys, trio; from badge.commands.models import add_arguments, fetch_models;"
        "p = argparse.ArgumentParser(); add_arguments(p); sys.exit(trio.run(fetch_models, p.parse_args()))"
    )
    command = [sys.executable, "-c", code, "--folder", str(folder.path), "--mirror", mirror.url, VOSK]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err, trio.fail_after(30):
        process = await trio.lowlevel.open_process(command, cwd=ROOT, stdout=out, stderr=err)
        for _ in range(500):
            if partial_files(folder).get(f"{VOSK}.zip", 0) >= 65_536:
                break
            await trio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    assert "Traceback" not in (tmp_path / "err").read_text()
    again = f"python -m badge models --folder {folder.path} --mirror {mirror.url} {VOSK}"
    assert again in (tmp_path / "out").read_text()
    kept = partial_files(folder)[f"{VOSK}.zip"]
    assert 65_536 <= kept <= 100_000
    mirror.hang_after.clear()
    assert (await run(VOSK))[0] == 0
    assert mirror.seen[-1] == (ZIP, 206, len(mirror.files[ZIP]) - kept)


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-1] + b"x", "md5"),
        (lambda data: data[:-1], "bytes instead of"),
        (lambda data: data + b"x", "longer than"),
    ],
    ids=["other", "short", "long"],
)
async def test_a_wrong_file_is_deleted(
    mirror: Mirror, run: Run, folder: ModelFolder, change: Callable[[bytes], bytes], reason: str
) -> None:
    good = mirror.files[ZIP]
    mirror.files[ZIP] = change(good)
    status, said = await run(VOSK)
    assert status == 1
    assert f"{mirror.url}{ZIP} is not the file that the list of models describes" in said
    assert reason in said
    assert partial_files(folder) == {}
    assert folder.vosk_models() == ()
    assert not (folder.path / "vosk").exists()
    mirror.files[ZIP] = good
    assert (await run(VOSK))[0] == 0


async def test_a_wrong_voice_is_deleted(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    mirror.publish_voice(md5_digest="0" * 32)
    status, said = await run(VOICE)
    assert status == 1
    assert "md5" in said
    assert partial_files(folder) == {}
    assert not (folder.path / "piper").exists()


async def test_a_voice_whose_configuration_is_no_json(mirror: Mirror, run: Run, folder: ModelFolder) -> None:
    path = f"{VOICE_PATH}/{VOICE}.onnx.json"
    listed = json.loads(mirror.files["/voices.json"])
    listed[VOICE]["files"][path[1:]] = {"size_bytes": 4, "md5_digest": hashlib.md5(b"junk").hexdigest()}
    mirror.files |= {path: b"junk", "/voices.json": json.dumps(listed).encode()}
    status, said = await run(VOICE)
    assert status == 1
    assert "is not a JSON object" in said
    assert partial_files(folder) == {}


@pytest.mark.parametrize("code", [403, 404, 500, 503])
async def test_a_refusal_is_told(mirror: Mirror, run: Run, code: int) -> None:
    mirror.status[ZIP] = code
    status, said = await run(VOSK, VOICE)
    assert status == 1
    assert f"{VOSK}: {mirror.url}{ZIP} answered {code} " in said
    assert f"{VOICE}: complete" in said


async def test_an_unknown_name_gets_close_ones(mirror: Mirror, run: Run) -> None:
    status, said = await run("vosk-model-small-en-us-0.51", "en_US-toy-xlow", "toy", "zzzz", "../../etc/passwd", VOICE)
    assert status == 1
    lines = said.splitlines()
    assert lines[0] == f"vosk-model-small-en-us-0.51: there is no model of that name; close to it: {VOSK}."
    assert lines[1].endswith(f"close to it: {VOICE}.")
    assert lines[2].endswith(f"close to it: {VOICE}.")
    assert lines[3].endswith("see `python -m badge models` for what there is.")
    assert lines[4].startswith("../../etc/passwd: there is no model of that name")
    assert lines[5].startswith(f"{VOICE}: complete")


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"{}", b"[]", b"[1, {}]", b"[" * 100_000, b"\xff"], ids=lambda d: repr(d[:6])
)
async def test_a_list_that_is_none(mirror: Mirror, run: Run, data: bytes) -> None:
    mirror.files["/model-list.json"] = data
    status, said = await run(VOSK)
    assert status == 1
    assert f"{mirror.url}/model-list.json is not a list of models" in said


async def test_an_endless_list(mirror: Mirror, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MAX_LIST_BYTES", 1000)
    mirror.files["/model-list.json"] = b" " * 100_000
    status, said = await run(VOSK)
    assert status == 1
    assert "has more than 1000 bytes" in said


async def test_offline_one_sentence_says_all(run: Run, folder: ModelFolder) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    await listener.aclose()
    status, said = await run(VOSK, VOICE, url=url)
    assert status == 1
    (line,) = said.splitlines()
    assert line.startswith(f"Cannot reach {url}/model-list.json (")
    assert "Badge works without" in line
    assert str(folder.path / "vosk") in line
    assert str(folder.path / "piper") in line


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://", "http://[x", "http://host.invalid", "http://a b"])
async def test_an_impossible_mirror(run: Run, url: str) -> None:
    status, said = await run(VOSK, url=url)
    assert status == 1
    assert "Cannot reach" in said


@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "quux://x"), ("SSL_CERT_FILE", "/nowhere")], ids=["proxy", "certificates"]
)
async def test_unusable_settings_of_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    status, said = await run(VOSK)
    assert status == 1
    assert "settings of the environment cannot be used" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
async def test_a_full_disk(run: Run, folder: ModelFolder) -> None:
    (folder.path / ".partial").mkdir(parents=True)
    (folder.path / ".partial" / f"{VOSK}.zip").symlink_to("/dev/full")
    status, said = await run(VOSK)
    assert status == 1
    assert "No space left on device" in said
    assert folder.vosk_models() == ()


async def test_a_folder_that_cannot_be_made(run: Run, folder: ModelFolder) -> None:
    folder.path.write_text("a file")
    status, said = await run(VOSK)
    assert status == 1
    assert "cannot be written" in said


# --- hostile archives -------------------------------------------------------------------------------------------------


def archive_of(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, data in entries:
            packed.writestr(name, data)
    return buffer.getvalue()


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def encrypted() -> bytes:
    data = bytearray(archive_of(("m/a", b"hello"), method=zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


EVIL = Path(tempfile.gettempdir()) / f"evil-{os.getpid()}"

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "parent": (lambda: archive_of(("../evil", b"x")), "points outside"),
    "inner parent": (lambda: archive_of(("m/../../evil", b"x")), "points outside"),
    "absolute": (lambda: archive_of((str(EVIL), b"x")), "points outside"),
    "backslash": (lambda: archive_of(("..\\evil", b"x")), "points outside"),
    "drive": (lambda: archive_of(("C:evil", b"x")), "points outside"),
    "symlink": (lambda: archive_of((special("m/link", stat.S_IFLNK), b"/etc/passwd")), "link or a device"),
    "through a symlink": (
        lambda: archive_of((special("m", stat.S_IFLNK), b".."), ("m/evil", b"x")),
        "link or a device",
    ),
    "device": (lambda: archive_of((special("m/dev", stat.S_IFCHR), b"")), "link or a device"),
    "bomb": (lambda: archive_of(("m/zeros", bytes(80_000_000))), "far too large"),
    "many entries": (lambda: archive_of(*((f"m/{i}", b"") for i in range(10_001))), "10001 entries"),
    "other method": (lambda: archive_of(("m/a", b"x" * 1000), method=zipfile.ZIP_LZMA), "compression method"),
    "encrypted": (encrypted, "it is encrypted"),
    "twice": (lambda: archive_of(("m/a", b"x"), ("m/./a", b"y")), "it is damaged"),
    "file as folder": (lambda: archive_of(("m/a", b"x"), ("m/a/b", b"y")), "it is damaged"),
    "no zip": (lambda: b"PK junk" * 100, "it is damaged"),
    "truncated": (lambda: pack()[:-2000], "it is damaged"),
    "damaged": (lambda: pack()[:5000] + bytes(5000) + pack()[10_000:], "it is damaged"),
    "no model": (lambda: archive_of(("m/README", b"hello")), "it holds no Vosk model"),
    "empty": (archive_of, "it holds no Vosk model"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_archive_does_nothing(mirror: Mirror, run: Run, folder: ModelFolder, name: str) -> None:
    make, reason = HOSTILE[name]
    mirror.publish(**{VOSK: make()})
    status, said = await run(VOSK)
    assert status == 1
    assert said.startswith(f"{VOSK}: what came cannot be used and was deleted: ")
    assert reason in said
    left = {str(path.relative_to(folder.path)) for path in folder.path.rglob("*")}
    assert left == {".partial"}
    assert [path.name for path in folder.path.parent.iterdir()] == ["models"]
    assert not EVIL.exists()


def test_a_lying_size_does_not_unpack_more(tmp_path: Path) -> None:
    data = bytearray(archive_of(("m/zeros", bytes(1_000_000))))
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UnpackError):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    written = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert written <= 1000


def test_too_large_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zip").write_bytes(archive_of(("m/a", b"x" * 1000)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10_000, 9_500, 500))
    with pytest.raises(UnpackError, match="the disk has"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the published lists ----------------------------------------------------------------------------------------------

SUM = "09" * 16


def test_reads_the_list_of_vosk() -> None:
    entries = [
        {"name": "good", "md5": SUM, "size": 5, "url": "https://x/good.zip", "obsolete": "true"},
        {"name": "no-sum", "size": 5},
        {"name": "bad-sum", "md5": "xyz", "size": 5},
        {"name": "no-size", "md5": SUM, "size": 0},
        {"name": "size-text", "md5": SUM, "size": "5"},
        {"name": "../up", "md5": SUM, "size": 5},
        {"name": ".hidden", "md5": SUM, "size": 5},
        {"name": 5, "md5": SUM, "size": 5},
        "text",
    ]
    offers = read_list("vosk", json.dumps(entries).encode(), "https://base")
    assert list(offers) == ["good"]
    (part,) = offers["good"].parts
    assert (part.url, part.file, part.size, part.md5) == ("https://base/good.zip", "good.zip", 5, SUM)


def test_reads_the_list_of_piper() -> None:
    about = {"size_bytes": 5, "md5_digest": SUM}
    voices = {
        "pt_PT-tugão-medium": {
            "files": {"pt/x/pt_PT-tugão-medium.onnx": about, "pt/x/pt_PT-tugão-medium.onnx.json": about, "pt/CARD": {}}
        },
        "half": {"files": {"x/half.onnx": about}},
        "other": {"files": {"x/this.onnx": about, "x/this.onnx.json": about}},
        "none": {},
        "list": [],
    }
    del voices["pt_PT-tugão-medium"]["files"]["pt/CARD"]  # type: ignore[index]
    offers = read_list("piper", json.dumps(voices).encode(), "https://base")
    assert list(offers) == ["pt_PT-tugão-medium"]
    assert [part.file for part in offers["pt_PT-tugão-medium"].parts] == [
        "pt_PT-tugão-medium.onnx.json",
        "pt_PT-tugão-medium.onnx",
    ]
