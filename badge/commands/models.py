"""The command `python -m badge models`: what is installed, what there is, and getting it."""

from __future__ import annotations

import argparse
import difflib
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import trio
from attrs import field, frozen

from badge.commands.model_lists import BASES, KNOWN, LISTS, Kind, Offer, Part, read_list
from badge.commands.unpack import UnpackError, unpack
from providers.models import ModelFolder, default_folder, piper_flaw, vosk_flaw

if TYPE_CHECKING:
    import httpx2

MAX_LIST_BYTES = 10 * 1024 * 1024

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it."""


class FetchError(Exception):
    """One model was not had; the message is a sentence for the operator."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to download; without any: list what there is")
    parser.add_argument(
        "--folder", type=Path, help="where models are kept (default: as configured, BADGE_MODELS, or the user's cache)"
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="base address to load from instead of the official ones; it holds model-list.json, voices.json and "
        "beside them the files under their official names",
    )


async def fetch_models(args: argparse.Namespace, out: TextIO | None = None, *, configured: str = "") -> int:
    """Run the command; gives the exit status: 0, 1 when a model was not had, 130 after Ctrl-C.

    `configured` is the folder of the configuration, empty for the usual one. Sentences go to `out` (by default standard output), the progress bar to standard error.
    """
    folder = ModelFolder(
        (args.folder or (Path(configured) if configured else default_folder())).expanduser().absolute()
    )
    mirror = args.mirror.rstrip("/") if args.mirror else ""
    bases: dict[Kind, str] = {kind: mirror or base for kind, base in BASES.items()}
    options = (["--folder", str(args.folder)] if args.folder else []) + (["--mirror", mirror] if mirror else [])
    command = Command(folder, bases, options, sys.stdout if out is None else out)
    if not args.names:
        await trio.to_thread.run_sync(command.show_all)
        return 0
    status = INTERRUPTED
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            status = await command.fetch_all(args.names)
            nursery.cancel_scope.cancel("done")
    if status == INTERRUPTED:
        again = shlex.join(["python", "-m", "badge", "models", *options, *args.names])
        command.say(f"\nStopped; what has come is kept. Go on with:\n  {again}")
    return status


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel("Ctrl-C")


@frozen
class Command:
    """One run of the command."""

    folder: ModelFolder
    bases: dict[Kind, str]
    options: Sequence[str]
    out: TextIO
    lists: dict[Kind, dict[str, Offer]] = field(factory=dict, init=False)

    def say(self, line: str = "") -> None:
        """Write one line for the operator."""
        self.out.write(line + "\n")
        self.out.flush()

    def show_all(self) -> None:
        """List what is installed, what is broken, what is known, and how to get what is recommended."""
        models, voices = self.folder.vosk_models(), self.folder.piper_voices()
        self.say(f"Models in {self.folder.path}:")
        for model in models:
            self.say(f"  {model.name:<30} hears  {model.language}")
        for voice in voices:
            self.say(f"  {voice.name:<30} speaks {voice.language}")
        if not models and not voices:
            self.say("  none; Badge uses the speech recognition (English) and the voices that are built in")
        for problem in self.folder.problems():
            self.say(f"  ! {problem}")
        self.say("\nTo be had:")
        for known in KNOWN:
            star = "*" if known.recommended else " "
            verb = "hears" if known.kind == "vosk" else "speaks"
            self.say(f"{star} {known.name:<30} {verb:<6} {known.language} {known.megabytes:>5} MB  {known.note}")
            self.say(f"    {known.address(self.bases[known.kind])}")
        self.say(f"  and every model of {' and '.join(f'{self.bases[kind]}/{LISTS[kind]}' for kind in LISTS)}")
        there = {model.name for model in models} | {voice.name for voice in voices}
        missing = [known.name for known in KNOWN if known.recommended and known.name not in there]
        if missing:
            self.say(f"\nGet the recommended (*) ones with:\n  {self._command(missing)}")
        else:
            self.say("\nAll recommended (*) models are here.")

    async def fetch_all(self, names: Sequence[str]) -> int:
        """Get the models one after the other; gives the exit status."""
        from badge.commands.download import UnreachableError

        try:
            async with _open_client() as client:
                had = [await self._attempt(client, name) for name in names]
            return 0 if all(had) else 1
        except UnreachableError as exc:
            self.say(
                f"{exc}; Badge works without, with the speech recognition and the voices that are built in, and a "
                f"model that you get elsewhere can be placed by hand: a Vosk model unpacked as "
                f"{self.folder.path / 'vosk'}/NAME/, a Piper voice as {self.folder.path / 'piper'}/NAME.onnx with "
                f"its NAME.onnx.json."
            )
        except FetchError as exc:
            self.say(str(exc))
        return 1

    async def _attempt(self, client: httpx2.AsyncClient, name: str) -> bool:
        """Get one model or say why not; an address at which nobody answers ends the command."""
        from badge.commands.download import DownloadError, UnreachableError

        try:
            await self._fetch(client, name)
        except UnreachableError:
            raise
        except (FetchError, DownloadError) as exc:
            self.say(f"{name}: {exc}")
            return False
        return True

    async def _fetch(self, client: httpx2.AsyncClient, name: str) -> None:
        here = await trio.to_thread.run_sync(self._installed, name)
        if here:
            self.say(f"{name}: already complete, {here}")
            return
        offer = await self._find(client, name)
        partial = self.folder.path / ".partial"
        try:
            await trio.Path(partial).mkdir(parents=True, exist_ok=True)
            for part in offer.parts:
                await _download(client, part, partial / part.file)
            target = await trio.to_thread.run_sync(_PLACE[offer.kind], offer, partial, self.folder.path)
        except OSError as exc:
            raise FetchError(f"{exc.filename or partial} cannot be written ({exc.strerror or exc}).") from exc
        except UnpackError as exc:
            raise FetchError(f"what came cannot be used and was deleted: {exc}.") from exc
        self.say(f"{name}: complete, {target}")
        for problem in await trio.to_thread.run_sync(self.folder.problems):
            if problem.startswith(f"{target} "):
                self.say(f"  ! {problem}")

    def _installed(self, name: str) -> Path | None:
        model, voice = self.folder.path / "vosk" / name, self.folder.path / "piper" / f"{name}.onnx"
        if "/" in name or "\\" in name:
            return None
        return model if not vosk_flaw(model) else voice if not piper_flaw(voice) else None

    async def _find(self, client: httpx2.AsyncClient, name: str) -> Offer:
        """The model in the published list that should have it, else in the other."""
        kinds: list[Kind] = ["vosk", "piper"] if name.startswith("vosk") else ["piper", "vosk"]
        for kind in kinds:
            if offer := (await self._list(client, kind)).get(name):
                return offer
        names = [known for kind in kinds for known in self.lists[kind]]
        close = difflib.get_close_matches(name, names, n=4) or [known for known in names if name in known][:4]
        hint = f"close to it: {', '.join(close)}" if close else "see `python -m badge models` for what there is"
        raise FetchError(f"there is no model of that name; {hint}.")

    async def _list(self, client: httpx2.AsyncClient, kind: Kind) -> dict[str, Offer]:
        from badge.commands.download import fetch_bytes

        if kind not in self.lists:
            url = f"{self.bases[kind]}/{LISTS[kind]}"
            data = await fetch_bytes(client, url, MAX_LIST_BYTES)
            try:
                self.lists[kind] = read_list(kind, data, self.bases[kind])
            except ValueError as exc:
                raise FetchError(f"{url} is not a list of models ({exc}).") from exc
        return self.lists[kind]

    def _command(self, names: Sequence[str]) -> str:
        return shlex.join(["python", "-m", "badge", "models", *self.options, *names])


