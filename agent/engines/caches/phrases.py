"""Phrases that servers share: in memory first, then in the store, as Opus packets.

A phrase in the store is as long as it is in a call's packets, about 3 kB a second, and what is
found there leaves for the callers without being encoded again.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
from pydantic import BaseModel, TypeAdapter, ValidationError

from agent.engines.caches.shared import SharedStore
from agent.engines.phrases import Phrase, PhraseKey, PhraseStore
from agent.engines.protocols import Speech, Word
from media.clips import EncodedAudio, encoded
from media.opus import BadPacket, OpusSettings

_FORMAT = "2"
"""Changes with the form of what is stored."""


class _Piece(BaseModel, frozen=True):
    """A `Speech` as it is stored: `length` samples at 24 kHz in `packets` of 20 ms."""

    length: int
    packets: list[bytes]
    words: list[tuple[str, float, float]]


_Pieces = TypeAdapter(list[_Piece])


class SharedPhrases:
    """A `PhraseStore`: this server's own memory over the store that all share."""

    def __init__(self, local: PhraseStore, shared: SharedStore, opus: OpusSettings) -> None:
        self._local = local
        self._shared = shared
        self._opus = opus
        self._writing: set[asyncio.Task[None]] = set()

    async def get(self, key: PhraseKey) -> Phrase | None:
        phrase = await self._local.get(key)
        if phrase is not None:
            return phrase
        stored = await self._shared.get("phrase", self._name(key))
        if stored is None:
            return None
        phrase = await asyncio.to_thread(unpacked, stored)
        if phrase is not None:
            await self._local.put(key, phrase)
        return phrase

    async def put(self, key: PhraseKey, phrase: Phrase) -> None:
        await self._local.put(key, phrase)
        task = asyncio.create_task(self._share(key, phrase))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def aclose(self) -> None:
        """Waits until what is being encoded is on its way to the store."""
        await asyncio.gather(*self._writing, return_exceptions=True)
        await self._local.aclose()

    async def _share(self, key: PhraseKey, phrase: Phrase) -> None:
        packed_phrase = await asyncio.to_thread(packed, phrase, self._opus)
        self._shared.put("phrase", self._name(key), packed_phrase)

    def _name(self, key: PhraseKey) -> str:
        opus = self._opus.model_dump_json()
        return "\0".join((_FORMAT, opus, key.mark, key.voice, key.language, key.text))


def packed(phrase: Phrase, opus: OpusSettings) -> bytes:
    """A phrase as bytes: Opus packets and word times. Takes 4 ms per second of sound."""
    pieces: list[dict[str, Any]] = []
    for speech in phrase:
        audio = encoded(speech.audio, opus)
        words = [(word.text, word.start, word.end) for word in speech.words]
        pieces.append(
            {"length": len(audio.samples), "packets": list(audio.packets), "words": words}
        )
    data: bytes = msgpack.packb(pieces)
    return data


def unpacked(stored: bytes) -> Phrase | None:
    """The phrase of what `packed` made; None for anything else."""
    try:
        pieces = _Pieces.validate_python(msgpack.unpackb(stored))
        return tuple(
            Speech(
                EncodedAudio.decoded(tuple(piece.packets), piece.length),
                tuple(Word(*word) for word in piece.words),
            )
            for piece in pieces
        )
    except (ValueError, ValidationError, msgpack.UnpackException, BadPacket):
        return None
