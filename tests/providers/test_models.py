"""Which models on disk count as there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from providers.models import ModelFolder, PiperVoiceFile, VoskModel, default_folder

ROOT = Path(__file__).parents[2]
TINY = next(
    (p for p in (ROOT / "tests" / "models", ROOT.parent / "shared" / "models") if (p / "vosk-tiny-en").is_dir()), None
)

pytestmark = pytest.mark.skipif(TINY is None, reason="the tiny models are not here")


def copy(source: str, target: Path) -> Path:
    """A writable copy of one tiny model."""
    assert TINY is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    if (TINY / source).is_dir():
        shutil.copytree(TINY / source, target, copy_function=shutil.copyfile)
        for folder in (target, *(p for p in target.rglob("*") if p.is_dir())):
            folder.chmod(0o755)
    else:
        shutil.copyfile(TINY / source, target)
    return target


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    """Two models and two voices, all complete."""
    copy("vosk-tiny-en", tmp_path / "vosk" / "vosk-tiny-en")
    copy("vosk-tiny-zh", tmp_path / "vosk" / "vosk-model-small-cn-0.22")
    for voice in ("en_US-toy-x_low", "zh_CN-toy-x_low"):
        for suffix in (".onnx", ".onnx.json"):
            copy(f"piper-tiny/{voice}{suffix}", tmp_path / "piper" / f"{voice}{suffix}")
    return ModelFolder(tmp_path)


def test_finds_complete_models(folder: ModelFolder) -> None:
    vosk, piper = folder.path / "vosk", folder.path / "piper"
    assert folder.vosk_models() == (
        VoskModel("vosk-model-small-cn-0.22", vosk / "vosk-model-small-cn-0.22", "zh"),
        VoskModel("vosk-tiny-en", vosk / "vosk-tiny-en", "en"),
    )
    assert folder.piper_voices() == (
        PiperVoiceFile("en_US-toy-x_low", piper / "en_US-toy-x_low.onnx", "en"),
        PiperVoiceFile("zh_CN-toy-x_low", piper / "zh_CN-toy-x_low.onnx", "zh"),
    )
    assert folder.problems() == ()


def test_no_folder_is_no_problem(tmp_path: Path) -> None:
    nowhere = ModelFolder(tmp_path / "nowhere")
    assert (nowhere.vosk_models(), nowhere.piper_voices(), nowhere.problems()) == ((), (), ())


@pytest.mark.parametrize("lost", ["am/final.mdl", "conf/model.conf", "graph/HCLG.fst", "graph/words.txt"])
@pytest.mark.parametrize("how", ["gone", "empty", "folder", "dangling", "loop"])
def test_an_incomplete_vosk_model_is_left_out(folder: ModelFolder, lost: str, how: str) -> None:
    path = folder.path / "vosk" / "vosk-tiny-en" / lost
    path.unlink()
    if how == "empty":
        path.touch()
    elif how == "folder":
        path.mkdir()
    elif how == "dangling":
        path.symlink_to("nothing")
    elif how == "loop":
        path.symlink_to(path.name)
    assert [model.name for model in folder.vosk_models()] == ["vosk-model-small-cn-0.22"]
    (problem,) = folder.problems()
    assert "vosk-tiny-en is no complete Vosk model" in problem
    assert lost in problem
    assert problem.endswith("python -m badge models vosk-tiny-en")


def test_a_graph_in_two_parts_carries_its_words(folder: ModelFolder) -> None:
    graph = folder.path / "vosk" / "vosk-tiny-en" / "graph"
    (graph / "HCLG.fst").rename(graph / "HCLr.fst")
    (graph / "words.txt").unlink()
    assert len(folder.vosk_models()) == 1
    assert "graph/Gr.fst is missing" in folder.problems()[0]
    shutil.copyfile(graph / "HCLr.fst", graph / "Gr.fst")
    assert len(folder.vosk_models()) == 2
    assert folder.problems() == ()


@pytest.mark.parametrize("suffix", [".onnx", ".onnx.json"])
def test_half_a_voice_is_left_out(folder: ModelFolder, suffix: str) -> None:
    (folder.path / "piper" / f"en_US-toy-x_low{suffix}").unlink()
    assert [voice.name for voice in folder.piper_voices()] == ["zh_CN-toy-x_low"]
    (problem,) = folder.problems()
    assert f"en_US-toy-x_low{suffix} is missing" in problem


@pytest.mark.parametrize(
    "config", [b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"a":'], ids=lambda c: repr(c[:4])
)
def test_a_voice_needs_a_configuration_that_parses(folder: ModelFolder, config: bytes) -> None:
    (folder.path / "piper" / "en_US-toy-x_low.onnx.json").write_bytes(config)
    assert [voice.name for voice in folder.piper_voices()] == ["zh_CN-toy-x_low"]
    assert "is not a JSON object" in folder.problems()[0]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("vosk-model-small-en-us-0.15", "en"),
        ("vosk-model-en-us-0.22-lgraph", "en"),
        ("vosk-model-en-in-0.5", "en"),
        ("vosk-model-cn-0.22", "zh"),
        ("vosk-model-cn-kaldi-multicn-0.15", "zh"),
        ("my-zh-model", "zh"),
        ("vosk-model-small-de-0.15", None),
        ("vosk-model-tl-ph-generic-0.6", None),
    ],
)
def test_the_language_of_a_vosk_model_is_in_its_name(tmp_path: Path, name: str, language: str | None) -> None:
    copy("vosk-tiny-en", tmp_path / "vosk" / name)
    folder = ModelFolder(tmp_path)
    assert [model.language for model in folder.vosk_models()] == ([language] if language else [])
    assert len(folder.problems()) == (0 if language else 1)


@pytest.mark.parametrize(
    ("config", "language"),
    [
        ('{"language": {"code": "en_GB"}}', "en"),
        ('{"language": {"code": "cmn"}}', "zh"),
        ('{"language": {"family": "zh"}}', "zh"),
        ('{"espeak": {"voice": "en-us"}}', "en"),
        ('{"language": "en", "espeak": {"voice": "cmn"}}', "zh"),
        ('{"language": {"code": "de_DE"}, "espeak": {"voice": "de"}}', None),
        ('{"language": {"code": 7}}', None),
        ("{}", None),
    ],
)
def test_a_voice_may_say_its_language_itself(tmp_path: Path, config: str, language: str | None) -> None:
    voice = copy("piper-tiny/en_US-toy-x_low.onnx", tmp_path / "piper" / "grandma.onnx")
    voice.with_name("grandma.onnx.json").write_text(config)
    folder = ModelFolder(tmp_path)
    assert [found.language for found in folder.piper_voices()] == ([language] if language else [])
    assert len(folder.problems()) == (0 if language else 1)


def test_what_is_no_model_is_passed_over(folder: ModelFolder) -> None:
    (folder.path / "vosk" / "README.txt").write_text("hello")
    (folder.path / "vosk" / ".DS_Store").mkdir()
    (folder.path / "piper" / "MODEL_CARD").write_text("hello")
    (folder.path / ".partial").mkdir()
    assert len(folder.vosk_models()) == len(folder.piper_voices()) == 2
    assert folder.problems() == ()


def test_a_packed_model_is_pointed_out(folder: ModelFolder) -> None:
    (folder.path / "vosk" / "vosk-model-small-en-us-0.15.zip").write_bytes(b"PK")
    assert folder.problems() == (
        f"{folder.path / 'vosk' / 'vosk-model-small-en-us-0.15.zip'} is still packed; "
        f"unpack it in {folder.path / 'vosk'}.",
    )


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "vosk").write_text("")
    (tmp_path / "piper").symlink_to("piper")
    problems = ModelFolder(tmp_path).problems()
    assert len(problems) == 2
    assert all("cannot be read" in problem for problem in problems)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("closed", ["vosk-tiny-en/am/final.mdl", "vosk-tiny-en/am", "vosk-tiny-en", "."])
def test_what_must_not_be_read_is_left_out(folder: ModelFolder, closed: str) -> None:
    path = folder.path / "vosk" / closed
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        assert "vosk-tiny-en" not in [model.name for model in folder.vosk_models()]
        assert any("cannot be read" in problem for problem in folder.problems())
    finally:
        path.chmod(mode)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BADGE_MODELS", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("BADGE_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder().parts[-2:] == ("badge", "models")


def test_every_complete_model_loads(folder: ModelFolder) -> None:
    vosk = pytest.importorskip("vosk", exc_type=ImportError)
    vosk.SetLogLevel(-1)
    for model in folder.vosk_models():
        vosk.Model(model_path=str(model.path))
