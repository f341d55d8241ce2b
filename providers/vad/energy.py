"""Voice activity by loudness over the noise floor: a fallback for clean input where Silero cannot run."""

from __future__ import annotations

import trio
from attrs import frozen

from providers.pcm import rms
from providers.ports import EAR_RATE
from providers.settings import between, setting

WINDOW_SAMPLES = 480  # 30 ms

_FALL = 0.2
_RISE = 0.005
"""How fast the floor follows quieter and louder windows, as a share of the difference per window."""


@frozen(kw_only=True)
class EnergySettings:
    """How much louder than the background speech must be."""

    ratio: float = setting(3.0, "times the noise floor from which a window is speech", **between(1.2, 20))
    minimum: float = setting(0.01, "loudness, as a share of full scale, below which nothing is speech", **between(0, 1))


class EnergyVad:
    """Needs nothing and loads nothing."""

    name = "energy"
    window = WINDOW_SAMPLES / EAR_RATE

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ready at once."""
        task_status.started()
        await trio.sleep_forever()

    def stream(self) -> EnergyStream:
        """A fresh stream."""
        return EnergyStream(self._settings)


class EnergyStream:
    """Verdicts on 30 ms windows against a floor that falls fast and rises slowly."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._floor = settings.minimum / settings.ratio
        self._rest = b""

    def feed(self, pcm: bytes) -> list[bool]:
        """One verdict for each window that is complete."""
        data = self._rest + pcm
        step = WINDOW_SAMPLES * 2
        whole = len(data) // step * step
        self._rest = data[whole:]
        return [self._judge(rms(data[at : at + step])) for at in range(0, whole, step)]

    def _judge(self, loudness: float) -> bool:
        speech = loudness >= max(self._settings.minimum, self._floor * self._settings.ratio)
        self._floor += (loudness - self._floor) * (_FALL if loudness < self._floor else _RISE)
        return speech
