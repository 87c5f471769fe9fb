"""A real browser presses telephone keys in a call to a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser

from server.app import create_app, listening
from tests.page.conftest import microphone_flags, write_wav
from tests.server.house import settings, stages

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PRESS = """
async (keys) => {
  const pc = new RTCPeerConnection();
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  const sender = pc.addTrack(stream.getAudioTracks()[0], stream);
  const channel = pc.createDataChannel('control');
  const messages = [];
  channel.onmessage = ({data}) => messages.push(JSON.parse(data));
  await pc.setLocalDescription();
  const response = await fetch('/offer', {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({sdp: pc.localDescription.sdp, type: 'offer'}),
  });
  await pc.setRemoteDescription({type: 'answer', sdp: (await response.json()).sdp});
  while (!sender.dtmf.canInsertDTMF) await new Promise((done) => setTimeout(done, 20));
  sender.dtmf.insertDTMF(keys, 120, 80);
  const until = Date.now() + 8000;
  const pressed = () => messages.filter(({type}) => type === 'key');
  while (pressed().length < keys.length && Date.now() < until)
    await new Promise((done) => setTimeout(done, 20));
  pc.close();
  return pressed();
}
"""


async def test_keys_that_a_browser_presses_are_told(
    launch: Callable[..., Awaitable[Browser]], tmp_path: Path
) -> None:
    quiet = write_wav(tmp_path / "quiet.wav", np.zeros(48_000))
    browser = await launch(*microphone_flags(quiet))
    async with stages("hello") as standing:
        chosen = settings()
        app = create_app(chosen, standing)
        async with listening(app, chosen.server) as url, asyncio.timeout(30):
            page = await browser.new_page()
            await page.goto(url)
            told: list[dict[str, Any]] = await page.evaluate(PRESS, "12#")
            await page.close()
    assert [each["key"] for each in told] == ["1", "2", "#"]
    assert all(0.05 <= each["seconds"] <= 0.3 for each in told)
