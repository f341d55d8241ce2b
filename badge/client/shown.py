"""What a person is shown of the messages that a server sends: lines of text. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

Message = Mapping[str, Any]


def shown(message: Message) -> list[str]:
    """The lines for one message; none for what only machines want to know."""
    if message.get("type") == "stt" and message.get("partial"):
        return [_line("you ...", message.get("text"))]
    lines = _LINES.get(str(message.get("type")))
    return [] if lines is None else list(lines(message))


def latency(first: Mapping[str, float], ledger: Message) -> list[str]:
    """The ledger of a turn, as the badge saw it and as the server did; `first`: event -> when it came (s)."""
    begun = first["end of speech"]
    seen = [(name, at) for name, at in first.items() if name != "end of speech"]
    lines = ["latency from the end of speech, seen by the badge:"] if seen else []
    lines += [f"  {name:<14}{(at - begun) * 1000:9.1f} ms" for name, at in seen]
    if stages := ledger.get("stages", {}):
        lines.append("stages on the server, up to the first audio frame:")
        lines += [f"  {name:<14}{ms:9.1f} ms" for name, ms in stages.items()]
        lines.append(f"  {'total':<14}{ledger['total_ms']:9.1f} ms")
    return lines


# --- by type ------------------------------------------------------------------------------------------------------------


def _stt(message: Message) -> Iterator[str]:
    if "text" in message:
        yield _line("you", message["text"])


def _tts(message: Message) -> Iterator[str]:
    if message.get("state") == "sentence_start" and "text" in message:
        yield _line("badge", message["text"])


def _news(message: Message) -> Iterator[str]:
    if "message" in message:
        yield _line("server" if message["type"] == "system" else "error", message["message"])


def _mode(message: Message) -> Iterator[str]:
    if message.get("status") == "error":
        yield _line("error", message.get("message"))
    else:
        yield _line("mode", f"{message.get('mode')}: {'on' if message.get('state') == 'start' else 'off'}")


def _workflow(message: Message) -> Iterator[str]:
    match message:
        case {"event": "update", "tasks": list(tasks)}:
            yield _line("tasks", f"{len(tasks)} in the list" if tasks else "none")
            yield from map(_task, tasks)
        case {"event": "command", "intent": intent}:
            yield _line("tasks", f"{intent}: there is none" if message.get("status") == "empty" else intent)
        case {"event": "result", "request": request}:
            if "message" in message:
                yield _line("error", message["message"])
            for one in message.get("results", ()):
                yield _line("tasks", f"{request}: {_outcome(one)}")


def _task(task: Message) -> str:
    about = [f"taken by {task['owner']}"] if task.get("owner") and task.get("status") != "done" else []
    about += [f"due {task['due']}"] if task.get("due") else []
    box = "x" if task.get("status") == "done" else " "
    return _line("", f"[{box}] {task.get('title')}" + (f" ({', '.join(about)})" if about else ""))


def _outcome(result: Message) -> str:
    owner = f" by {result['owner']}" if result.get("owner") and result.get("outcome") != "completed" else ""
    why = f": {result['message']}" if "message" in result else ""
    return f"{result.get('title') or result.get('id')} - {result.get('outcome')}{owner}{why}"


def _meeting(message: Message) -> Iterator[str]:
    match message:
        case {"phase": "snippet", "segments": list(segments)}:
            for one in segments:
                yield _line("meeting", f"{_time(one.get('ts'))}  {one.get('text')}")
        case {"phase": "summary", "minutes": dict(minutes)}:
            yield _line("minutes", message.get("meetingId"))
            yield from _minutes(minutes)
        case {"phase": "finalize"}:
            none = message.get("status") == "none"
            yield _line("meeting", "there is none" if none else "over; the minutes are being written")
        case {"phase": "tasks"}:
            if "message" in message:
                yield _line("error", message["message"])
            for one in message.get("tasks", ()):
                yield _line("tasks", _outcome(one))


def _minutes(minutes: Message) -> Iterator[str]:
    """The minutes in Markdown, shorter than they are exported."""
    yield f"# {_printable(minutes.get('title') or 'Meeting')}"
    for name, title in _SECTIONS.items():
        if points := minutes.get(name):
            yield f"## {title}"
            box = "[ ] " if name == "actions" else ""
            yield from (f"- {box}{_printable(_point(one))}" for one in points)
    for hole in minutes.get("holes", ()):
        yield f"- not recorded: {_time(hole.get('since'))} to {_time(hole.get('until'))}, {_printable(hole.get('reason'))}"


_SECTIONS = {"summary": "Summary", "decisions": "Decisions", "actions": "Action items", "questions": "Open questions"}


def _point(point: Message) -> str:
    about = [str(point["owner"])] if point.get("owner") else []
    about += [f"due {point['due']}"] if point.get("due") else []
    return str(point.get("text")) + (f" ({', '.join(about)})" if about else "")


def _coding(message: Message) -> Iterator[str]:
    match message:
        case {"event": "log", "line": line}:
            yield _line("coding", f"{message.get('number')}: {line}")
        case {"event": "insight", "insight": dict(insight)}:
            for name, points in insight.items():
                for point in points:
                    yield _line("coding", f"{name.replace('_', ' ')}: {point}")
        case {"event": event}:
            yield _line(
                "coding", " ".join(map(str, filter(None, (event, message.get("name"), message.get("message")))))
            )


def _peer(message: Message) -> Iterator[str]:
    match message:
        case {"event": "message", "from": sender, "payload": dict(payload)}:
            frames = payload.get("opus")
            clip = (
                f"a voice of {len(frames) * payload.get('frame_ms', 0) / 1000:g} s" if isinstance(frames, list) else ""
            )
            yield _line("peer", f"from {sender}: {payload.get('text') or clip or message.get('category')}")
        case {"event": "receipt", "to": device, "status": status}:
            yield _line("peer", f"to {device}: {status}")
        case {"event": "redelivered", "to": device, "count": count}:
            yield _line("peer", f"to {device}: {count} that had waited")
        case {"status": "ok", "to": dict(fates)}:
            for device, fate in fates.items():
                yield _line("peer", f"to {device}: {fate}")
        case {"status": "error"}:
            yield _line("error", message.get("message"))


def _reminder(message: Message) -> Iterator[str]:
    yield _line("reminder", f"{message.get('text')} (due {_time(message.get('due'))})")


_LINES = {
    "stt": _stt,
    "tts": _tts,
    "system": _news,
    "error": _news,
    "mode": _mode,
    "workflow": _workflow,
    "meeting": _meeting,
    "coding": _coding,
    "peer": _peer,
    "reminder": _reminder,
}


def _line(who: str, what: object) -> str:
    return f"{who:<10}{_printable(what)}"


def _time(ms: object) -> str:
    """A time of day on this machine, from ms since the epoch."""
    try:
        return f"{datetime.datetime.fromtimestamp(float(ms) / 1000).astimezone():%H:%M:%S}"  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return str(ms)


def _printable(what: object) -> str:
    """Words of others on one line, with nothing in them that moves a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(what))
