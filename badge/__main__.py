"""The command line: `python -m badge` serves; its sub-commands check, try out and explain."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from badge import fetch, say
from badge.app import CannotListenError, Choices, Running, assemble, choose, operate
from badge.check import check
from badge.clock import Ids, SystemClock
from badge.config import Settings
from badge.configfile import ConfigError, load, render
from badge.diagram import diagrams
from badge.log import logging_to

CONFIG = Path("config.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    args = _parser().parse_args(arguments)
    try:
        return int(args.command(args))
    except ConfigError as exc:
        print(f"the configuration cannot be used:\n{exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m badge", description="Badge, a voice server for AI badges.")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help="default: config.toml")
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(title="commands", metavar="")
    commands.add_parser("serve", help="serve badges (the default)").set_defaults(command=_serve)
    commands.add_parser("check", help="start every provider and say what is missing").set_defaults(command=_check)
    speak = commands.add_parser("say", help="speak or write to a server as a badge would")
    say.add_arguments(speak)
    speak.set_defaults(command=_say)
    models = commands.add_parser("models", help="list and fetch Vosk and Piper models")
    fetch.add_arguments(models)
    models.set_defaults(command=_models)
    commands.add_parser("diagram", help="print the state machines").set_defaults(command=_diagram)
    commands.add_parser("config", help="print a config.toml with every key and its default").set_defaults(
        command=_config
    )
    return parser


def _serve(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ)
    clock = SystemClock()
    choices = choose(settings, os.environ, clock)
    services = assemble(settings, choices, clock, Ids())
    log = settings.log
    with logging_to(sys.stderr, form=log.form, level=log.level, max_message_length=log.max_message_length):
        try:
            trio.run(operate, services, partial(_announce, settings, choices))
        except* CannotListenError as group:
            message = str(_leaf(group))
        else:
            return 0
    print(message, file=sys.stderr)
    return 1


def _announce(settings: Settings, choices: Choices, running: Running) -> None:
    print("\n".join(greeting(settings, choices, running)), flush=True)


def greeting(settings: Settings, choices: Choices, running: Running) -> list[str]:
    """What an operator reads on start: where, with what, what could be better, and what to try next."""
    host = "localhost" if running.host in ("0.0.0.0", "::", "") else running.host
    url = f"ws://{host}:{running.port}/xiaozhi/v1/"
    model = choices.llms[settings.llm_by_purpose.chat]
    lines = [
        f"Badge is ready. Badges connect to {url}",
        f"  or are sent there by   http://{host}:{running.http_port}/xiaozhi/ota/  (their OTA address)",
        f"  hears with             {choices.asr.why}",
        f"  thinks with            {model.why}",
        f"  speaks with            {choices.tts.why}",
    ]
    lines += [
        f"  better:                {choice.better.replace('python -m badge', _command())}"
        for choice in (choices.asr, model, choices.tts)
        if choice.better
    ]
    lines.append(f'Try it from another terminal: {_command()} say --url {url} --text "what can you do"')
    return lines


def _command() -> str:
    """How this Python is started from where the operator stands."""
    executable = Path(sys.executable)
    here = executable.relative_to(Path.cwd()) if executable.is_relative_to(Path.cwd()) else executable
    return f"{here} -m badge"


def _check(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ)
    return trio.run(check, settings, os.environ, SystemClock(), print)


def _say(args: argparse.Namespace) -> int:
    settings = Settings() if args.url else load(args.config, os.environ)
    with logging_to(sys.stderr, form="console", level="error", max_message_length=2000):
        return trio.run(say.say, say.order_of(args), settings, dict(os.environ), partial(print, flush=True))


def _models(args: argparse.Namespace) -> int:
    return trio.run(fetch.fetch_models, args)


def _diagram(_: argparse.Namespace) -> int:
    print(diagrams())
    return 0


def _config(_: argparse.Namespace) -> int:
    print(render(Settings()), end="")
    return 0


def _leaf(exc: BaseException) -> BaseException:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


if __name__ == "__main__":
    sys.exit(main())
