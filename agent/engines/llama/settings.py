"""What of llama.cpp can be set, and what `auto` means on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class AdapterSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A LoRA adapter, made for the model that is used."""

    path: Path
    """Its file, in GGUF."""
    scale: float = Field(default=1.0, gt=0, le=10)
    """How strongly it is applied; 1: as it was trained."""


class LlamaSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """One model in one context, shared by all calls."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; `auto`: on a GPU when this llama.cpp can use one. A GPU's sums are
    rounded by how many are served at once, so that a reply may depend on who else is."""
    n_gpu_layers: int = Field(default=-1, ge=-1)
    """Layers of the model that go to the GPU; -1: all of them. Without a GPU: none."""
    threads: int = Field(default=0, ge=0, le=256)
    """Threads of the CPU; 0: one for each physical core that this process may use, but for one.
    They wait for each other many times a token: one that gets no core stops them all."""
    context: int = Field(default=2048, ge=64, le=1_048_576)
    """Tokens of one conversation at most, its reply included; a longer one loses its oldest turns.
    A model that was trained for fewer has fewer."""
    conversations: int = Field(default=16, ge=1, le=192)
    """Conversations that stay in the cache; beyond it the one idle for longest is read anew when it
    goes on."""
    cache_tokens: int = Field(default=16384, ge=64, le=16_777_216)
    """Tokens that the cache holds for all conversations together. Its memory is reserved at the
    start: 12 KB a token for a model of 0.5 B parameters, 36 KB for 3 B, 128 KB for 8 B (f16)."""
    cache_layout: Literal["auto", "shared", "split"] = "auto"
    """`shared`: one cache of `cache_tokens` for all. `split`: room for `context` tokens for each
    conversation, and `cache_tokens` is not used; on a CPU a reply then takes no longer because
    others have histories. `auto`: split on a CPU where that takes at most 640 MB."""
    kv_type: Literal["f16", "q8_0"] = "f16"
    """Precision of the cache; q8_0 halves its memory."""
    batch_tokens: int = Field(default=0, ge=0, le=8192)
    """Tokens that are read in one step while no reply is being made; 0: 64 on a CPU (60 where the
    cache is shared), 512 on a GPU. A step cannot be interrupted: fewer is sooner for a call that
    comes in between. In a shared cache on a CPU attention is rounded in another way from 64 on, so
    that a reply may depend on who else is served."""
    prefill_share: int = Field(default=0, ge=0, le=8192)
    """Tokens that are read in one step beside replies that are being made; 0: as many as
    `reply_gap` leaves time for, 16 at least."""
    reply_gap: float = Field(default=0.2, gt=0, le=5)
    """Seconds from one token of a reply to the next, while others' prompts are read beside it.
    Speech takes four or five tokens a second; a longer gap lets more callers begin at once."""
    speculative_share: int = Field(default=1, ge=0, le=64)
    """Replies made on speculation that may take part in a step beside committed ones."""
    adapters: dict[str, AdapterSettings] = Field(default_factory=dict)
    """LoRA adapters that personas may name, such as {polite = {path = "polite.gguf"}}. Calls with
    different ones take turns in the model, so that each adapter in use makes the others slower."""
    prefix_megabytes: int = Field(default=256, ge=0, le=65536)
    """Disk for the system prompts that were read, in `server.state`, so that the next start
    need not read them; 0: none are kept."""
    niceness: int = Field(default=5, ge=0, le=19)
    """How much lower the priority of the model's threads is than that of the audio."""
    mmap: bool = True
    """Map the file instead of reading it: it loads at once, and processes share its memory."""


def spare_cores() -> int:
    """Physical cores but for the one that recognisers, voices and the event loop live on."""
    return max(1, physical_cores() - 1)


def physical_cores() -> int:
    """Physical cores that this process may use; two threads of one core count once."""
    if not hasattr(os, "sched_getaffinity"):  # Linux alone tells more
        return max(1, (os.cpu_count() or 2) // 2)
    allowed = os.sched_getaffinity(0)
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text())
        except OSError:  # no such topology on this system: each processor counts
            siblings.add(str(cpu))
    return max(1, len(siblings))
