"""What all that ask servers with the OpenAI API have in common: the account, the key, and whom they trust."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import httpx2
import pytest
import trio

from providers.asr.funasr import FunasrAsr, FunasrSettings
from providers.asr.openai import OpenAiAsr, OpenAiAsrSettings
from providers.embeddings import EmbeddingSettings, OpenAiEmbeddings
from providers.llm.openai import OpenAiLlm
from providers.llm.openai_settings import OpenAiSettings
from providers.openai_client import Account, usable_key
from providers.ports import Provider
from providers.tts.openai import OpenAiTts, OpenAiTtsSettings
from tests.providers.speech import running

KEY = "sk-secret-0123456789"

Make = Callable[[str], Provider]
"""A provider that has its key from this file."""

OPENAI: dict[str, Make] = {
    "llm": lambda file: OpenAiLlm(OpenAiSettings(api_key_file=file), {}),
    "asr": lambda file: OpenAiAsr(OpenAiAsrSettings(api_key_file=file), "en", {}),
    "tts": lambda file: OpenAiTts(OpenAiTtsSettings(api_key_file=file), {}),
    "embeddings": lambda file: OpenAiEmbeddings(EmbeddingSettings(api_key_file=file), {}),
}
REMOTE: dict[str, Make] = {
    **OPENAI,
    "funasr": lambda file: FunasrAsr(FunasrSettings(url="ws://localhost", api_key_file=file), {}),
}


@pytest.mark.parametrize("kind", REMOTE)
async def test_a_key_file_on_a_slow_disk_holds_up_nobody(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read in a thread."""
    read: list[bool] = []

    plain = Path.read_text

    def read_text(path: Path, *how: str, **more: str) -> str:
        if path == file:
            read.append(trio.lowlevel.in_trio_run())
        return plain(path, *how, **more)

    file = tmp_path / "key"
    file.write_text(KEY)
    provider = REMOTE[kind](str(file))
    monkeypatch.setattr(Path, "read_text", read_text)
    async with running(provider):
        pass
    assert read == [False]


async def test_certificates_are_loaded_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are most of what a client weighs; a client made after the variable has changed has others."""
    (tmp_path / "key").write_text(KEY)
    loaded: list[Path] = []
    load = httpx2.create_ssl_context

    def counted() -> object:
        loaded.append(place)
        return load()

    monkeypatch.setattr(httpx2, "create_ssl_context", counted)
    for place in (tmp_path / "some", tmp_path / "others"):
        place.mkdir()
        monkeypatch.setenv("SSL_CERT_DIR", str(place))
        for make in OPENAI.values():
            async with running(make(str(tmp_path / "key"))):
                pass
    assert loaded == [tmp_path / "some", tmp_path / "others"]


def test_everybody_has_an_account_of_the_same_kind() -> None:
    """One key of config.toml means the same wherever it stands."""
    account = attrs.fields_dict(Account)
    for settings in (OpenAiSettings, OpenAiAsrSettings, OpenAiTtsSettings, EmbeddingSettings):
        fields = attrs.fields_dict(settings)
        assert {name: fields[name].metadata for name in account} == {name: a.metadata for name, a in account.items()}


def test_the_key_of_the_settings_overrides_the_file_and_that_the_variable(tmp_path: Path) -> None:
    """Where nothing is given, a server of one's own gets a word in its place."""
    (tmp_path / "key").write_text("sk-file\n")
    environment = {"OPENAI_API_KEY": "sk-variable"}
    file = OpenAiSettings(api_key_file=str(tmp_path / "key"))
    keys = [attrs.evolve(file, api_key="sk-given"), file, OpenAiSettings(api_key=" "), OpenAiSettings()]
    found = [usable_key("m", attrs.evolve(one, base_url="http://localhost"), environment) for one in keys]
    assert found == ["sk-given", "sk-file", "none", "sk-variable"]
