"""Could a call be served here and now? Looks at everything a start needs, and starts nothing.

Each finding is a fact: fine, worth knowing, or in the way. Only the last kind makes `run.py check`
fail, and each of that kind says what mends it.
"""

from __future__ import annotations

import asyncio
import ctypes.util
import importlib
import importlib.metadata
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import aiohttp

from agent.engines import catalog, cublas
from agent.engines.caches import Shared
from agent.engines.catalog import Hardware
from agent.engines.mcp.settings import McpSettings
from agent.engines.tools import HttpToolSettings
from server.access import all_keys, is_required
from server.addresses import AddressUnusable, family, try_address
from server.config import Settings
from server.hardware import free_memory
from server.models import ModelStore
from server.plan import Choice, StageUnavailable, plan
from server.tls import TlsError, certificate, ends
from signaling.access.addresses import is_loopback
from signaling.access.keys import KeyFileError

LIBRARIES = {  # module: its distribution, and what cannot be done without it
    "aiortc": ("aiortc", "no call"),
    "av": ("av", "no call"),
    "opuslib": ("opuslib", "no audio"),
    "webrtcvad": ("webrtcvad-wheels", "no speech detection"),
    "onnxruntime": ("onnxruntime", "no speech detection"),
    "faster_whisper": ("faster-whisper", "no Whisper"),
    "pocketsphinx": ("pocketsphinx", "no recogniser without a model"),
    "llama_cpp": ("llama-cpp-python", "no language model"),
    "piper": ("piper-tts", "no Piper voice"),
    "espeakng_loader": ("espeakng-loader", "no voice without a model"),
}
_SMALLER = "choose smaller models: run.py models list"


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend`: what to type or do; empty where nothing needs mending."""

    level: Literal["fine", "note", "bad"]
    what: str
    mend: str = ""


async def findings(
    settings: Settings, store: ModelStore, hardware: Hardware
) -> tuple[Finding, ...]:
    """Everything that was found out, in the order in which a start needs it."""
    found = [_machine(hardware), *_libraries(), *_addresses(settings)]
    found += [*_tools(settings), *await _servers(settings)]
    found += [_access(settings), _tls(settings), await _store(settings)]
    try:
        choices = await plan(settings, store, hardware)
    except StageUnavailable as error:
        return (*found, Finding("bad", str(error)))
    for choice in choices:
        found += _stage(choice, settings)
    if any(choice.lacks for choice in choices):
        found.append(await _hub(settings, store))
    found += [*_memory(choices, hardware), await _remote(settings, choices)]
    return tuple(one for one in found if one.what)


def _tools(settings: Settings) -> Iterator[Finding]:
    for tool in settings.tools:
        if lacking := _unset(tool, settings):
            yield Finding("note", f"tool {tool.name}: {lacking} is not set", f"export {lacking}")
        else:
            yield Finding("fine", f"tool {tool.name}: {tool.method} {tool.url}")


async def _servers(settings: Settings) -> list[Finding]:
    """Each MCP server and its tools; a server that is away is no reason not to serve."""
    found: list[Finding] = []
    taken = {tool.name for tool in settings.tools}
    looks = await asyncio.gather(*(_look(server, settings) for server in settings.mcp))
    for server, (finding, names) in zip(settings.mcp, looks, strict=True):
        found.append(finding)
        if clash := sorted(taken.intersection(names)):
            told = f"MCP server {server.name}: {', '.join(clash)} is another tool's name already"
            found.append(Finding("bad", told, "give it a prefix, or list its tools without these"))
        taken.update(names)
    return found


async def _look(server: McpSettings, settings: Settings) -> tuple[Finding, tuple[str, ...]]:
    from agent.engines.mcp.server import McpUnavailable, look

    told = f"MCP server {server.name}"
    if lacking := _unset(server, settings):
        return Finding("note", f"{told}: {lacking} is not set", f"export {lacking}"), ()
    try:
        names = tuple(tool.name for tool in await look(server, settings.secrets))
    except McpUnavailable as error:
        why = f"{told}: {server.where} cannot be used: {error}"
        mend = "install it, or set its command" if server.command else "start it, or set its url"
        return Finding("note", why, f"{mend}; its tools are offered once it is there"), ()
    missing = [name for name in server.promised if name not in names]
    if missing:
        return Finding("note", f"{told} has no {', '.join(missing)}", "mend its tools = […]"), names
    return Finding("fine", f"{told}: {', '.join(names) or 'no tools'}"), names


def _unset(block: HttpToolSettings | McpSettings, settings: Settings) -> str:
    return ", ".join(name for name in block.variables if name not in settings.secrets)


def _machine(hardware: Hardware) -> Finding:
    gpu = hardware.gpu or "no GPU"
    if hardware.gpu and not hardware.llama_gpu:
        return Finding(
            "note",
            f"{hardware.cores} cores, {hardware.memory / 1e9:.1f} GB of memory, {gpu}, but "
            "llama-cpp-python was built without support for it",
            "make clean, then make run CUDA=1",
        )
    return Finding("fine", f"{hardware.cores} cores, {hardware.memory / 1e9:.1f} GB, {gpu}")


def _libraries() -> Iterator[Finding]:
    if ctypes.util.find_library("opus") is None:
        yield Finding("bad", "libopus is not installed: no audio", "sudo apt-get install libopus0")
        return
    for module, (distribution, without) in LIBRARIES.items():
        try:
            importlib.import_module(module)
        except (ImportError, OSError, RuntimeError) as error:
            # llama-cpp-python raises RuntimeError when its library is of another processor.
            yield Finding(
                "bad", f"{distribution} cannot be loaded ({error}): {without}", "make run"
            )
        else:
            yield Finding("fine", f"{distribution} {importlib.metadata.version(distribution)}")


def _addresses(settings: Settings) -> Iterator[Finding]:
    host, port = settings.server.host, settings.server.port
    try:
        try_address(host, port)
        yield Finding("fine", f"{host} port {port} is free")
    except AddressUnusable as error:
        yield Finding("bad", error.what, error.mend)
    for address in settings.ice.bind or ("0.0.0.0",):
        with socket.socket(family(address), socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, settings.ice.port_min))
                yield Finding("fine", f"UDP can be received at {address}")
            except OSError as error:
                yield Finding(
                    "bad",
                    f"UDP port {settings.ice.port_min} at {address} cannot be used: "
                    f"{error.strerror or error}",
                    "set ice.bind, ice.port_min and ice.port_max",
                )


def _access(settings: Settings) -> Finding:
    required, host = is_required(settings), settings.server.host
    try:
        names = all_keys(settings).names
    except KeyFileError as error:
        return Finding("bad", str(error))
    if required and not names:
        return Finding("note", "calls need a key, and there is none", "run.py keys add NAME")
    if required:
        return Finding("fine", f"calls need a key; there are: {', '.join(names)}")
    if is_loopback(host):
        return Finding("fine", "calls need no key: this machine alone can reach the server")
    return Finding(
        "note", f"calls need no key, and others can reach {host}", "set access.required = true"
    )


def _tls(settings: Settings) -> Finding:
    file = settings.server.tls_certificate
    if file is None:
        told = "HTTPS with a certificate of the server's own" if settings.server.https else ""
        return Finding("fine", told)
    try:
        certificate(settings.server)
        end = ends(file)
    except TlsError as error:
        return Finding("bad", str(error), "set server.tls_certificate and server.tls_key")
    left = (end - datetime.now(UTC)).days
    level: Literal["fine", "note"] = "fine" if left >= 14 else "note"
    return Finding(level, f"HTTPS with {file}, which is good until {end:%Y-%m-%d}")


async def _store(settings: Settings) -> Finding:
    """The cache that servers share; one that is away costs misses and is no reason not to serve."""
    url = settings.cache.url
    if not url:
        return Finding("fine", "")
    shared = Shared(settings.cache)
    try:
        await shared.start()
        if shared.is_up:
            return Finding("fine", f"the shared cache answers at {url}")
    finally:
        await shared.aclose()
    return Finding(
        "note", f"the shared cache does not answer at {url}", "start it, or set cache.url"
    )


def _stage(choice: Choice, settings: Settings) -> Iterator[Finding]:
    model = f", {choice.model}" if choice.model else ""
    yield Finding("fine", f"{choice.stage}: {choice.engine}{model}, {choice.device}: {choice.why}")
    default = settings.language
    if choice.engine == "llama":
        yield from _adapters(settings)
    if choice.engine == "whisper" and choice.device == "cuda" and not cublas.is_there():
        forced = settings.stt.whisper.device == "cuda"
        told = "stt: Whisper finds no cuBLAS 12" + ("" if forced else ", and runs on the CPU")
        yield Finding("bad" if forced else "note", told, cublas.MEND)
    for lack in choice.lacks:
        mute = choice.engine == "pocketsphinx" and default != "en"
        yield Finding("bad" if mute else "note", f"{choice.stage}: {lack}", lack.mend)


def _adapters(settings: Settings) -> Iterator[Finding]:
    for name, adapter in settings.llm.llama.adapters.items():
        users = [lang for lang, persona in settings.personas.items() if persona.adapter == name]
        size = adapter.path.expanduser().stat().st_size / 1e6
        told = f"adapter {name}: {adapter.path}, {size:.1f} MB, scale {adapter.scale:g}"
        if users:
            yield Finding("fine", f"{told}, for {', '.join(users)}")
        else:
            yield Finding("note", f"{told}: no persona uses it", "set personas.….adapter")


async def _hub(settings: Settings, store: ModelStore) -> Finding:
    answer = await store.reachable()
    if answer:
        return Finding(
            "note",
            f"the model hub cannot be used: {answer}",
            "set HTTPS_PROXY to a proxy, or HF_ENDPOINT to a mirror of the hub",
        )
    return Finding("fine", "the model hub answers: run.py models pull would work")


async def _remote(settings: Settings, choices: tuple[Choice, ...]) -> Finding:
    if not any(choice.engine == "openai" for choice in choices):
        return Finding("fine", "")
    url = settings.llm.openai.base_url
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
            async with http.get(f"{url.rstrip('/')}/models") as response:
                return Finding("fine", f"{url} answers ({response.status})")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        told = str(error) or type(error).__name__
        return Finding("bad", f"{url} does not answer: {told}", "set llm.openai.base_url")


def _memory(choices: tuple[Choice, ...], hardware: Hardware) -> Iterator[Finding]:
    free, needed = free_memory(), _taken(choices, "cpu")
    told = _room("memory", free, needed)
    fits = not free or free >= needed
    yield Finding("fine", told) if fits else Finding("bad", told, _SMALLER)
    free, needed = hardware.gpu_memory, _taken(choices, "cuda")
    if not free or not needed:
        return
    told = _room("the GPU's memory", free, needed)
    on_cpu = f"{told}: what it does not take runs on the CPU"
    yield Finding("fine", told) if free >= needed else Finding("note", on_cpu, _SMALLER)


def _room(memory: str, free: int, needed: int) -> str:
    return f"{free / 1e9:.1f} GB of {memory} are free, the models take about {needed / 1e9:.1f} GB"


def _taken(choices: tuple[Choice, ...], device: str) -> int:
    """Bytes that the models there take while they run; of one that nobody knows, its files'."""
    known = {Path(model.path).name: model.memory for model in catalog.MODELS}
    models = {path for c in choices if c.device == device for path in c.models.values()}
    return sum(known.get(path.name) or _size(path) for path in models)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
