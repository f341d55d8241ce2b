"""The command line: `python -m badge` serves; its sub-commands check, try out and explain."""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio
from tqdm import tqdm

from badge.app import CannotListenError, Choices, Running, assemble, choose, operate
from badge.boundary import leaves
from badge.clock import Ids, SystemClock
from badge.commands import backup, devices, meetings, memory, models, push, replay, say, usage
from badge.commands.check import check
from badge.commands.diagram import diagrams
from badge.config.file import ConfigError, load, render
from badge.config.llm import Purpose, purposes
from badge.config.settings import Settings
from badge.edge.control import ControlError
from badge.log import logging_to
from badge.reloading import Reloading
from badge.storage.ports import StoreError

CONFIG = Path("config.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal can show, nothing fails for it
    args = _parser().parse_args(arguments)
    status = 1
    try:
        status = _carry_out(args)
        sys.stdout.flush()
    except* KeyboardInterrupt:
        status = 130
    except* BrokenPipeError:  # who read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _carry_out(args: argparse.Namespace) -> int:
    try:
        return int(args.command(args))
    except ConfigError as exc:
        print(f"the configuration cannot be used:\n{exc}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m badge", description="Badge, a voice server for AI badges.")
    _add_config(parser, default=None)
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command, about, add_arguments in (
        ("serve", _serve, "serve badges (the default)", None),
        ("check", _check, "start every provider and say what is missing", None),
        ("say", _say, "speak or write to a server as a badge would", say.add_arguments),
        ("push", _push, "have a badge of the running server say something", push.add_arguments),
        ("usage", _usage, "show what language models have cost, by device and purpose", None),
        ("devices", _devices, "list badges, bind and unbind them", devices.add_arguments),
        ("models", _models, "list and fetch Vosk and Piper models", models.add_arguments),
        ("replay", _replay, "repeat recorded sessions and compare", replay.add_replay_arguments),
        (
            "redact",
            _redact,
            "take words and sound out of a recording, so that it can be shared",
            replay.add_redact_arguments,
        ),
        ("meetings", _meetings, "list, show and export meetings and their minutes", meetings.add_arguments),
        ("memory", _memory, "see and erase what is remembered of each badge", memory.add_arguments),
        ("backup", _backup, "copy what the server keeps, while it runs", backup.add_arguments),
        ("diagram", _diagram, "print the state machines", None),
        ("config", _config, "print a config.toml with every key and its default", None),
    ):
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(command=command)
        _add_config(one, default=argparse.SUPPRESS)  # before the command or after it
        if add_arguments is not None:
            add_arguments(one)
    return parser


def _add_config(parser: argparse.ArgumentParser, default: Any) -> None:
    parser.add_argument("--config", type=Path, default=default, metavar="FILE", help="default: config.toml, if any")


def _settings(args: argparse.Namespace) -> Settings:
    """As configured; a file that was asked for must be there."""
    if args.config is not None and not args.config.exists():
        raise ConfigError([f"{args.config}: does not exist"])
    return load(args.config or CONFIG, os.environ)


def _configured_by(args: argparse.Namespace) -> str:
    file: Path = args.config or CONFIG
    return str(file.absolute()) if file.exists() else f"defaults, as there is no {file.absolute()}"


def _serve(args: argparse.Namespace) -> int:
    if args.config is None and CONFIG.exists():
        args.config = CONFIG  # once there, it is not given up for the defaults: an editor may be writing it anew
    settings = _settings(args)
    clock = SystemClock()
    choices = choose(settings, os.environ, clock)
    server = assemble(settings, choices, clock, Ids())
    assert server.llms is not None
    reload = Reloading(settings, lambda: _settings(args), choices.workshop.settle, server.llms).reload
    log = settings.log
    with logging_to(sys.stderr, form=log.form, level=log.level, max_message_length=log.max_message_length):
        try:
            trio.run(operate, server, partial(_announce, settings, choices, _configured_by(args)), reload)
        except* (CannotListenError, ControlError, StoreError) as group:
            message = str(next(leaves(group)))
        else:
            return 0
    print(message, file=sys.stderr)
    return 1


def _announce(settings: Settings, choices: Choices, configured_by: str, running: Running) -> None:
    print("\n".join(greeting(settings, choices, running, configured_by, own_address())), flush=True)


def own_address() -> str:
    """This machine's address in its network, which badges need; `localhost` when there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: the system only chooses a way out
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"


def greeting(settings: Settings, choices: Choices, running: Running, configured_by: str, address: str) -> list[str]:
    """What an operator reads on start: where, with what, what could be better, and what to try next. `address` is this
    machine's, shown where the server listens everywhere."""
    everywhere = running.host in ("0.0.0.0", "::", "")
    bound = f"[{running.host}]" if ":" in running.host else running.host
    host, near = (address, "localhost") if everywhere else (bound, bound)
    url, here = (f"ws://{name}:{running.port}/xiaozhi/v1/" for name in (host, near))
    model = choices.llms[purposes(settings.llm_by_purpose, settings.llm)[Purpose.CHAT]]
    store = settings.store
    kept = Path(store.file).expanduser().absolute() if store.use == "sqlite" else "memory"
    lines = [
        f"Badge is ready. Badges connect to {url}",
        f"  or are sent there by   http://{host}:{running.http_port}/xiaozhi/ota/  (their OTA address)",
        f"  hears with             {choices.asr.why}",
        f"  thinks with            {model.why}",
        f"  speaks with            {choices.tts.why}",
        f"  configured by          {configured_by}; keeps what it is told in {kept}",
    ]
    if settings.recording.use != "off":
        lines.append(f"  records                {settings.recording.use} sessions into {settings.recording.folder}")
    lines += [
        f"  better:                {choice.better.replace('python -m badge', _command())}"
        for choice in (choices.asr, model, choices.tts)
        if choice.better
    ]
    lines.append(f'Try it from another terminal: {_command()} say --url {here} --text "what can you do"')
    return lines


def _command() -> str:
    """How this Python is started from where the operator stands."""
    executable = Path(sys.executable)
    here = executable.relative_to(Path.cwd()) if executable.is_relative_to(Path.cwd()) else executable
    return f"{here} -m badge"


def _check(args: argparse.Namespace) -> int:
    settings = _settings(args)
    return trio.run(check, settings, os.environ, SystemClock(), print)


def _say(args: argparse.Namespace) -> int:
    settings = Settings() if args.url else _settings(args)
    with logging_to(sys.stderr, form="console", level="error", max_message_length=2000):
        write = partial(print, flush=True)
        return trio.run(interruptible, say.say, say.order_of(args), settings, dict(os.environ), write)


async def interruptible(command: Callable[..., Awaitable[int]], *arguments: Any) -> int:
    """Run a command until it ends or Ctrl-C ends it; a library below that catches `KeyboardInterrupt`, as the HTTP server does,
    cannot keep it. Gives the exit status. Raises `KeyboardInterrupt`."""
    async with trio.open_nursery() as nursery:
        await nursery.start(_await_interrupt)
        status = await command(*arguments)
        nursery.cancel_scope.cancel("the command has ended")
    return status


async def _await_interrupt(*, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            raise KeyboardInterrupt


def _push(args: argparse.Namespace) -> int:
    return push.run(args, _settings(args).store, print)


def _usage(args: argparse.Namespace) -> int:
    return usage.run(_settings(args).store, print)


def _devices(args: argparse.Namespace) -> int:
    with logging_to(sys.stderr, form="console", level="error", max_message_length=2000):
        return devices.run(args, _settings(args), SystemClock(), print)


def _models(args: argparse.Namespace) -> int:
    return trio.run(partial(models.fetch_models, args, configured=_settings(args).models.folder))


def _replay(args: argparse.Namespace) -> int:
    return replay.replay_files(args, partial(tqdm.write, file=sys.stdout))


def _redact(args: argparse.Namespace) -> int:
    return replay.redact_file(args, print)


def _meetings(args: argparse.Namespace) -> int:
    return meetings.run(args, _settings(args).store, SystemClock(), print)


def _memory(args: argparse.Namespace) -> int:
    with logging_to(sys.stderr, form="console", level="error", max_message_length=2000):
        return memory.run(args, _settings(args).store, SystemClock(), print)


def _backup(args: argparse.Namespace) -> int:
    return backup.run(args, _settings(args).store, SystemClock(), print)


def _diagram(_: argparse.Namespace) -> int:
    print(diagrams())
    return 0


def _config(_: argparse.Namespace) -> int:
    print(render(Settings()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
