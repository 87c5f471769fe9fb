"""WHIP (RFC 9725) over HTTP, with a real aiortc peer that names its addresses later."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiortc import RTCSessionDescription

from server.app import CALLS
from signaling.gathering import connections
from signaling.trickle import MEDIA_TYPE
from signaling.whip import links
from tests.signaling.realtime.test_webrtc import Phone, phone
from tests.signaling.realtime.test_websocket import home


@dataclass
class Posted:
    """A call that was posted without a candidate, and the rest of its offer."""

    url: str
    etag: str
    headers: Mapping[str, str]
    ufrag: str
    candidates: list[str]
    answer: str
    http: aiohttp.ClientSession
    app: web.Application
    phone: Phone

    def fragment(self, *, ufrag: str = "", end: bool = True) -> str:
        lines = [f"a=ice-ufrag:{ufrag or self.ufrag}", "a=ice-pwd:unread", "m=audio 9 RTP/AVP 0"]
        lines += ["a=mid:0", *self.candidates, *(["a=end-of-candidates"] if end else [])]
        return "\r\n".join(lines) + "\r\n"

    async def patch(self, body: str, **headers: str) -> tuple[int, str]:
        given = {"Content-Type": MEDIA_TYPE, "If-Match": self.etag, **_named(headers)}
        kept = {name: value for name, value in given.items() if value}
        async with self.http.patch(self.url, data=body, headers=kept) as reply:
            return reply.status, await reply.text()

    def known_ports(self) -> set[int]:
        """Of the candidates that the server tries."""
        (live,) = self.app[CALLS]._live.values()
        pc = live.attendance.peer._pc
        return {each.port for one in connections(pc) for each in one.remote_candidates}


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


@asynccontextmanager
async def posted(**changes: object) -> AsyncGenerator[Posted, None]:
    async with (
        home("hello", **changes) as (url, app),
        phone() as it,
        aiohttp.ClientSession() as http,
    ):
        lines = (await it.offer()).splitlines()
        bare = [line for line in lines if "candidate" not in line]
        sdp = {"Content-Type": "application/sdp"}
        body = "\r\n".join(bare) + "\r\n"
        async with http.post(f"{url}/v1/realtime/calls", data=body, headers=sdp) as reply:
            assert reply.status == 201
            yield Posted(
                url=url + reply.headers["Location"],
                etag=reply.headers["ETag"],
                headers=reply.headers.copy(),
                ufrag=next(line for line in lines if "ice-ufrag" in line).partition(":")[2],
                candidates=[line for line in lines if line.startswith("a=candidate")],
                answer=await reply.text(),
                http=http,
                app=app,
                phone=it,
            )


async def test_candidates_that_come_later_are_tried_and_the_call_connects() -> None:
    async with posted() as call:
        assert call.known_ports() == set()
        assert await call.patch(call.fragment()) == (204, "")
        ports = {int(line.split()[5]) for line in call.candidates}
        assert ports and call.known_ports() == ports
        await call.phone.pc.setRemoteDescription(RTCSessionDescription(call.answer, "answer"))
        await call.phone.wait_for("session.created")
        async with call.http.delete(call.url) as reply:
            assert reply.status == 200
        assert (await call.patch(call.fragment()))[0] == 404


async def test_any_connection_may_be_meant() -> None:
    async with posted() as call:
        assert (await call.patch(call.fragment(end=False), if_match="*"))[0] == 204
        assert (await call.patch(call.fragment()))[0] == 204


@pytest.mark.parametrize(
    ("headers", "ufrag", "status", "code"),
    [
        ({"if_match": ""}, "", 428, "no_etag"),
        ({"if_match": '"another"'}, "", 412, "stale_etag"),
        ({"if_match": "*"}, "Other", 422, "no_ice_restart"),
        ({}, "Other", 422, "no_ice_restart"),
        ({"content_type": "application/sdp"}, "", 415, "unsupported_media_type"),
    ],
)
async def test_what_cannot_be_done_is_told_and_the_call_stays(
    headers: dict[str, str], ufrag: str, status: int, code: str
) -> None:
    async with posted() as call:
        told = await call.patch(call.fragment(ufrag=ufrag), **headers)
        assert told[0] == status and f'"code": "{code}"' in told[1]
        assert call.known_ports() == set()
        assert (await call.patch(call.fragment()))[0] == 204


async def test_doors_that_a_peer_may_not_have_knocked_at_are_left_out() -> None:
    async with posted() as call:
        (line, *_) = call.candidates
        fields = line.split()
        for host in ("169.254.169.254", "224.0.0.1", "somebody.local"):
            call.candidates = [" ".join([*fields[:4], host, *fields[5:]])]
            assert (await call.patch(call.fragment()))[0] == 204
        assert call.known_ports() == set()
        call.candidates = [line.replace(" udp ", " tcp ")]
        assert (await call.patch(call.fragment()))[0] == 204
        assert call.known_ports() == set()
        call.candidates = [line] * 33
        status, told = await call.patch(call.fragment())
        assert status == 400 and "too_many_candidates" in told


async def test_the_doors_say_what_they_take() -> None:
    async with posted() as call:
        async with call.http.options(call.url.rpartition("/")[0]) as reply:
            assert (reply.status, reply.headers["Accept-Post"]) == (204, "application/sdp")
        async with call.http.options(call.url) as reply:
            assert (reply.status, reply.headers["Accept-Patch"]) == (204, MEDIA_TYPE)
        async with call.http.patch(call.url, data="x") as reply:
            assert (reply.status, reply.headers["Accept-Patch"]) == (415, MEDIA_TYPE)
        async with call.http.put(call.url) as reply:
            assert reply.status == 405 and "PATCH" in reply.headers["Allow"]


async def test_the_answer_brings_the_ice_servers() -> None:
    turn = {"urls": ["turn:192.0.2.7:3478"], "username": "u", "credential": 'p"w'}
    servers = [{"urls": ["stun:127.0.0.1:9"]}, turn]
    async with posted(
        ice={"bind": ["127.0.0.1"], "servers": servers, "gather_timeout": 0.05}
    ) as call:
        assert call.headers.getall("Link") == [  # type: ignore[attr-defined]  # a multidict
            '<stun:127.0.0.1:9>; rel="ice-server"',
            '<turn:192.0.2.7:3478>; rel="ice-server"; username="u"; credential="p\\"w"; '
            'credential-type="password"',
        ]


def test_without_ice_servers_there_are_no_links() -> None:
    assert links([]) == []
