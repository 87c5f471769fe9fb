"""FastRTC's ReplyOnPause with an instant answer.

    python -m bench.media_peers.fastrtc_server --port 8099 [--eager]

Default: pauses are looked for every 0.6 s. `--eager`: every 0.2 s. FastRTC fetches its Silero
model from a hub; here the later Silero that Pipecat brings stands in for it, so that the benchmark
needs no hub.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from fastrtc import AlgoOptions, ReplyOnPause, SileroVadOptions, Stream
from fastrtc.pause_detection.silero import SileroVADModel

from bench.media_peers.desk import Ear, Usage, arguments, reply, serve

RATE = 24_000
_CONTEXT = 64
"""Samples that this Silero takes of the window before."""
_EAGER_PAUSE = AlgoOptions(
    audio_chunk_duration=0.2, started_talking_threshold=0.1, speech_threshold=0.05
)
_EAGER_VOICE = SileroVadOptions(
    window_size_samples=512, min_speech_duration_ms=50, min_silence_duration_ms=50, speech_pad_ms=0
)
"""Its own 250 ms of least speech would find none in a chunk of 200 ms."""


class Silero(SileroVADModel):
    """FastRTC's detector over Silero 5, whose state has another shape."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        pipecat = find_spec("pipecat")
        assert pipecat is not None and pipecat.origin is not None
        path = Path(pipecat.origin).parent / "audio" / "vad" / "data" / "silero_vad.onnx"
        self.session = onnxruntime.InferenceSession(str(path), sess_options=options)

    def get_initial_state(self, batch_size: int) -> Any:
        state = np.zeros((2, batch_size, 128), np.float32)
        return state, np.zeros((batch_size, _CONTEXT), np.float32)

    def __call__(self, x: Any, state: Any, sr: int) -> Any:
        memory, context = state
        window = np.concatenate([context, np.atleast_2d(x).astype(np.float32)], axis=1)
        heard, memory = self.session.run(
            None, {"input": window, "state": memory, "sr": np.array(sr, np.int64)}
        )
        return heard, (memory, window[:, -_CONTEXT:])


class Answering(ReplyOnPause):
    """A call that also notes what it hears."""

    def __init__(self, usage: Usage, **options: Any) -> None:
        super().__init__(**options)
        self._usage, self._options = usage, options
        self._ear = Ear(usage)

    def copy(self) -> Answering:
        return Answering(self._usage, **self._options)

    def receive(self, frame: tuple[int, Any]) -> None:
        rate, samples = frame
        self._ear.hear(np.squeeze(samples), rate)
        super().receive(frame)


def main() -> None:
    options = arguments(__doc__)
    said = reply(RATE, options)

    def speak() -> Generator[tuple[int, Any], None, None]:
        for start in range(0, len(said), RATE // 5):
            yield RATE, said[None, start : start + RATE // 5]

    usage = Usage()
    handler = Answering(
        usage,
        fn=lambda heard: speak(),
        startup_fn=speak if options.unasked else None,
        model=Silero(),
        model_options=_EAGER_VOICE if options.eager else SileroVadOptions(window_size_samples=512),
        algo_options=_EAGER_PAUSE if options.eager else AlgoOptions(),
    )
    stream = Stream(
        handler,
        modality="audio",
        mode="send-receive",
        concurrency_limit=100,
        server_rtc_configuration={"iceServers": []},
        verbose=False,
    )

    async def take(sdp: str) -> str:
        call = str(uuid.uuid4())
        body = {"sdp": sdp, "type": "offer", "webrtc_id": call}
        answered = await stream.handle_offer(body, stream.set_additional_outputs(call))
        return str(answered["sdp"])

    serve(take, usage, options)


if __name__ == "__main__":
    main()
