"""config.toml: complete, strict, and clear about what is wrong."""

from __future__ import annotations

import textwrap
from pathlib import Path

import attrs
import pytest

from badge.config.file import ConfigError, load, render
from badge.config.settings import Settings

ROOT = Path(__file__).parents[1]


def loaded(tmp_path: Path, text: str, **environment: str) -> Settings:
    path = tmp_path / "config.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load(path, environment)


def wrong(tmp_path: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as info:
        loaded(tmp_path, text, **environment)
    return [line.replace(f"{tmp_path}/", "") for line in info.value.lines]


@pytest.mark.req("SU-1", "TO-1", "WW-2", "WW-3", "WW-6", "B-122")
def test_a_missing_file_means_all_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path / "none.toml", {})
    assert settings == Settings()
    assert (settings.server.host, settings.server.port, settings.server.http_port) == ("0.0.0.0", 8000, 8003)
    assert settings.timeouts.no_voice_s == 600
    assert settings.phrases.enable_greeting is True
    assert "你好小智" in settings.phrases.wake
    assert "退出" in settings.phrases.exit
    assert settings.log.max_message_length == 2000
    assert settings.listen.mode == "auto"


@pytest.mark.req("WW-2", "WW-6", "B-122")
def test_every_key_and_every_table_may_be_missing(tmp_path: Path) -> None:
    """Each has a default, which is found at the start and not by the first connection that needs it."""
    text = render(Settings())
    assignments = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert len(assignments) > 60
    for number, line in enumerate(text.splitlines()):
        if line in assignments:
            rest = text.splitlines()[:number] + text.splitlines()[number + 1 :]
            assert loaded(tmp_path, "\n".join(rest)) == Settings(), line
    tables = text.split("\n[")
    for number in range(1, len(tables)):
        rest = "\n[".join(tables[:number] + tables[number + 1 :])
        assert loaded(tmp_path, rest) == Settings(), tables[number].splitlines()[0]


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    """It is what `python -m badge config` prints."""
    assert (ROOT / "config.toml").read_text(encoding="utf-8") == render(Settings())


def test_what_is_rendered_can_be_loaded(tmp_path: Path) -> None:
    assert loaded(tmp_path, render(Settings())) == Settings()
    odd = attrs.evolve(
        Settings(),
        welcome={"name": 'a "quoted" 名字'},
        auth=attrs.evolve(Settings().auth, bindings={"aa:bb": "c"}, devices=["x"]),
        llm={"default": Settings().llm["default"], "big": attrs.evolve(Settings().llm["default"], use="openai")},
    )
    assert loaded(tmp_path, render(odd)) == odd


def keys(settings: object, prefix: str = "") -> list[str]:
    found = []
    for attribute in attrs.fields(type(settings)):
        value = getattr(settings, attribute.name)
        found += keys(value, f"{prefix}{attribute.name}.") if attrs.has(type(value)) else [prefix + attribute.name]
    return found


def test_every_key_has_a_comment() -> None:
    text = render(Settings()).splitlines()
    for number, line in enumerate(text):
        if "=" in line and not line.startswith("#"):
            assert text[number - 1].startswith("#"), line
    assert len(keys(Settings())) > 60


def test_all_mistakes_are_reported_at_once_with_file_key_value_and_remedy(tmp_path: Path) -> None:
    text = """
    [server]
    port = "eighty"
    prot = 5
    [listen]
    mode = "loud"
    silence_ms = 1
    [tts]
    frame_ms = 30
    [log]
    level = 5
    [nonsense]
    """
    assert wrong(tmp_path, text) == [
        'config.toml: server.port = "eighty": must be a whole number',
        "config.toml: server.prot = 5: is not known here; known: host, port, http_port, public_url, public_http_url, framing, console",
        'config.toml: listen.mode = "loud": must be one of "auto", "manual", "realtime"',
        "config.toml: listen.silence_ms = 1: must be between 100 and 5000",
        "config.toml: tts.frame_ms = 30: must be 20, 40 or 60",
        'config.toml: log.level = 5: must be one of "debug", "info", "warning", "error"',
        wrong(tmp_path, "[nonsense]")[0],
    ]
    assert wrong(tmp_path, "[nonsense]")[0].startswith(
        "config.toml: nonsense = {}: is not known here; known: server, auth"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server", "is not TOML"),
        ("[server]\nport = true", "must be a whole number"),
        ("[server]\npublic_url = 'http://x'", "begins with ws:// or wss://"),
        ("[server]\npublic_http_url = 'ws://x'", "begins with http:// or https://"),
        ("server = 5", "must be an object"),
        ("[auth]\nenabled = true", "nobody could connect"),
        ("[llm_by_purpose]\nchat = 'missing'", "must be one of default"),
        ("[llm.big]\nuse = 'openai'\n[llm_by_purpose]\nchat = 'big'", "must have a table [llm.default]"),
        ("[vad.silero]\nthreshold = 0.3\nthreshold_low = 0.4", "must not be above"),
        ("[phrases]\nwake = 'x'", "must be a list"),
        ("[phrases]\nwake = [1]", "wake[0]"),
        ("[[auth.tokens]]\nname = 'x'", "auth.tokens[0].token"),
    ],
)
def test_single_mistakes(tmp_path: Path, text: str, says: str) -> None:
    (line,) = wrong(tmp_path, text)
    assert says in line
    assert line.startswith("config.toml: ")


def test_secrets_are_not_repeated_in_errors(tmp_path: Path) -> None:
    (line,) = wrong(tmp_path, "[auth]\nkey = 12345678")
    assert "12345678" not in line
    assert "auth.key = ***" in line


@pytest.mark.req("LG-6")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('[tools.weather]\nurl = "https://host/?appid=KEY123&q={oops}"', "https://host/?appid=***&q={oops}"),
        ('[devices.console]\nurl = "ftp://user:KEY123@host"', "ftp://***@host"),
    ],
)
def test_secrets_inside_addresses_are_not_repeated_in_errors(tmp_path: Path, text: str, shown: str) -> None:
    (line,) = wrong(tmp_path, text)
    assert "KEY123" not in line
    assert shown in line


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(tmp_path / "config.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_environment_variables_override_secrets(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "[auth]\nkey = 'file'",
        BADGE_AUTH_KEY="variable",
        BADGE_MANAGER_SECRET="manager",
        BADGE_AUTH_TOKENS="desk=t1,lab=t2=x",
        BADGE_MODELS="/models",
    )
    assert settings.auth.key == "variable"
    assert settings.auth.manager_secret == "manager"
    assert [(t.name, t.token) for t in settings.auth.tokens] == [("desk", "t1"), ("lab", "t2=x")]
    assert settings.models.folder == "/models"


def test_settings_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().server.port = 1  # type: ignore[misc]
