"""What the process itself can be told: where it listens, how many calls it takes, how it stops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from server.models import PROJECT


class ServerSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `server`."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network (browsers then want HTTPS for the
    microphone, except on localhost)."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """TCP port to listen on; 0 picks a free one."""
    tls_certificate: Path | None = None
    """File of a certificate (PEM, with its chain), to serve HTTPS; loaded anew when it changes."""
    tls_key: Path | None = None
    """File of its private key (PEM, not encrypted)."""
    https: bool = False
    """Serve HTTPS with a certificate that the server makes itself, on every network unless
    `host` is set: for trying it from a phone."""
    max_calls: Literal["auto"] | Annotated[int, Field(ge=1, le=10_000)] = "auto"
    """Calls at the same time; the next one is answered 503. `auto`: 4 a core, or fewer where memory
    is short; a machine whose engines run on a GPU takes more."""
    retry_after: int = Field(default=15, ge=1, le=3600)
    """Seconds after which a refused caller is told to try again."""
    resume_within: float = Field(default=20.0, ge=0.0, le=600.0)
    """Seconds that a call is kept for a caller whose connection broke; then it ends."""
    state: Path = PROJECT / "state"
    """Folder of what the server itself keeps: hashes of API keys, the certificate of `--https`, and
    what the language model has read of system prompts; a relative one is taken from the working
    directory."""
    require_models: bool = False
    """Refuse to start with an engine that needs no model where a model was to be had."""
    shutdown_grace: float = Field(default=5.0, ge=0.0, le=300.0)
    """Seconds that calls are given to say goodbye when the server stops."""

    @model_validator(mode="before")
    @classmethod
    def _reach_phones(cls, written: Any) -> Any:
        if isinstance(written, dict) and written.get("https") and "host" not in written:
            return {**written, "host": "0.0.0.0"}
        return written

    @model_validator(mode="after")
    def _have_a_key_with_a_certificate(self) -> ServerSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("set server.tls_certificate and server.tls_key, or neither")
        if self.https and self.tls_certificate is not None:
            raise ValueError("server.https makes a certificate, and server.tls_certificate is one")
        return self
