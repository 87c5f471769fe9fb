"""What stands around an engine so that a call outlives it: `Fallback(Guarded(a), Guarded(b))`.

`Guarded…` gives every wait a deadline and leaves an engine alone that fails again and again;
`Fallback…` asks a second engine when the first one raises; `…ByLanguage` sends each language to its
own. All of them are what they wrap: a Transcriber, a LanguageModel or a Synthesizer.
"""

from agent.engines.resilience.breaker import Breaker, Circuit
from agent.engines.resilience.by_language import (
    ANY_LANGUAGE,
    SynthesizerByLanguage,
    TranscriberByLanguage,
)
from agent.engines.resilience.fallback import (
    FallbackModel,
    FallbackSynthesizer,
    FallbackTranscriber,
    OnFallback,
)
from agent.engines.resilience.guard import GuardSettings
from agent.engines.resilience.guarded import (
    GuardedModel,
    GuardedSynthesizer,
    GuardedTranscriber,
)

__all__ = [
    "ANY_LANGUAGE",
    "Breaker",
    "Circuit",
    "FallbackModel",
    "FallbackSynthesizer",
    "FallbackTranscriber",
    "GuardSettings",
    "GuardedModel",
    "GuardedSynthesizer",
    "GuardedTranscriber",
    "OnFallback",
    "SynthesizerByLanguage",
    "TranscriberByLanguage",
]
