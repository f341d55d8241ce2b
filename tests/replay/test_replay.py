"""Replay: what was recorded happens again, and what does not is shown."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import trio

from badge.__main__ import main
from badge.recording.fileformat import Recording, parse
from badge.recording.records import INPUTS, Kind, Record
from badge.replay.determinism import CannotBeDeterministicError, Order, deterministic
from badge.replay.script import script_of
from badge.replay.search import replay
from badge.session.conversation import Conversation
from badge.session.thinking import Thinker
from badge.session.turns import Turns
from providers.ports import ProviderError
from providers.scripted import Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from tests.house import changed
from tests.replay import stories
from tests.replay.stories import recording, repacked, told

STORIES = {
    "voice": {},
    "interrupted": {},
    "garbled": {},
    "typed": {},
    "idle": {"settings": changed(timeouts={"no_voice_s": 5.0})},
}


def failing(kind: str) -> dict[str, object]:
    error = ProviderError(kind, "is down", retryable=True)
    match kind:
        case "llm":
            return {"llm": ScriptedLlm([Reply(pieces=["It is half past nine. And"], first=0.1, error=error)])}
        case "tts":
            return {"tts": ScriptedTts(lambda _: Utterance(error=error))}
        case "recall":
            return {"recall": ScriptedRecall("", error=error)}
        case _:
            return {"asr": ScriptedAsr(broken=error, load=1.0)}


def outcome(recorded: Recording, **options: object) -> object:
    return replay(script_of(recorded, partly=True), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STORIES)
def test_a_session_is_repeated_identically(name: str) -> None:
    recorded = recording(getattr(stories, name), **STORIES[name])
    found = outcome(recorded)
    assert found.identical, found.divergence.render()
    assert found.late < 0.001
    assert found.trace == outcome(recorded).trace


@pytest.mark.parametrize("kind", ["asr", "llm", "tts", "recall"])
def test_providers_fail_again(kind: str) -> None:
    recorded = recording(stories.voice if kind != "asr" else stories.typed, **failing(kind))
    found = outcome(recorded)
    assert found.identical, found.divergence.render()


@pytest.mark.parametrize("name", ["voice", "interrupted", "typed"])
def test_no_order_of_tasks_makes_a_difference(name: str) -> None:
    recorded = recording(getattr(stories, name))
    for seed in range(20):
        assert outcome(recorded, seed=seed).identical


def altered(recorded: Recording, kind: Kind, change: object) -> Recording:
    """The recording with the last record of a kind changed."""
    last = max(index for index, record in enumerate(recorded.records) if record.kind is kind)
    records = list(recorded.records)
    records[last] = attrs.evolve(records[last], data=change(records[last].data))  # type: ignore[operator]
    return parse("altered", repacked(recorded, records))


@pytest.mark.parametrize(
    ("kind", "change", "what"),
    [
        (Kind.OUT, lambda data: (data[0].replace("stop", "start"),), "something else happens on wire"),
        (Kind.STATE, lambda data: (*data[:3], "listening"), "something else happens on SessionMachine"),
        (Kind.TTS_OPEN, lambda data: (data[0], "other words"), "something else happens on tts"),
        (Kind.ASR_FINISH, lambda data: (*data[:2], 7), "something else happens on asr"),
        (Kind.LLM_OPEN, lambda data: (*data[:3], []), "something else happens on llm"),
    ],
)
def test_whatever_is_different_is_found_and_shown(kind: Kind, change: object, what: str) -> None:
    found = outcome(altered(recording(stories.voice), kind, change))
    assert found.divergence.what == what
    text = found.divergence.render()
    for part in (
        what,
        "recorded",
        "replayed",
        "SessionMachine: then",
        "TurnMachine: then",
        "last events",
        "tasks:",
        "_read",
    ):
        assert part in text


def test_audio_is_compared_bit_by_bit() -> None:
    def flip(data: tuple[bytes]) -> tuple[bytes]:
        return (data[0][:-1] + bytes([data[0][-1] ^ 1]),)

    recorded = recording(stories.voice)
    frames = [index for index, r in enumerate(recorded.records) if r.kind is Kind.OUT and isinstance(r.data[0], bytes)]
    records = list(recorded.records)
    records[frames[3]] = attrs.evolve(records[frames[3]], data=flip(records[frames[3]].data))
    assert outcome(parse("x", repacked(recorded, records))).divergence.what == "something else happens on wire"
    other = attrs.evolve(recorded, header={**recorded.header, "codec": "another libopus"})
    assert outcome(parse("x", repacked(other, records))).identical


@pytest.mark.parametrize("kind", [Kind.OUT, Kind.STATE])
def test_what_does_not_happen_and_what_happens_too_often_is_found(kind: Kind) -> None:
    recorded = recording(stories.typed)
    last = max(index for index, record in enumerate(recorded.records) if record.kind is kind)
    less = [record for index, record in enumerate(recorded.records) if index != last]
    assert outcome(parse("x", repacked(recorded, less))).divergence is not None
    twice = [*recorded.records[: last + 1], recorded.records[last], *recorded.records[last + 1 :]]
    found = outcome(parse("x", repacked(recorded, twice))).divergence
    assert found is not None
    assert "does not happen" in found.what


def test_a_change_of_the_server_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = recording(stories.interrupted)
    monkeypatch.setattr(Turns, "cancel", lambda self, reason: None)
    assert not outcome(recorded).identical


def test_a_planted_race_is_found_by_trying_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that looks whether somebody was quicker: fine in nearly every order, and never with the usual one."""
    recorded = recording(stories.interrupted)
    assert all(outcome(recorded, seed=seed).identical for seed in range(10))
    understood, think = Conversation.take_text, Thinker.think
    quick: list[str] = []

    def take_text(self: Conversation, text: str) -> None:
        quick.clear()
        understood(self, text)
        nursery = trio.lowlevel.current_task().parent_nursery
        assert nursery is not None
        for name in ("first", "second", "third"):
            nursery.start_soon(hurry, name)

    async def hurry(name: str) -> None:
        await trio.lowlevel.checkpoint()
        quick.append(name)

    async def racy(self: Thinker, *about: object) -> None:
        if quick == ["third", "second", "first"]:
            raise RuntimeError("lost the race")
        await think(self, *about)  # type: ignore[arg-type]

    monkeypatch.setattr(Conversation, "take_text", take_text)
    monkeypatch.setattr(Thinker, "think", racy)

    def under(seed: int) -> object:
        quick.clear()
        return outcome(recorded, seed=seed).divergence

    seeds = [seed for seed in range(100) if under(seed) is not None]
    assert 0 < len(seeds) < 40
    assert under(seeds[0]) == under(seeds[0])


