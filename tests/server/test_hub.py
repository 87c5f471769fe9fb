"""Downloads against a hub on loopback: whole, cut off, damaged, refused, absent, stopped."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.hub import Hub, HubCorrupted, HubRefused, HubStopped, HubUnreachable
from tests.server.fake_hub import FakeHub

REPOSITORY = "someone/some-model"
CONTENT = os.urandom(3_000_000)


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeHub, Hub]]:
    hub = FakeHub()
    hub.files = {
        f"{REPOSITORY}/model.bin": CONTENT,
        f"{REPOSITORY}/config.json": b'{"small": true}',
    }
    hub.large = {f"{REPOSITORY}/model.bin"}
    async with hub.serving() as endpoint:
        yield hub, Hub(endpoint=endpoint, timeout=5, progress=lambda *_: None)


async def fetch(hub: Hub, destination: Path, name: str = "model.bin") -> None:
    await asyncio.to_thread(hub.fetch, REPOSITORY, name, destination)


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_fresh_download_is_whole_and_leaves_nothing_beside_it(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    _, hub = fake
    await fetch(hub, tmp_path / "new" / "model.bin")
    assert (tmp_path / "new" / "model.bin").read_bytes() == CONTENT
    assert only(tmp_path / "new") == ["model.bin"]


async def test_progress_counts_to_the_files_size(fake: tuple[FakeHub, Hub], tmp_path: Path) -> None:
    _, hub = fake
    told: list[tuple[str, int, int]] = []
    hub._progress = lambda *progress: told.append(progress)
    await fetch(hub, tmp_path / "model.bin")
    assert told[-1] == ("model.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


async def test_a_small_file_is_checked_as_git_names_it(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    served.damaged = 1
    await fetch(hub, tmp_path / "config.json", "config.json")
    assert (tmp_path / "config.json").read_bytes() == b'{"small": true}'
    assert len(served.ranges) == 2


async def test_what_is_there_is_not_fetched_again(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    (tmp_path / "model.bin").write_bytes(b"mine")
    await fetch(hub, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == b"mine"
    assert served.ranges == []


async def test_a_cut_connection_is_taken_up_where_it_ended(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    served.cuts = [1_000_000, 500_000]
    await fetch(hub, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    starts = [int(wanted[6:-1]) if wanted else 0 for wanted in served.ranges]
    assert starts[0] == 0 < starts[1] <= 1_000_000 < starts[2] + 500_000


async def test_a_later_process_goes_on_from_the_part_that_is_kept(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    stopped: list[int] = []

    def stop_half_way(_name: str, done: int, _size: int) -> None:
        if done > 1_000_000:
            stopped.append(done)
            hub.stop()

    hub._progress = stop_half_way
    with pytest.raises(HubStopped):
        await fetch(hub, tmp_path / "model.bin")
    assert not (tmp_path / "model.bin").exists()

    later = Hub(endpoint=hub.endpoint, timeout=5, progress=lambda *_: None)
    await fetch(later, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert served.ranges[-1] == f"bytes={stopped[-1]}-"
    assert only(tmp_path) == ["model.bin"]


async def test_a_server_without_ranges_is_read_from_the_start_again(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    served.ignores_ranges = True
    served.cuts = [1_000_000]
    await fetch(hub, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


async def test_a_damaged_download_is_fetched_again(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    served.damaged = 1
    await fetch(hub, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


async def test_a_download_damaged_twice_is_given_up_and_leaves_nothing(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    served.damaged = 2
    with pytest.raises(HubCorrupted, match=r"model\.bin arrived damaged twice"):
        await fetch(hub, tmp_path / "model.bin")
    assert not list(tmp_path.glob("model.bin*[!k]"))


async def test_a_part_of_another_version_is_not_continued(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    (tmp_path / "model.bin.aaaaaaaaaaaa.part").write_bytes(b"old")
    await fetch(hub, tmp_path / "model.bin")
    assert served.ranges == [None]
    assert only(tmp_path) == ["model.bin"]


@pytest.mark.parametrize(
    ("status", "says"), [(401, "HF_TOKEN"), (403, "accept its licence"), (404, r"has no .*404")]
)
async def test_a_refusal_says_what_to_do(
    fake: tuple[FakeHub, Hub], tmp_path: Path, status: int, says: str
) -> None:
    served, hub = fake
    served.refuse = status
    with pytest.raises(HubRefused, match=says):
        await fetch(hub, tmp_path / "model.bin")
    assert only(tmp_path) == []


async def test_a_hub_that_fails_counts_as_unreachable(
    fake: tuple[FakeHub, Hub], tmp_path: Path
) -> None:
    served, hub = fake
    served.refuse = 503
    with pytest.raises(HubUnreachable, match="503"):
        await fetch(hub, tmp_path / "model.bin")


async def test_nobody_there_is_said_at_once_with_the_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hub = Hub(endpoint=f"http://127.0.0.1:{port}", timeout=60, progress=lambda *_: None)
    with pytest.raises(HubUnreachable, match=f"127.0.0.1:{port} does not answer"):
        await fetch(hub, tmp_path / "model.bin")


async def test_the_account_is_not_shown_to_another_host(
    fake: tuple[FakeHub, Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, hub = fake
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    await fetch(hub, tmp_path / "model.bin")
    assert served.cdn_authorization == [None]


async def test_a_full_disk_is_said_before_the_download(
    fake: tuple[FakeHub, Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, hub = fake
    monkeypatch.setattr("server.hub._free_space", lambda folder: 1_000)
    with pytest.raises(OSError, match=r"3 MB are needed and 0 MB are free"):
        await fetch(hub, tmp_path / "model.bin")
    assert served.ranges == []
