"""Asks a question and keeps the answer, with OpenAI's client over a WebSocket.

    pip install "openai[realtime]>=3.54"
    python call.py question.wav --record answer.wav
    pip install sounddevice; python call.py --microphone

A WAV has one channel of 16-bit samples at 24 kHz: sox in.wav -r 24000 -c 1 -b 16 question.wav
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

RATE = 24_000
PIECE = RATE // 50 * 2
"""Bytes of 20 ms."""


def read(path: str) -> bytes:
    """A recording's samples. Exits where they are not what the protocol carries."""
    with wave.open(path) as file:
        shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if shape != (1, 2, RATE):
            sys.exit(f"{path} is not 16-bit mono at {RATE} Hz: see the top of this file")
        return file.readframes(file.getnframes())


async def recording(sound: bytes) -> AsyncIterator[bytes]:
    """A recording at the pace of speech, and then silence: without it, no turn ever ends."""
    clock = asyncio.get_running_loop().time
    due = clock()
    at = 0
    while True:
        yield sound[at : at + PIECE].ljust(PIECE, b"\0")
        at += PIECE
        due += PIECE / 2 / RATE
        await asyncio.sleep(due - clock())


async def microphone() -> AsyncIterator[bytes]:
    """What the microphone hears."""
    import sounddevice

    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def take(data: object, *_: object) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, bytes(data))  # type: ignore[call-overload]

    options = {"samplerate": RATE, "channels": 1, "dtype": "int16", "blocksize": PIECE // 2}
    with sounddevice.RawInputStream(callback=take, **options):
        while True:
            yield await heard.get()


async def speak(connection: AsyncRealtimeConnection, sound: AsyncIterator[bytes]) -> None:
    async with aclosing(sound):  # type: ignore[type-var]
        async for piece in sound:
            audio = base64.b64encode(piece).decode()
            await connection.input_audio_buffer.append(audio=audio)


async def listen(connection: AsyncRealtimeConnection, play, *, once: bool) -> None:
    """Print what is said, and play what is heard; `once`: until one answer is complete."""
    async for event in connection:
        match event.type:
            case "conversation.item.input_audio_transcription.completed":
                print(f"you:   {event.transcript}")
            case "response.output_audio_transcript.done":
                print(f"agent: {event.transcript}")
            case "response.output_audio.delta":
                play(base64.b64decode(event.delta))
            case "error":
                print(f"error: {event.error.message}", file=sys.stderr)
            case "response.done" if once and event.response.status == "completed":
                return


async def converse(arguments: argparse.Namespace, sound: AsyncIterator[bytes], play) -> None:
    api = AsyncOpenAI(base_url=f"{arguments.server}/v1", api_key=arguments.key)
    async with api, api.realtime.connect(model="chuimsae") as connection:
        speaking = asyncio.create_task(speak(connection, sound))
        try:
            await listen(connection, play, once=not arguments.microphone)
        finally:
            speaking.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", help="a WAV file")
    parser.add_argument("--microphone", action="store_true", help="speak and listen yourself")
    parser.add_argument("--record", default="answer.wav", help="where the answer goes")
    parser.add_argument("--server", default="http://localhost:8080")
    parser.add_argument("--key", default="none", help="an API key, or a client secret (ek_...)")
    arguments = parser.parse_args()
    if arguments.microphone:
        import sounddevice

        with sounddevice.RawOutputStream(samplerate=RATE, channels=1, dtype="int16") as speaker:
            asyncio.run(converse(arguments, microphone(), speaker.write))
    elif arguments.question:
        with wave.open(arguments.record, "wb") as answer:
            answer.setnchannels(1)
            answer.setsampwidth(2)
            answer.setframerate(RATE)
            asyncio.run(
                converse(arguments, recording(read(arguments.question)), answer.writeframes)
            )
    else:
        parser.error("give a WAV file, or --microphone")


if __name__ == "__main__":
    main()