def test_a_recording_that_was_cut_replays_as_far_as_it_goes() -> None:
    data = told(stories.voice)
    for share in (0.3, 0.6, 0.9):
        recorded = parse("cut", data[: round(len(data) * share)])
        assert recorded.flaw
        found = outcome(recorded)
        assert found.identical, found.divergence.render()


def test_inputs_come_back_in_their_order() -> None:
    """The recording of a replay would have the same inputs."""
    recorded = recording(stories.interrupted)
    inputs = [record for record in recorded.records if record.kind in INPUTS]
    assert {Kind.IN, Kind.LOST, Kind.ASR_FINAL, Kind.LLM_TOKEN, Kind.TTS_CHUNK} <= {record.kind for record in inputs}
    assert all(isinstance(record, Record) for record in inputs)


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("voice", "typed"):
        (tmp_path / f"{name}.badgerec").write_bytes(told(getattr(stories, name)))
    return tmp_path


def test_files_and_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(folder)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line.partition(" (")[0] for line in lines[:2]] == [
        f"{folder / name}.badgerec: identical" for name in ("typed", "voice")
    ]
    assert "times real time" in lines[0]
    assert lines[2].startswith("2 recordings, 2 replays: 2 identical, 0 diverging; ")
    assert "0/2" in printed.err  # the progress bar


def test_schedules(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(folder / "typed.badgerec"), "--schedules", "3"]) == 0
    assert "identical under 3 schedules" in capsys.readouterr().out


def test_a_divergence_is_exit_status_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = altered(recording(stories.typed), Kind.TTS_OPEN, lambda data: (data[0], "other words"))
    file = folder / "bad.badgerec"
    file.write_bytes(repacked(bad, bad.records))
    assert main(["replay", str(file)]) == 1
    out = capsys.readouterr().out
    assert f"{file}: diverges after" in out
    assert "other words" in out
    assert main(["replay", str(file), "--schedules", "2"]) == 1
    assert "2 of 2 schedules diverge: seeds 1, 2" in capsys.readouterr().out


def spoilt(data: bytes) -> dict[str, tuple[bytes, str]]:
    """Files that cannot be used, and what is said of them."""
    middle = len(data) // 2
    return {
        "cut": (data[:middle], f"byte {middle}: the recording is cut off"),
        "damaged": (data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :], "the recording is damaged"),
        "foreign": (b"RIFF....WAVEfmt ", "record 0, byte 0: this is no recording of a badge session"),
        "empty": (b"", "record 0, byte 0: this is no recording of a badge session (it is empty)"),
        "newer": (data[:8] + b"\0\x09" + data[10:], "record 0, byte 8: the recording has format version 9"),
    }


