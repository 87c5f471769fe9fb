"""Pipecat over its SmallWebRTCTransport: Silero, its turn taking, instant fake services.

    python -m bench.media_peers.pipecat_server --port 8099 [--eager]

Default: its own turn strategies, which judge each pause by its turn analyzer. `--eager`: the turn
ends as soon as its VAD says so (0.2 s of silence) and the words are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TextAggregationMode, TTSService
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from bench.media_peers.desk import Ear, Usage, arguments, reply, serve

RATE = 24_000


class Listening(FrameProcessor):
    """Notes what comes from the transport."""

    def __init__(self, usage: Usage) -> None:
        super().__init__()
        self._ear = Ear(usage)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._ear.hear(np.frombuffer(frame.audio, np.int16), frame.sample_rate)
        await self.push_frame(frame, direction)


class InstantWords(SegmentedSTTService):
    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        yield TranscriptionFrame("What I said.", "", time_now_iso8601())


class InstantAnswer(LLMService):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame("An answer."))
        await self.push_frame(LLMFullResponseEndFrame())


class InstantVoice(TTSService):
    def __init__(self, said: bytes, **options: Any) -> None:
        super().__init__(push_start_frame=True, push_stop_frames=True, **options)
        self._audio = said

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        piece = RATE * 2 // 5  # 200 ms, as services send
        for start in range(0, len(self._audio), piece):
            yield TTSAudioRawFrame(
                self._audio[start : start + piece], RATE, 1, context_id=context_id
            )


def pipeline(
    transport: SmallWebRTCTransport, usage: Usage, said: bytes, *, eager: bool
) -> Pipeline:
    strategies = (
        UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)])
        if eager
        else None
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2)),
            user_turn_strategies=strategies,
        ),
    )
    mode = TextAggregationMode.TOKEN if eager else TextAggregationMode.SENTENCE
    return Pipeline(
        [
            transport.input(),
            Listening(usage),
            InstantWords(ttfs_p99_latency=0.0),
            user,
            InstantAnswer(),
            InstantVoice(said, sample_rate=RATE, text_aggregation_mode=mode),
            transport.output(),
            assistant,
        ]
    )


class Server:
    """Calls of Pipecat."""

    def __init__(self, said: bytes, *, eager: bool, unasked: bool) -> None:
        self.usage = Usage()
        self._said, self._eager, self._unasked = said, eager, unasked
        self._calls: set[asyncio.Task[None]] = set()

    async def answer(self, sdp: str) -> str:
        connection = SmallWebRTCConnection()
        await connection.initialize(sdp=sdp, type="offer")
        call = asyncio.create_task(self._run(connection))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return str(connection.get_answer()["sdp"])

    async def _run(self, connection: SmallWebRTCConnection) -> None:
        transport = SmallWebRTCTransport(
            connection,
            TransportParams(audio_in_enabled=True, audio_out_enabled=True),
        )
        worker = PipelineWorker(
            pipeline(transport, self.usage, self._said, eager=self._eager),
            params=PipelineParams(audio_out_sample_rate=RATE),
        )

        @transport.event_handler("on_client_connected")
        async def came(transport: Any, client: Any) -> None:
            if self._unasked:
                await worker.queue_frame(TTSSpeakFrame("Something long."))

        @transport.event_handler("on_client_disconnected")
        async def gone(transport: Any, client: Any) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()


def main() -> None:
    options = arguments(__doc__)
    said = reply(RATE, options).tobytes()
    server = Server(said, eager=options.eager, unasked=options.unasked)
    serve(server.answer, server.usage, options)


if __name__ == "__main__":
    main()
