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
from math import inf

from pydantic import BaseModel, Field

from agent.dialogue.words import words


class Intent(Enum):
    """What the caller wants of the reply."""

    QUESTION = "question"
    REQUEST = "request"
    SMALL_TALK = "small_talk"


LETTER = 0.06
"""Seconds of a letter, sign or space."""
SYLLABLE = 0.15
"""Seconds of a Korean syllable."""
APART = 1.0
"""Seconds of silence at the least between two fillers."""
EARLY = 0.4
"""Seconds that a filler which must fit before the reply leaves for a reply that is early."""

Phrases = Mapping[str, Mapping[Intent, tuple[str, ...]]]

PHRASES: Phrases = {
    "en": {
        Intent.QUESTION: (
            "Hmm, let me see.",
            "Good question.",
            "Let me think.",
            "Well, let's see.",
            "Hmm.",
        ),
        Intent.REQUEST: (
            "One moment.",
            "Sure, just a second.",
            "Right away.",
            "Okay, let me check.",
            "Sure.",
        ),
        Intent.SMALL_TALK: ("Mm-hm.", "I see.", "Well.", "Right."),
    },
    "ko": {
        Intent.QUESTION: (
            "음, 글쎄요.",
            "잠깐만요, 볼게요.",
            "음, 어디 보자.",
            "네, 생각해 볼게요.",
            "음.",
        ),
        Intent.REQUEST: (
            "네, 잠시만요.",
            "네, 확인해 볼게요.",
            "잠시만 기다려 주세요.",
            "네, 알겠습니다.",
            "네.",
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
    "en": (
        "I'm still checking, one moment please.",
        "Thanks for waiting, I'm nearly there.",
        "Still checking.",
        "Nearly there.",
    ),
    "ko": (
        "아직 확인하고 있어요, 조금만 기다려 주세요.",
        "기다려 주셔서 감사해요, 거의 다 됐어요.",
        "거의 다 됐어요.",
        "조금만요.",
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
    """Seconds after the end of the turn at which the second, longer filler begins, at the latest:
    it is said before where the reply would come into it."""
    longest_silence: float = Field(default=2.0, gt=0, le=60)
    """Seconds of silence behind the first filler after which the second one does not wait."""
    breath: float = Field(default=0.08, ge=0, le=1)
    """Seconds of silence between a filler and the reply that follows it."""
    most_kept_back: float = Field(default=0.1, ge=0, le=5)
    """Seconds by which a filler's next word may keep back a reply that is about to sound; where it
    would be more, the filler ends before it."""
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

    def due(self, waited: float, predicted_first_sound: float) -> bool:
        """Whether a first filler should begin now, `waited` seconds after the end of the turn.

        `predicted_first_sound`: when the reply is expected to sound, in seconds after the end of
        the turn as well; a forecast that time has proved wrong counts as late.
        """
        settings = self.settings
        if not settings.enabled or waited < settings.begin:
            return False
        if predicted_first_sound <= waited:
            return waited >= settings.late
        return predicted_first_sound > settings.late and not self._soon(
            waited, predicted_first_sound
        )

    def due_again(self, waited: float, predicted_first_sound: float, silent: float) -> bool:
        """Whether the second filler should begin now; `silent`: seconds since the first one ended.

        It is for replies that take longer than `long_after`. One that will come so soon after
        that, that nothing could be said before it any more, has it said earlier.
        """
        settings = self.settings
        is_long = max(waited, predicted_first_sound) > settings.long_after
        if not settings.enabled or not is_long or not self._long:
            return False
        if waited >= settings.long_after or silent >= settings.longest_silence:
            return not self._soon(waited, predicted_first_sound)
        needed = min(map(spoken_seconds, self._long)) + settings.breath
        left = predicted_first_sound - waited
        is_last_chance = left <= needed + EARLY
        would_be_late = predicted_first_sound <= settings.long_after + needed
        return would_be_late and is_last_chance and silent >= APART and left >= needed

    def choose(self, text: str, room: float = inf) -> str | None:
        """A filler that fits what the caller said; None when there is none to say.

        `room`: seconds until the reply is expected. It counts as said. Of those that are over by
        then the least used goes first, so that none comes back soon.
        """
        return self._take(self._phrases.get(intent_of(text, self._language), ()), room)

    def long(self, room: float = inf) -> str | None:
        """The second filler, for a reply that takes seconds; None when there is none to say."""
        return self._take(self._long, room)

    def tool(self, room: float = inf) -> str | None:
        """A filler while a tool is used; None when there is none to say."""
        return self._take(self._tool, room)

    def phrases(self) -> tuple[str, ...]:
        """All that may be said: to be synthesized at start. Nothing when fillers are off."""
        if not self.settings.enabled:
            return ()
        short = [phrase for phrases in self._phrases.values() for phrase in phrases]
        return tuple(dict.fromkeys([*short, *self._tool, *self._long]))

    def _soon(self, waited: float, predicted_first_sound: float) -> bool:
        return 0 < predicted_first_sound - waited < self.settings.margin

    def _take(self, phrases: Sequence[str], room: float) -> str | None:
        fresh = [phrase for phrase in phrases if phrase not in self._recent]
        if not fresh or not self.settings.enabled:
            return None
        room -= self.settings.breath
        fitting = [phrase for phrase in fresh if spoken_seconds(phrase) <= room]
        if not fitting:
            fitting = [min(fresh, key=spoken_seconds)]
        phrase = min(fitting, key=lambda p: self._uses.get(p, 0))
        self._uses[phrase] = self._uses.get(phrase, 0) + 1
        self._recent.append(phrase)
        return phrase


def spoken_seconds(phrase: str) -> float:
    """About how long a voice says `phrase`: a Korean syllable is a letter, an English one three."""
    return sum(SYLLABLE if "가" <= each <= "힣" else LETTER for each in phrase)


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
