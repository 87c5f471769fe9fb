"""What the agent says while it thinks: chosen to fit, never repeated soon, only when it helps.

Below a second a filler changes nothing for the listener, and one just before the reply is worse
than none (`FillerSettings` has the bounds). Phrases belong to a language and an intent, are
spoken by the same voice and synthesized at start; they never enter the history.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum

from pydantic import BaseModel, Field

from agent.dialogue.words import words


class Intent(Enum):
    """What the caller wants of the reply."""

    QUESTION = "question"
    REQUEST = "request"
    SMALL_TALK = "small_talk"


Phrases = Mapping[str, Mapping[Intent, tuple[str, ...]]]

PHRASES: Phrases = {
    "en": {
        Intent.QUESTION: (
            "Hmm, let me see.",
            "Good question.",
            "Let me think.",
            "Well, let's see.",
        ),
        Intent.REQUEST: (
            "One moment.",
            "Sure, just a second.",
            "Right away.",
            "Okay, let me check.",
        ),
        Intent.SMALL_TALK: ("Mm-hm.", "I see.", "Well.", "Right."),
    },
    "ko": {
        Intent.QUESTION: (
            "음, 글쎄요.",
            "잠깐만요, 볼게요.",
            "음, 어디 보자.",
            "네, 생각해 볼게요.",
        ),
        Intent.REQUEST: (
            "네, 잠시만요.",
            "네, 확인해 볼게요.",
            "잠시만 기다려 주세요.",
            "네, 알겠습니다.",
        ),
        Intent.SMALL_TALK: ("아, 네.", "음, 그렇군요.", "네, 그렇죠.", "아, 그러시군요."),
    },
}

TOOL_PHRASES: Mapping[str, tuple[str, ...]] = {
    "en": ("Let me look that up.", "One moment, I'll check.", "I'm checking that now."),
    "ko": ("잠시만요, 찾아볼게요.", "네, 지금 확인하고 있어요.", "바로 알아볼게요."),
}
"""While a tool is used."""

LONG_PHRASES: Mapping[str, tuple[str, ...]] = {
    "en": ("I'm still checking, one moment please.", "Thanks for waiting, I'm nearly there."),
    "ko": (
        "아직 확인하고 있어요, 조금만 기다려 주세요.",
        "기다려 주셔서 감사해요, 거의 다 됐어요.",
    ),
}


class FillerSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """When a silence is covered, and by what."""

    enabled: bool = True
    """False: the agent says nothing while it thinks."""
    late: float = Field(default=0.9, gt=0, le=10)
    """Seconds after the end of the turn from which a first sound is late: worth a filler."""
    begin: float = Field(default=0.55, gt=0, le=5)
    """Seconds after the end of the turn at which a filler begins."""
    margin: float = Field(default=0.6, ge=0, le=5)
    """Seconds: a reply expected sooner than this from now is waited for instead. A filler lasts
    about a second, and what is ready meanwhile has to wait for its end."""
    long_after: float = Field(default=3.5, gt=0, le=60)
    """Seconds after the end of the turn at which the second, longer filler begins."""
    breath: float = Field(default=0.1, ge=0, le=1)
    """Seconds of silence between a filler and the reply that follows it."""
    look_every: float = Field(default=0.1, gt=0, le=1)
    """Seconds between two looks at whether a filler is due."""
    unrepeated: int = Field(default=3, ge=0, le=20)
    """How many fillers back none is repeated."""
    phrases: dict[str, dict[Intent, tuple[str, ...]]] = Field(default_factory=dict)
    """Phrases by language and intent (`question`, `request`, `small_talk`) instead of ours."""
    tool_phrases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Phrases while a tool is used, by language, instead of ours."""
    long_phrases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Phrases of the second filler by language, instead of ours."""


class Fillers:
    """The fillers of one call. A language without phrases has none."""

    def __init__(self, settings: FillerSettings, language: str) -> None:
        self.settings = settings
        self._language = language
        own = settings.phrases.get(language, {})
        self._phrases = {**PHRASES.get(language, {}), **own}
        self._long = settings.long_phrases.get(language, LONG_PHRASES.get(language, ()))
        self._tool = settings.tool_phrases.get(language, TOOL_PHRASES.get(language, ()))
        self._recent: deque[str] = deque(maxlen=settings.unrepeated)
        self._uses: dict[str, int] = {}

    def due(self, waited: float, predicted_first_sound: float, spoken: int = 0) -> bool:
        """Whether a filler should begin now, `waited` seconds after the end of the turn.

        `predicted_first_sound`: when the reply is expected to sound, in seconds after the end of
        the turn as well; a forecast that time has proved wrong counts as late. `spoken`: fillers
        of this turn so far; after one the longer one is due, after that none.
        """
        settings = self.settings
        if not settings.enabled or spoken > 1:
            return False
        late, begin = settings.late, settings.begin
        if spoken:
            late = begin = settings.long_after
        if waited < begin:
            return False
        if predicted_first_sound <= waited:
            return waited >= late
        soon = predicted_first_sound - waited < settings.margin
        return predicted_first_sound > late and not soon

    def choose(self, text: str) -> str | None:
        """A filler that fits what the caller said; None when there is none to say.

        It counts as said. The least used goes first, so that none comes back soon.
        """
        return self._take(self._phrases.get(intent_of(text, self._language), ()))

    def long(self) -> str | None:
        """The second filler, for a reply that takes seconds; None when there is none to say."""
        return self._take(self._long)

    def tool(self) -> str | None:
        """A filler while a tool is used; None when there is none to say."""
        return self._take(self._tool)

    def phrases(self) -> tuple[str, ...]:
        """All that may be said: to be synthesized at start. Nothing when fillers are off."""
        if not self.settings.enabled:
            return ()
        short = [phrase for phrases in self._phrases.values() for phrase in phrases]
        return tuple(dict.fromkeys([*short, *self._tool, *self._long]))

    def _take(self, phrases: Sequence[str]) -> str | None:
        fresh = [phrase for phrase in phrases if phrase not in self._recent]
        if not fresh or not self.settings.enabled:
            return None
        phrase = min(fresh, key=lambda p: self._uses.get(p, 0))
        self._uses[phrase] = self._uses.get(phrase, 0) + 1
        self._recent.append(phrase)
        return phrase


_REQUEST_EN = re.compile(
    r"(?:(?:can|could|would|will) you|(?:can|could|may) (?:i|we) (?:get|have|order|book|speak|talk)"
    r"|i(?:'d| would) (?:like|love)|i (?:want|need)|let me|please|(?:tell|give|show|send|find|help)"
    r" me|^(?:play|call|book|order|cancel|change|check|find|open|set|turn|stop|start|send|read|add"
    r"|remind|schedule|transfer|connect|repeat|show|look)\b)"
)
_QUESTION_EN = re.compile(
    r"^(?:(?:so|and|but|okay|well|um|uh|oh|hi|hello|hey|sorry|excuse me|yes|no) )*"
    r"(?:what|who|where|when|why|how|which|whose|is|are|am|was|were|do|does|did|has|have|should"
    r"|shall|will|would|can|could|isn't|aren't|don't|doesn't|didn't)(?:'\w+)?\b"
)
_SMALL_EN = re.compile(
    r"(?:how are you|how's it going|how do you do|nice to meet|what's up|good (?:morning|evening"
    r"|afternoon|day)|how have you been)"
)
_REQUEST_KO = re.compile(
    r"(?:주세요|주실|줘요?\b|주시|부탁|해줄래|줄래요?|싶어|싶은데|싶습니다|할게요|해라|예약|주문|취소|변경|바꿔|찾아)"
)
_QUESTION_KO = re.compile(
    r"(?:뭐|무엇|무슨|누구|어디|언제|왜|어떻게|어떤|어느|얼마|몇|까요?$|나요$|가요$|니까$|은요$|는요$|[냐니]$|죠$)"
)
_SMALL_KO = re.compile(r"(?:안녕|반가|잘 지내|어떻게 지내|날씨가? (?:좋|참)|고마|감사)")


def intent_of(text: str, language: str) -> Intent:
    """What kind of reply `text` asks for, by its words and its question mark."""
    line = " ".join(words(text))
    korean = language == "ko"
    if (_SMALL_KO if korean else _SMALL_EN).search(line):
        return Intent.SMALL_TALK
    if (_REQUEST_KO if korean else _REQUEST_EN).search(line):
        return Intent.REQUEST
    asked = text.rstrip().endswith(("?", "？"))
    if asked or (_QUESTION_KO if korean else _QUESTION_EN).search(line):
        return Intent.QUESTION
    return Intent.SMALL_TALK
