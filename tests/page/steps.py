"""What the page's tests do again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, expect

QUICK = {
    "endpoint": 0.31,
    "transcript": 0.12,
    "first_token": 0.18,
    "first_sound": 0.27,
    "audible": 0.33,
    "filler": None,
    "end": 2.2,
}
"""The timeline of a turn whose reply was prepared during the pause."""

FILLED = {
    "endpoint": 0.42,
    "transcript": 0.58,
    "first_token": 0.93,
    "first_sound": 1.21,
    "audible": 1.23,
    "filler": 0.7,
    "end": 4.2,
}
"""The timeline of a turn that took long enough for a filler."""

LOUDNESS = """async () => {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  context.createMediaStreamSource(document.getElementById("voice").srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  for (let look = 0; look < 40; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    analyser.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / 2048));
  }
  await context.close();
  return loudest;
}"""
"""The loudest root mean square, 0 to 1, of what the page plays in two seconds."""


async def call(page: Page) -> None:
    """Presses Call and waits until the call stands."""
    await page.locator("#call").click()
    await in_state(page, "call")


async def in_state(page: Page, state: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", state, timeout=15_000)


async def in_phase(page: Page, phase: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-phase", phase)


async def notice(page: Page, kind: str) -> None:
    """Waits until the notice of this kind is shown."""
    await expect(page.locator(".notice")).to_have_attribute("data-kind", kind, timeout=15_000)


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Waits until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


async def poll(ask: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """The first true answer. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):  # noqa: ASYNC110 - nor has the browser
            await asyncio.sleep(0.05)
    return answer


def turn_finished(turn: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": "turn.finished",
        "turn": turn,
        "transcript": "",
        "reply": "",
        "interrupted": False,
        "speculated": False,
        "timeline": QUICK,
        **changes,
    }


def spoken(turn: int, text: str, seconds: float) -> dict[str, Any]:
    return {"type": "reply.spoken", "turn": turn, "text": text, "seconds": seconds}


def heard(turn: int, text: str, **changes: Any) -> dict[str, Any]:
    fields = {"type": "transcript.final", "turn": turn, "text": text}
    return {**fields, "language": "en", "confidence": 0.9, **changes}


def understood(turn: int, text: str, stable: str) -> dict[str, Any]:
    return {"type": "transcript.partial", "turn": turn, "text": text, "stable": stable}
