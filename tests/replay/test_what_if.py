"""What if: without a change nothing changes, and each kind of setting changes what it is about."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from badge.__main__ import main
from badge.config.settings import Settings
from badge.recording.capsule import redacted
from badge.recording.fileformat import Packer, parse
from badge.recording.journal import Backlog, Journal, Passes
from badge.recording.recorder import converse_on_record, make_header
from badge.recording.records import Kind
from badge.rehearsal.findings import Findings, findings_of, strayed
from badge.rehearsal.repertoire import replies
from badge.rehearsal.stage import rehearse
from badge.rehearsal.table import aligned, rows
from badge.rehearsal.whatif import (
    Change,
    Question,
    WrongChangeError,
    answer_for,
    changed,
    changes_of,
    parsed,
    settable,
)
from badge.replay.script import script_of
from protocol import Framing, identify
from providers.ports import ProviderError
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from providers.vad.energy import EnergySettings, EnergyVad
from tests.house import Guest, House, MemoryWire
from tests.house import changed as settings_with

Act = Callable[[Guest], Awaitable[None]]


def record(act: Act, *, framing: Framing = Framing.V1, settings: Settings | None = None, **providers: Any) -> bytes:
    """A recording of a session in which a badge does this, on a clock that jumps."""
    return trio.run(_record, act, framing, settings, providers, clock=trio.testing.MockClock(autojump_threshold=0))


async def _record(act: Act, framing: Framing, settings: Settings | None, providers: dict[str, Any]) -> bytes:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        house = House(nursery, settings=settings, **providers)
        await trio.testing.wait_all_tasks_blocked()
        target = f"/?protocol-version={framing.value}"
        identity = identify(target, [("device-id", "aa:bb:cc:00:00:01")], lambda: "auto-00000000")
        wire = MemoryWire()
        guest = Guest(None, wire, framing)  # type: ignore[arg-type] # it only needs the wire
        journal = Journal(passes, Backlog(), lambda: None)
        journal.note(Kind.BEGIN, make_header(identity, house.services, seed=5, wall=house.clock.now()))

        async def serve() -> None:
            await converse_on_record(identity, wire, house.services, journal, 5)
            guest.gone.set()

        nursery.start_soon(serve)
        await guest.until("hello")
        await act(guest)
        await trio.sleep(1)  # nobody leaves at the very moment in which something else happens
        guest.vanish(1000)
        await guest.gone.wait()
        journal.end("over")
        nursery.cancel_scope.cancel()
    return Packer().pack(journal.take()[0])


def asked(data: bytes, *wanted: str, exact: bool = True) -> tuple[Findings, Findings]:
    """What both runs come to. `exact`: the recorded settings give what was recorded, because computing took no time
    then, and no two things happened at one moment."""
    script = script_of(parse("test", data))
    settings = changed(script, changes_of(wanted)[0])
    runs = [rehearse(script, script.settings), rehearse(script, settings)]
    then, now = (findings_of(run.records, script.framing, run.turns) for run in runs)
    assert not (exact and strayed(findings_of(script.records, script.framing), then))
    return then, now


def table(data: bytes, *wanted: str) -> dict[str, tuple[str, str]]:
    """The rows, by what they are about."""
    return {row.what: (row.recorded, row.what_if) for row in rows(*asked(data, *wanted), each=True)}


# --- stories ----------------------------------------------------------------------------------------------------------


def pausing(pause: float, first: float = 0.9, second: float = 0.6) -> Act:
    """The user speaks, pauses, speaks on."""

    async def act(badge: Guest) -> None:
        badge.tell(type="listen", state="start", mode="realtime")
        await badge.sound("voice", first)
        await badge.sound("silence", pause)
        await badge.sound("voice", second)
        await badge.sound("silence", 5)

    return act


async def coughing(badge: Guest) -> None:
    """A question, and a cough while it is answered."""
    badge.tell(type="listen", state="start", mode="realtime")
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 1.5)
    await badge.sound("voice", 0.3)
    await badge.sound("silence", 6)


async def asking(badge: Guest) -> None:
    """A question, and its answer."""
    await badge.speak(voice=0.9)
    await badge.until("tts", "stop")


async def two_questions(badge: Guest) -> None:
    """Two questions, and their answers."""
    await asking(badge)
    await badge.speak(voice=1.2)
    await badge.until("tts", "stop", count=2)


def living(seed: int) -> Act:
    """Some random seconds."""
    dice = random.Random(seed)

    async def act(badge: Guest) -> None:
        for _ in range(8):
            match dice.choice(["manual", "auto", "realtime", "typed", "abort", "garbage", "wait"]):
                case "manual":
                    await badge.speak(voice=dice.uniform(0.3, 1))
                case "auto" | "realtime" as mode:
                    badge.tell(type="listen", state="start", mode=mode)
                    await badge.sound("voice", dice.uniform(0.1, 1))
                    await badge.sound("silence", dice.uniform(0.2, 1.2))
                case "typed":
                    badge.tell(type="listen", state="detect", text=dice.choice(["tell me a story", "你好小智", "yes"]))
                case "abort":
                    badge.tell(type="abort")
                case "garbage":
                    badge.raw(dice.choice(["{", "hello", b"\0\1\2"]))
                case "wait":
                    await trio.sleep(dice.uniform(0, 2))

    return act


def moody(seed: int) -> dict[str, Any]:
    """Providers that are slow or fail, at random."""
    dice = random.Random(seed)

    def hearings() -> Iterator[Hearing]:
        for number in range(50):
            error = ProviderError("asr", "overloaded", retryable=True) if dice.random() < 0.2 else None
            yield Hearing(text=f"question {number}", delay=dice.uniform(0, 0.4), partials=["so", "so far"], error=error)

    def replies() -> Iterator[Reply]:
        for number in range(50):
            error = ProviderError("llm", "hung up", retryable=True) if dice.random() < 0.2 else None
            pieces = [f"This is answer {number}. ", "It has ", "two sentences."]
            yield Reply(pieces=pieces, first=dice.uniform(0, 0.5), pause=dice.uniform(0, 0.05), error=error)

    def voice(text: str) -> Utterance:
        error = ProviderError("tts", "no voice", retryable=True) if dice.random() < 0.1 else None
        return Utterance(duration=0.06 * len(text), delay=dice.uniform(0, 0.2), piece=0.3, error=error)

    return {
        "asr": ScriptedAsr(hearings()),
        "llm": ScriptedLlm(replies()),
        "tts": ScriptedTts(voice),
        "recall": ScriptedRecall("likes tea", delay=0.1) if seed % 2 else None,
    }


# --- without a change -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_nothing_changes_without_a_change(seed: int) -> None:
    framing = [Framing.V1, Framing.V2, Framing.V3][seed % 3]
    data = record(living(seed), framing=framing, **moody(seed))
    script = script_of(parse("test", data))
    runs = [rehearse(script, settings) for settings in (script.settings, changed(script, []))]
    then, now = (findings_of(run.records, script.framing, run.turns) for run in runs)
    assert runs[0] == runs[1]
    assert rows(then, now, each=True) == []


@pytest.mark.parametrize("act", [pausing(0.42), coughing, asking, two_questions])
def test_a_rehearsal_does_what_was_recorded(act: Act) -> None:
    data = record(act, tts=ScriptedTts(lambda _: Utterance(duration=3.0, delay=0.1)))
    assert table(data, "listen.silence_ms=500", "tts.frame_ms=60") == {}


def test_nothing_changes_in_a_recording_without_words() -> None:
    data = record(two_questions, asr=ScriptedAsr(["what time is it", "tell me a story"]))
    assert table(redacted(parse("test", data), audio="keep", text="redact"), "listen.silence_ms=500") == {}


def test_a_badge_that_takes_nothing_for_a_while_does_so_again() -> None:
    async def act(badge: Guest) -> None:
        await badge.speak(voice=0.9)
        await badge.until("tts", "sentence_start")
        badge.wire.reading = trio.Event()
        await trio.sleep(2)
        badge.wire.reading.set()
        await badge.until("tts", "stop")

    data = record(act)
    then, _ = asked(data, "tts.frame_ms=60")
    assert then.turns[0].total > 2000 or "send" not in then.turns[0].stages
    assert table(data, "timeouts.stall_s=1")["ended by"] == (
        "badge, 1000",
        "server, 1013 too slow: messages were not read",
    )


def test_a_goodbye_ends_the_session_as_it_did() -> None:
    async def act(badge: Guest) -> None:
        badge.tell(type="listen", state="detect", text="goodbye")
        await badge.gone.wait()

    data = record(act)
    assert table(data, "tts.frame_ms=60") == {}
    changes = table(data, "phrases.exit=[]")
    assert changes["ended by"] == ("server, 1000 conversation finished", "it goes on")


# --- hearing ----------------------------------------------------------------------------------------------------------


def test_less_silence_cuts_an_utterance_in_two() -> None:
    changes = table(record(pausing(0.42), asr=ScriptedAsr(["what time is it", ""])), "listen.silence_ms=300")
    assert changes["utterances"] == ("1", "2")
    assert changes["utterance 1: words"] == ('"what time is it"', '"what time is it" | ""')
    recorded, what_if = changes["utterance 1: from, to, length in s"]
    assert recorded.count("to") == 1
    assert what_if.count("to") == 2
    assert changes["endpointing, ms"][0] != changes["endpointing, ms"][1]


def test_the_words_go_to_the_larger_part() -> None:
    data = record(pausing(0.42, first=0.5, second=1.5), asr=ScriptedAsr(["what time is it", ""]))
    assert table(data, "listen.silence_ms=300")["utterance 1: words"][1] == '"" | "what time is it"'


def test_more_silence_joins_utterances_and_their_words() -> None:
    settings = settings_with(listen={"silence_ms": 300})
    data = record(pausing(0.42), settings=settings, asr=ScriptedAsr(["what time", "is it"]))
    changes = table(data, "listen.silence_ms=700")
    assert changes["utterances"] == ("2", "1")
    assert changes["utterance 1: words"] == ('"what time" | "is it"', '"what time is it"')


def test_a_badge_hears_an_answer_out_that_comes_later() -> None:
    async def leaving(badge: Guest) -> None:
        badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("voice", 0.9)
        await badge.sound("silence", 0.6)
        await badge.until("tts", "stop")

    changes = table(record(leaving), "listen.silence_ms=2900")
    assert "none" not in {now for _, now in changes.values()}
    assert "messages tts stop" not in changes
    assert float(changes["endpointing, ms"][1]) > 2900


def test_a_cough_that_must_last_longer_is_no_barge_in() -> None:
    data = record(
        coughing,
        asr=ScriptedAsr(["what time is it", ""]),
        tts=ScriptedTts(lambda _: Utterance(duration=3.0)),
    )
    changes = table(data, "vad.barge_in_confirm_ms=400")
    assert changes["barge-ins by voice"] == ("1", "0")
    assert changes["false barge-ins, without words"] == ("1", "0")
    assert changes["answers cut short"] == ("1", "0")
    frames = [int(count) for count in changes["audio frames"]]
    assert frames[0] < frames[1] == 50  # all 3 s


def test_a_real_detector_is_asked_again() -> None:
    data = record(pausing(0.6), vad=EnergyVad(EnergySettings()), asr=ScriptedAsr(["hello"]))
    assert table(data, "vad.energy.minimum=0.9")["utterances"][1] == "0"
    assert "utterance 1: from, to, length in s" in table(data, "vad.use=none")  # from the badge's own start on
    assert table(data, "vad.use=energy") == {}


# --- thinking and speaking --------------------------------------------------------------------------------------------


def test_the_length_of_frames_changes_their_number() -> None:
    changes = table(record(asking), "tts.frame_ms=20")
    assert changes == {"audio frames": ("10", "30")}


def test_a_longer_gap_makes_the_first_audio_later() -> None:
    changes = table(record(two_questions), "tts.start_gap_ms=300")
    assert changes["gap, ms"] == ("p50 12.0, p95 12.0", "p50 300.0, p95 300.0")
    assert changes["first audio of answer 1, ms"] == ("72.0", "360.0")


def test_a_shorter_patience_gives_up_a_slow_model() -> None:
    slow = ScriptedLlm([Reply(pieces=["It is half past nine."], first=2.0)])
    changes = table(record(asking, llm=slow), "chat.first_token_s=1")
    assert changes["llm, ms"] == ("2000.0", "1000.0")
    assert changes["audio frames"][0] != changes["audio frames"][1]  # an apology that was never spoken then


@pytest.mark.parametrize("seed", range(4))
def test_a_change_makes_no_difference_elsewhere(seed: int) -> None:
    then, now = asked(record(living(seed), **moody(seed)), "tts.lead_frames=2", exact=False)
    assert {row.what for row in rows(then, now, each=True)} <= {"audio frames", "messages tts sentence_start"}


def test_an_answer_without_a_voice_has_no_audio() -> None:
    assert table(record(asking), "tts.use=none")["audio frames"] == ("10", "0")


def test_sentences_that_were_never_spoken_last_as_long_as_they_would() -> None:
    llm = ScriptedLlm(["One thing, and another thing, and a third."])
    data = record(asking, llm=llm, tts=ScriptedTts(lambda text: Utterance(duration=0.06 * len(text))))
    then, now = asked(data, "tts.first_clause=200")
    assert now.sent["tts sentence_start"] == 1 < then.sent["tts sentence_start"]
    assert abs(now.frames - then.frames) <= 3


# --- latency ----------------------------------------------------------------------------------------------------------


async def in_auto(badge: Guest) -> None:
    """A question whose end the server has to notice, and its answer."""
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 1.2)
    await badge.until("tts", "stop")


def slow_model(*, partial_text: str = "what time is it", first: float = 0.4, eager: bool = False) -> bytes:
    """A recording in which a model took its time."""
    reply = Reply(pieces=["It is, my friend, half past nine."], first=first)
    return record(
        in_auto,
        asr=ScriptedAsr([Hearing(text="what time is it", partials=[partial_text])]),
        llm=ScriptedLlm([reply, reply]),
        settings=settings_with(listen={"eager": eager}, tts={"first_clause": 0}),
    )


def test_what_beginning_early_is_worth() -> None:
    changes = table(slow_model(), "listen.eager=true")
    assert changes["answers begun early"] == ("0", "1")
    assert changes["of them taken"] == ("0", "1")
    then, now = (float(figure) for figure in changes["first audio, ms after speech"])
    assert then - now == pytest.approx(300, abs=70)
    assert changes.keys() == {"answers begun early", "of them taken", "llm, ms", "first audio, ms after speech"}


def test_what_beginning_early_was_worth() -> None:
    changes = table(slow_model(eager=True), "listen.eager=false")
    assert (changes["answers begun early"], changes["of them taken"]) == (("1", "0"), ("1", "0"))
    then, now = (float(figure) for figure in changes["first audio, ms after speech"])
    assert then < now


def test_a_guess_that_was_wrong_is_counted_and_answers_nothing() -> None:
    """Neither when it is made in the rehearsal only, nor when the recording has what it came to."""
    changes = table(slow_model(partial_text="what time"), "listen.eager=true")
    assert changes == {"answers begun early": ("0", "1"), "in vain, other words": ("0", "1")}
    changes = table(slow_model(partial_text="what time", eager=True), "listen.eager=false")
    assert changes == {"answers begun early": ("1", "0"), "in vain, other words": ("1", "0")}


def test_a_draft_in_vain_is_no_answer_to_the_same_words_later() -> None:
    """What it would have said is not known; what was said later is."""

    async def guessed_wrong_first(badge: Guest) -> None:
        await in_auto(badge)
        badge.tell(type="listen", state="detect", text="what time is it")
        await badge.until("tts", "stop", count=2)

    answer = "It is, my friend, half past nine."
    data = record(
        guessed_wrong_first,
        asr=ScriptedAsr([Hearing(text="what time is it in Rome", partials=["what time is it"])]),
        llm=ScriptedLlm([Reply(pieces=["In vain."], first=3.0), "The same.", Reply(pieces=[answer], first=0.4)]),
        settings=settings_with(listen={"eager": True}, tts={"first_clause": 0}),
    )
    script = script_of(parse("test", data))
    assert [take.items[0][1].text for take in replies(script).takes] == ["The same.", answer]
    for change in ("listen.eager=true", "listen.eager=false"):
        changes = table(data, change)
        assert changes.keys() <= {"answers begun early", "in vain, other words"}, changes


def test_what_a_first_clause_is_worth() -> None:
    llm = ScriptedLlm([Reply(pieces=["Well now, ", "that ", "is ", "a ", "good ", "question."], pause=0.1)])
    data = record(in_auto, llm=llm, settings=settings_with(tts={"first_clause": 0}))
    then, now = (float(figure) for figure in table(data, "tts.first_clause=8")["first audio, ms after speech"])
    assert then - now >= 300


def test_what_a_sound_is_worth() -> None:
    changes = table(slow_model(first=4.0), "chat.acknowledge_after_ms=1500")
    assert changes["acknowledged by a sound"] == ("0", "1")
    assert changes["acknowledged, ms after speech"][0] == "none"
    assert float(changes["acknowledged, ms after speech"][1]) == pytest.approx(1500, abs=70)
    assert changes.keys() <= {"acknowledged by a sound", "acknowledged, ms after speech", "audio frames", "gap, ms"}


def test_what_adapting_to_pauses_is_worth() -> None:
    async def hardly_pausing(badge: Guest) -> None:
        badge.tell(type="listen", state="start", mode="realtime")
        for _ in range(3):
            for _ in range(6):
                await badge.sound("voice", 0.3)
                await badge.sound("silence", 0.12)
            await badge.sound("silence", 4)

    data = record(hardly_pausing, asr=ScriptedAsr(["hello"]))
    changes = table(data, "listen.adaptive=true", "listen.adaptive_min_ms=300")
    assert "utterances" not in changes
    then, now = (float(figure) for figure in changes["first audio of answer 3, ms"])
    assert then - now == pytest.approx(200, abs=70)


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_a_key_in_the_wrong_table_is_understood() -> None:
    changes, notes = changes_of(["vad.silence_ms=350"])
    assert changes == [Change(key="listen.silence_ms", value=350)]
    assert notes == ["vad.silence_ms is called listen.silence_ms here"]


def test_all_that_is_wrong_is_named() -> None:
    wanted = ["silnce_ms=350", "server.port=1", "tts.frame_ms=30", "chat.new_words=5", "listen"]
    with pytest.raises(WrongChangeError) as wrong:
        changes_of(wanted)
    text = str(wrong.value)
    assert "silnce_ms: there is no such setting of sessions; near it: listen.silence_ms" in text
    assert "server.port: there is no such setting" in text
    assert "tts.frame_ms = 30: must be 20, 40 or 60" in text
    assert "chat.new_words = 5: must be one of" in text
    assert "listen: must be KEY=VALUE" in text


def test_values_are_written_as_in_the_configuration() -> None:
    assert [parsed(text) for text in ("350", "2.5", "true", '["a"]', '"x"', "never")] == [
        350,
        2.5,
        True,
        ["a"],
        "x",
        "never",
    ]
    assert not any(key.startswith(("server.", "auth.", "recording.")) for key in settable())


def test_settings_that_contradict_each_other_are_refused() -> None:
    script = script_of(parse("test", record(asking)))
    with pytest.raises(WrongChangeError, match="must not be above"):
        changed(script, changes_of(["vad.silero.threshold_low=0.9"])[0])


def test_several_changes_apply_together() -> None:
    changes = table(record(asking), "tts.frame_ms=20", "tts.start_gap_ms=300")
    assert changes.keys() == {"audio frames", "gap, ms", "first audio, ms after speech"}


# --- the command ------------------------------------------------------------------------------------------------------


def kept(folder: Path, name: str, data: bytes) -> str:
    path = folder / f"{name}.badgerec"
    path.write_bytes(data)
    return str(path)


def test_the_command_prints_tables_and_a_total(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = kept(tmp_path, "one", record(pausing(0.42), asr=ScriptedAsr(["hello", ""])))
    two = kept(tmp_path, "two", record(asking))
    assert main(["replay", "--what-if", "vad.silence_ms=300", one, two]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "vad.silence_ms is called listen.silence_ms here"
    assert lines[1] == f"{one}:"
    assert lines[2].split("  ")[1] == "what"
    assert lines[3].split() == ["utterances", "1", "2"]
    assert f"{two}: nothing changes" in lines
    assert "2 recordings together, of which 1 change:" in lines
    assert not any("even with the recorded settings" in line for line in lines)


def test_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = record(asking)
    whole = kept(tmp_path, "whole", data)
    hashed = kept(tmp_path, "hashed", redacted(parse("test", data), audio="hash", text="keep"))
    cut = kept(tmp_path, "cut", data[: len(data) // 2])
    assert main(["replay", "--what-if", "nonsense=1", whole]) == 2
    assert "nonsense: there is no such setting" in capsys.readouterr().out
    assert main(["replay", "--what-if", "tts.frame_ms=20", hashed]) == 2
    assert "the audio was taken out of this recording" in capsys.readouterr().out
    assert main(["replay", "--what-if", "tts.frame_ms=20", cut]) == 2
    assert "--partly" in capsys.readouterr().out
    assert main(["replay", "--what-if", "tts.frame_ms=20", "--partly", cut]) == 0


def test_a_rehearsal_that_strays_is_reported() -> None:
    data = record(asking, asr=ScriptedAsr(["what time is it"]))
    script = script_of(parse("test", data))
    recorded = findings_of(script.records, script.framing)
    assert strayed(recorded, Findings()) == [
        "1 utterances were recorded, 0 are rehearsed",
        "messages: hello 1 times, now 0, llm 1 times, now 0, stt 1 times, now 0, tts sentence_start 1 times, now 0, "
        "tts start 1 times, now 0, tts stop 1 times, now 0",
    ]


def test_columns_are_aligned() -> None:
    table = rows(*asked(record(asking), "tts.frame_ms=20"), each=True)
    assert aligned(table) == [
        "  what          as it was set  what if",
        "  audio frames  10             30",
    ]


# --- a team of badges -----------------------------------------------------------------------------------------------------

TEAM = (
    *("meeting-lost", "meeting-resumed", "meeting-taken-over", "meeting-continued", "working"),
    *("letter-sent", "letter-received", "reminder", "orders", "coding"),
)


@pytest.mark.parametrize("name", TEAM)
def test_what_a_team_did_is_rehearsed_as_it_was(name: str) -> None:
    """The desk answers as it did then, and others send what they sent: nothing strays, and nothing depends on silence
    where badges bound their utterances themselves."""
    path = Path(__file__).parents[1] / "recordings" / f"{name}.badgerec"
    answer = answer_for(Question(path=path, changes=(Change(key="listen.silence_ms", value=350),), partly=False))
    assert (answer.unusable, answer.notes, answer.table) == ("", (), [])


def test_in_a_meeting_that_the_server_bounds_a_shorter_silence_makes_more_utterances() -> None:
    async def act(guest: Guest) -> None:
        guest.tell(type="mode", state="start", mode="meeting")
        await guest.until("mode")
        await pausing(0.42)(guest)

    data = record(act, settings=settings_with(meeting={"prefer_device_vad": False}), team=True)
    then, now = asked(data, "listen.silence_ms=300")
    assert (len(then.pieces), len(now.pieces)) == (1, 2)
    assert then.answers == now.answers == 1  # the sound that a meeting begins with
