"""config/nginx.conf as it is, but for ports and files, in a real nginx before a real server."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from server.app import create_app, listening
from server.config import load
from server.self_signed import self_signed
from tests.server.house import settings, stages

CONFIG = Path(__file__).resolve().parents[2] / "config"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CADDY = shutil.which("caddy")
KEY = "a-key-from-the-settings"


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@asynccontextmanager
async def nginx(folder: Path, behind: str) -> AsyncGenerator[tuple[str, ssl.SSLContext], None]:
    """The proxy's URL, and who trusts its certificate. Skips the test without nginx."""
    if NGINX is None:
        pytest.skip(
            "the proxy is not tested: nginx is not installed (scripts/packages nginx-light)"
        )
    port, (certificate, key) = free_port(), self_signed(folder / "tls")
    site = (CONFIG / "nginx.conf").read_text()
    for written, meant in (
        ("listen 443 ssl http2", f"listen 127.0.0.1:{port} ssl http2"),
        ("/etc/letsencrypt/live/voice.example.org/fullchain.pem", str(certificate)),
        ("/etc/letsencrypt/live/voice.example.org/privkey.pem", str(key)),
        ("http://127.0.0.1:8080", behind),
    ):
        assert written in site
        site = site.replace(written, meant)
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{name}_temp_path {folder / name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder / 'pid'}; error_log {folder / 'error.log'}; worker_processes 1;"
        f"{'user root;' if Path.home() == Path('/root') else ''} events {{}}"
        f"http {{ access_log off; {temporary} include {folder / 'site.conf'}; }}"
    )
    process = await asyncio.create_subprocess_exec(
        NGINX, "-c", str(main), "-p", str(folder), "-e", str(folder / "error.log")
    )
    try:
        async with asyncio.timeout(15):
            while not _listens(port):  # noqa: ASYNC110 - another process
                assert process.returncode is None, (folder / "error.log").read_text()
                await asyncio.sleep(0.05)
        yield f"https://localhost:{port}", ssl.create_default_context(cafile=certificate)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


async def test_calls_pass_through_the_proxy_of_the_example(tmp_path: Path) -> None:
    example = load(CONFIG / "public.toml")
    assert example.access.trusted_proxies == ("127.0.0.1/32",)
    configured = settings(
        server={"port": 0, "state": str(tmp_path / "state")},
        access={"keys": {"phone": KEY}, "trusted_proxies": example.access.trusted_proxies},
        limits={"new_calls_per_address": 3},
    )
    headers = {"Authorization": f"Bearer {KEY}"}
    async with stages("x") as standing:
        app = create_app(configured, standing)
        async with (
            listening(app, configured.server) as behind,
            nginx(tmp_path, behind.replace("localhost", "127.0.0.1")) as (url, trusting),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http,
        ):
            # It came from loopback, and is asked for a key all the same.
            async with http.get(f"{url}/info") as response:
                assert response.status == 401
            async with http.get(f"{url}/info", headers={**headers, "Origin": url}) as response:
                assert response.status == 200
            # A body near the server's own limit, and one beyond it.
            for size, status in ((250_000, 413), (300_000, 413), (60_000, 400)):
                body = {"sdp": "v" * size}
                async with http.post(f"{url}/offer", json=body, headers=headers) as response:
                    assert response.status == status
                    assert (await response.json())["error"]["code"]
            await _hold_a_socket(http, url, headers)
            # Three attempts at a call: the address counts, whatever a caller says it is.
            lying = {**headers, "X-Forwarded-For": "198.51.100.77"}
            async with http.post(f"{url}/offer", json={"sdp": "x"}, headers=lying) as response:
                assert response.status == 429


async def _hold_a_socket(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
    async with http.ws_connect(f"{url}/v1/realtime", headers=headers) as it:
        assert (await it.receive_json(timeout=10))["type"] == "session.created"
        await it.send_json({"type": "input_audio_buffer.append", "audio": "AA" * 500_000})
        await it.send_json({"type": "input_audio_buffer.clear"})
        async with asyncio.timeout(20):
            while (await it.receive_json())["type"] != "input_audio_buffer.cleared":
                pass


@pytest.mark.skipif(CADDY is None, reason="caddy is not installed")
async def test_caddy_takes_its_example() -> None:
    process = await asyncio.create_subprocess_exec(
        str(CADDY), "validate", "--adapter", "caddyfile", "--config", str(CONFIG / "Caddyfile"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
