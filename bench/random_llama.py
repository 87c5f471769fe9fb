"""LLaMA files of any shape with random weights: the true cost of a model that cannot be had; and
adapters for them.

Every byte is a token, and the model speaks only those of `speaks`, so that what it says is read
back as the very tokens that it made, as a real model's words are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</{{ m['role'] }}>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
LETTERS = bytes(range(ord("a"), ord("z") + 1))
_BLOCK = 32  # weights that share a scale in Q4_0: two bytes of scale, sixteen of weights
_RANK = 4  # of adapters
_BYTES = 3  # the first byte's token, after unknown, begin and end


@dataclass(frozen=True)
class Shape:
    """What a model costs: its layers and their sizes, all multiples of 32."""

    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    vocabulary: int = 512
    context: int = 2048


TINY = Shape(layers=2, width=64, hidden=128, heads=4, kv_heads=4, context=512)
HALF_BILLION = Shape(layers=24, width=896, hidden=4864, heads=14, kv_heads=2, vocabulary=32000)
"""Qwen 2.5 0.5B, but for its vocabulary."""


def write_llama(
    path: Path,
    shape: Shape,
    *,
    template: str | None = TEMPLATE,
    speaks: bytes = LETTERS,
    seed: int = 7,
) -> Path:
    """A model in Q4_0 that says letters at random, always the same, and never ends by itself."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, shape)
    _name_tokens(writer, shape.vocabulary)
    if template is not None:
        writer.add_chat_template(template)

    def add(name: str, rows: int, columns: int, scale: float = 2.0) -> None:
        weights = _weights(random, rows, columns, scale)
        if name == "output":
            _silence(weights, speaks)
        kind = gguf.GGMLQuantizationType.Q4_0
        writer.add_tensor(f"{name}.weight", weights, raw_dtype=kind)

    width, inner = shape.width, shape.width // shape.heads * shape.kv_heads
    add("token_embd", shape.vocabulary, width, 8.0)
    add("output", shape.vocabulary, width, 4.0)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        add(f"{block}.attn_q", width, width)
        add(f"{block}.attn_k", inner, width)
        add(f"{block}.attn_v", inner, width)
        add(f"{block}.attn_output", width, width)
        add(f"{block}.ffn_gate", shape.hidden, width)
        add(f"{block}.ffn_up", shape.hidden, width)
        add(f"{block}.ffn_down", width, shape.hidden)
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{norm}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(path: Path, shape: Shape, *, seed: int = 3, strength: float = 1.0) -> Path:
    """A LoRA adapter with random weights for a model of this shape, on queries and values."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(_RANK))
    width, inner = shape.width, shape.width // shape.heads * shape.kv_heads
    for layer in range(shape.layers):
        for part, rows in (("attn_q", width), ("attn_v", inner)):
            down = random.standard_normal((_RANK, width)) * strength / np.sqrt(width)
            up = random.standard_normal((rows, _RANK))
            name = f"blk.{layer}.{part}.weight"
            writer.add_tensor(f"{name}.lora_a", down.astype(np.float32))
            writer.add_tensor(f"{name}.lora_b", up.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)


def _name_tokens(writer: gguf.GGUFWriter, size: int) -> None:
    """Unknown, begin, end, the bytes, the space, and names that no text contains."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * (size - len(names))
    names += ["\u2581"] + [f"\u241f{number}" for number in range(size - len(names) - 1)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names)
    writer.add_token_scores([0.0] * size)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)


def _weights(
    random: np.random.Generator, rows: int, columns: int, scale: float
) -> npt.NDArray[np.uint8]:
    """Blocks of Q4_0: random fours of bits, and one scale for all."""
    blocks = columns // _BLOCK
    data = random.integers(0, 256, (rows, blocks, 2 + _BLOCK // 2), dtype=np.uint8)
    step = np.float16(scale / np.sqrt(columns) / 4.6)  # 4.6: the deviation of 0..15
    data[:, :, :2] = np.frombuffer(step.tobytes(), np.uint8)
    return data.reshape(rows, -1)


def _silence(output: npt.NDArray[np.uint8], speaks: bytes) -> None:
    """All tokens but those of `speaks` always score 0, below the best of those."""
    rows = np.ones(len(output), bool)
    rows[[_BYTES + byte for byte in speaks]] = False
    view = output.reshape(len(output), -1, 2 + _BLOCK // 2)
    view[rows, :, :2] = 0
