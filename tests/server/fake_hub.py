"""A model hub on loopback, as far as a download goes: HEAD and GET of /REPO/resolve/REV/FILE.

Large files are answered by a redirect to another host with the checksum on the redirect itself, as
the real one does; what goes wrong on the way is switched on by an attribute.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        """`owner/name/path` to content."""
        self.large: set[str] = set()
        """Those of `files` that are served from the other host."""
        self.refuse: int | None = None
        """Answer every look-up with this status."""
        self.cuts: list[int] = []
        """Close the next connections after so many bytes of body."""
        self.damaged: int = 0
        """Change a byte in so many of the next bodies."""
        self.ignores_ranges = False
        self.lookups: list[str] = []
        self.ranges: list[str | None] = []
        self.cdn_authorization: list[str | None] = []
        self._cdn = TestServer(self._cdn_app(), host="localhost")
        self._hub = TestServer(self._hub_app(), host="127.0.0.1")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The hub's endpoint, while it serves."""
        await self._cdn.start_server()
        await self._hub.start_server()
        try:
            yield str(self._hub.make_url("")).rstrip("/")
        finally:
            await self._hub.close()
            await self._cdn.close()

    def _hub_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{owner}/{repo}/resolve/{revision}/{path:.+}", self._resolve)
        return app

    def _cdn_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/blob/{name:.+}", self._blob)
        return app

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        parts = request.match_info
        name = f"{parts['owner']}/{parts['repo']}/{parts['path']}"
        if request.method == "HEAD":
            self.lookups.append(name)
        if self.refuse is not None:
            return web.Response(status=self.refuse)
        if name not in self.files:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        content = self.files[name]
        if name in self.large:
            headers = {
                "Location": str(self._cdn.make_url(f"/blob/{name}")),
                "X-Repo-Commit": COMMIT,
                "X-Linked-Size": str(len(content)),
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            }
            return web.Response(status=302, headers=headers)
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{blob}"'}
        return await self._body(request, content, headers)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        self.cdn_authorization.append(request.headers.get("Authorization"))
        return await self._body(request, self.files[request.match_info["name"]], {})

    async def _body(
        self, request: web.Request, content: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(content))})
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        start, status = 0, 200
        if wanted and not self.ignores_ranges:
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if self.damaged and body:
            self.damaged -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        if self.cuts:
            await response.write(body[: self.cuts.pop(0)])
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(body)
        return response
