"""The events that tell what was understood of an item's audio. Pure."""

from __future__ import annotations

from signaling.realtime.commands import Fields

_KIND = "conversation.item.input_audio_transcription"


def delta(item_id: str, more: str) -> Fields:
    """More of its words are known."""
    return {**_event("delta", item_id), "delta": more}


def completed(item_id: str, text: str, seconds: float) -> Fields:
    """All its words are known; `seconds` of audio were read for them."""
    usage = {"type": "duration", "seconds": round(seconds, 3)}
    return {**_event("completed", item_id), "transcript": text, "usage": usage}


def failed(item_id: str, why: str) -> Fields:
    """The recogniser failed."""
    error = {"type": "server_error", "code": "stage_failed", "message": why}
    return {**_event("failed", item_id), "error": error}


def _event(what: str, item_id: str) -> Fields:
    return {"type": f"{_KIND}.{what}", "item_id": item_id, "content_index": 0}