@pytest.mark.parametrize("what", ["cut", "damaged", "foreign", "empty", "newer"])
def test_files_that_cannot_be_used(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, said = spoilt(told(stories.typed))[what]
    file = tmp_path / f"{what}.badgerec"
    file.write_bytes(data)
    for command in (["replay"], ["redact"]):
        assert main([*command, str(file)]) == 2
        printed = capsys.readouterr()
        assert printed.out.startswith(f"{file}: record ")
        assert said in printed.out or (what == "damaged" and "damaged, or cut off" in printed.out)
        assert "Traceback" not in printed.out + printed.err
    if what == "cut":
        assert main(["replay", str(file), "--partly"]) == 0
        assert "identical" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["-1", "0", "x", "1000000"])
def test_numbers_of_schedules_that_make_no_sense(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["replay", "x", "--schedules", number])
    assert end.value.code == 2
    assert "must be a number from 1 to" in capsys.readouterr().err


def test_questions_that_exclude_each_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(folder), "--schedules", "2", "--what-if", "listen.silence_ms=400"]) == 2
    assert "exclude each other" in capsys.readouterr().out


def test_where_a_capsule_goes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "typed.badgerec"
    before = file.read_bytes()
    assert main(["redact", str(file)]) == 0
    (capsule,) = folder.glob("capsule-*.badgerec")
    assert str(capsule) in capsys.readouterr().out
    assert main(["redact", str(file), "--out", str(file)]) == 2
    assert "would be lost" in capsys.readouterr().out
    assert file.read_bytes() == before
    assert main(["redact", str(file), "--out", str(folder)]) == 2
    assert "cannot be written" in capsys.readouterr().out
    for nothing in (".", "/"):
        assert main(["redact", nothing]) == 2
        assert "cannot be read: Is a directory" in capsys.readouterr().out
    cut = folder / "cut.badgerec"
    cut.write_bytes(before[: len(before) // 2])
    assert main(["redact", str(cut)]) == 2
    assert main(["redact", str(cut), "--partly", "--out", str(folder / "part.badgerec")]) == 0
    assert not list(folder.glob("*.part"))


def test_a_bad_file_among_good_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.badgerec").write_bytes(b"no")
    assert main(["replay", str(folder)]) == 2
    assert "3 recordings, 2 replays: 2 identical, 0 diverging, 1 recordings unusable" in capsys.readouterr().out


def test_nothing_to_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path)]) == 2
    assert "there is no recording (*.badgerec) in this folder" in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "nowhere.badgerec")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"settings": 5},
        {"settings": {"listen": {"silence_ms": "long"}}},
        {"identity": {"framing": "V9"}},
        {"components": []},
        {"started": "yesterday"},
        {"seed": "x"},
        {"identity": {"framing": "V1"}},
    ],
)
def test_headers_that_make_no_sense(
    header: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = recording(stories.typed)
    file = tmp_path / "odd.badgerec"
    file.write_bytes(repacked(attrs.evolve(good, header={**good.header, **header} if header else {}), good.records))
    for command in (["replay"], ["redact"], ["replay", "--what-if", "listen.silence_ms=400"]):
        assert main([*command, str(file)]) == 2
        said = capsys.readouterr().out
        assert said.startswith((f"{file}: record 0, byte 10: the ", f"{file}: the replay failed ("))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Kind.RETIRE, ("NOBODY",)),
        (Kind.COMPONENT, ("asr", {})),
        (Kind.COMPONENT, ("telepathy", {"state": "ready"})),
        (Kind.ASR_ERROR, (1, {}, None)),
        (Kind.LLM_TOKEN, (1, {"colour": "red"})),
        (Kind.TTS_CHUNK, (99, b"x")),
        (Kind.IN, ("one too many",)),
        (Kind.LOST, (-5,)),
    ],
)
def test_records_that_make_no_sense(
    kind: Kind, data: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = recording(stories.typed)
    file = tmp_path / "odd.badgerec"
    odd = Record(good.records[3].at, 1, kind, data)
    file.write_bytes(repacked(good, [*good.records[:4], odd, *good.records[4:]]))
    for command in (["replay"], ["redact"], ["replay", "--what-if", "listen.silence_ms=400"]):
        assert main([*command, str(file)]) in (0, 1, 2)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        assert str(file) in printed.out or "capsule-" in printed.out


def test_settings_of_a_newer_program_are_ignored() -> None:
    good = recording(stories.typed)
    settings = json.loads(json.dumps(good.header["settings"]))
    settings["tts"]["of the future"] = 1
    settings["telepathy"] = {"use": "on"}
    del settings["chat"]
    newer = attrs.evolve(good, header={**good.header, "settings": settings, "more": "facts"})
    assert script_of(newer).settings.chat.history == 20


def test_another_trio_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING")
    with pytest.raises(CannotBeDeterministicError, match=r"trio .* schedules in a way"), deterministic(Order(1)):
        pass