@asynccontextmanager
async def _open_client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the machine's proxy and certificate settings."""
    import httpx2

    from badge.commands.download import TIMEOUT

    try:
        client = httpx2.AsyncClient(follow_redirects=True, timeout=TIMEOUT)
    except (ImportError, ValueError, OSError, httpx2.InvalidURL) as exc:
        raise FetchError(f"The proxy or certificate settings of the environment cannot be used ({exc}).") from exc
    async with client:
        yield client


async def _download(client: httpx2.AsyncClient, part: Part, path: Path) -> None:
    """Download with a progress bar; without a terminal there is none."""
    from tqdm import tqdm

    from badge.commands.download import download

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # else it starts a thread of its own

    with Bar(total=part.size, desc=part.file, unit="B", unit_scale=True, disable=None) as bar:
        await download(client, part, path, lambda have: bar.update(have - bar.n))


def _place_vosk(offer: Offer, partial: Path, folder: Path) -> Path:
    archive, staged, old = (partial / f"{offer.name}{suffix}" for suffix in (".zip", ".unpacked", ".old"))
    target = folder / "vosk" / offer.name
    for leftover in (staged, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        unpack(archive, staged, check_cancelled=trio.from_thread.check_cancelled)
        inside = list(staged.iterdir())
        root = inside[0] if len(inside) == 1 and inside[0].is_dir() else staged
        if flaw := vosk_flaw(root):
            raise UnpackError(f"it holds no Vosk model: {flaw}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.replace(old)
        root.replace(target)
    except UnpackError:
        archive.unlink()
        raise
    finally:
        for leftover in (staged, old):
            shutil.rmtree(leftover, ignore_errors=True)
    archive.unlink()
    return target


def _place_piper(offer: Offer, partial: Path, folder: Path) -> Path:
    target = folder / "piper" / f"{offer.name}.onnx"
    if flaw := piper_flaw(partial / target.name):
        for part in offer.parts:
            (partial / part.file).unlink(missing_ok=True)
        raise UnpackError(f"it is no Piper voice: {flaw}")
    target.parent.mkdir(parents=True, exist_ok=True)
    for part in offer.parts:  # the model comes last, so that it is never there without its configuration
        (partial / part.file).replace(target.parent / part.file)
    return target


_PLACE = {"vosk": _place_vosk, "piper": _place_piper}
