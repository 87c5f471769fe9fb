"""What the last Korean word says of the turn's end.

Korean says it in the last syllables: a sentence closes in an ending (요, 다, 까, 죠), goes on in
a connective (는데, 고, 서, 면, 니까, 지만) or a particle (은, 는, 이, 가, 을, 를, 에). Nouns that
only look like one (최고, 화면, 필요, 휴가) are listed; where a particle would need the syllable
before it to be otherwise, it is none.
"""

from __future__ import annotations

from agent.dialogue.reading import Completeness, Reading, complete, unfinished, unsure
from agent.dialogue.words import final_consonant, is_hangul, squeezed

_HESITATIONS = frozenset(
    """
    음 으음 음음 어 어어 엄 에 저 그 저기 그게 그니까 그러니까 뭐 뭐랄까 뭐지 뭐더라 있잖아
    있잖아요 이제 막 약간 글쎄 그냥 일단 아니
    """.split()
)
_WHOLE = frozenset(
    """
    네 예 넵 네네 응 응응 아니요 아니오 아뇨 아니에요 맞아 맞아요 맞습니다 그래 그래요 그럼요
    좋아 좋아요 좋습니다 안녕 안녕하세요 여보세요 감사합니다 고맙습니다 고마워 고마워요 알겠어요
    알겠습니다 됐어요 됐습니다 괜찮아요 괜찮습니다 취소 그만 잠깐만요 잠시만요 몰라요 모르겠어요
    모르겠습니다 모르겠는데요 수고하세요 잠깐만 잠시만 왜요 싫어 싫어요 좋지 그렇지 당연하지
    그만해 하지마 괜찮아 아니야
    """.split()
)
_CONJUNCTIONS = frozenset(
    """
    그리고 그래서 그런데 근데 그러면 그럼 그러나 하지만 그렇지만 왜냐하면 왜냐면 또 또는 혹은 및
    그래가지고 그러다가 만약 만약에 혹시 예를들면 즉 아니면 그러고 따라서 게다가
    """.split()
)
_NOUNS = (
    frozenset(
        # End in what looks like an ending or a connective
        """
    필요 중요 수요 개요 강요 소요 동요 주요 바다 캐나다 소다 아까 동네 최고 광고 창고 사고 참고
    냉장고 중고 신고 재고 경고 보고 입고 출고 학교 택배 부서 문서 순서 도서 질서 계약서 신청서
    증명서 영수서 설명서 이력서 보고서 견적서 독서 라면 냉면 화면 장면 측면 짜장면 평면 전면 도면
    가면 표면 쫄면 당면 유지 가지 편지 휴지 아버지 돼지 강아지 바지 반지 잔고 메시지 이미지
    페이지 목요일 거든 너머 어머니 할머니 주머니
    """.split()
    )
    | frozenset(
        # End in what looks like a particle
        """
    고양이 아이 종이 어린이 나이 차이 사이 길이 높이 놀이 오이 거북이 호랑이 전화번호이 휴가 평가
    국가 작가 가가 허가 추가 물가 주가 시가 요가 친구가게 가을 마을 노을 도로 종로 진로 가로 세로
    바로 서로 따로 별로 대로 그대로 온도 지도 제주도 정도 속도 포도 태도 각도 한도 용도 불만 백만
    천만 이만 회의 강의 문의 주의 동의 예의 합의 결과 사과 효과 학과 성과 통과 초과 치과 내과
    외과 안과 아무거나 하나 누나 언제나 은 금은 아이와 전에 후에 뒤에 다음에 나중에 이번에 아까도
    """.split()
    )
    | frozenset(
        # End like 할게 and 할래, but are adverbs and nouns
        "길게 멀게 달게 힘들게 가늘게 둥글게 빨래 달래 몰래".split()
    )
)
_ONGOING = tuple(
    """
    는데 은데 인데 한데 던데 ㄴ데 텐데 운데 른데 건데 데 지만 면서 으며 하며 이며 려고 으러 도록
    자마자 다가 느라 느라고 든지 거나 므로 때문에 더니 더라도 길래 아서 어서 여서 해서 라서 래서
    와서 가서 서 으면 다면 라면 하면 려면 면 니까 고 거든 아니라 아도 어도 해도 듯이 채로 대로 만큼
    는지 을지 ㄹ지 런데 는데도 다시피 던지 는건 은건 는게 은게 한게 던게 니 러
    """.split()
)
_SOFT = tuple(
    """
    는데요 은데요 ㄴ데요 인데요 건데요 한데요 던데요 데요 거든요 고요 구요 니까요 서요 지만요
    면요 은요 는요 랑요 하고요 에요는
    """.split()
)
"""Polite, but as often the middle of what is said as its end."""

_SAID_AGAIN = ("다고요", "라고요", "자고요", "냐고요", "다니까요", "라니까요")
"""What one insists on is an end, though it looks like the soft ones."""

_FINAL = tuple(
    """
    습니다 입니다 합니다 됩니다 니다 습니까 입니까 십시오 세요 셔요 에요 예요 이에요 어요 아요
    여요 해요 돼요 와요 줘요 네요 군요 구나 나요 까요 가요 래요 게요 지요 죠 죠요 시죠 요 잖아
    았어 었어 였어 했어 됐어 있어 없어 같아 싶어 해줘 줘 할래 할게 을게 을까 갈까 까 하자 가자
    느냐 이야 거야 뭐야 구먼 어때 하네 좋네 했네 겠네 이네 렇지 맞지 하지 하니 했니 있니 없니 해라
    다
    """.split()
)
_BEFORE_MORE = frozenset(
    """
    좀 더 덜 안 못 너무 아주 매우 제일 가장 조금 수 때 줄 건 게 걸 및 각 약 총 매 한 두 세 네번째
    진한 연한 강한 약한
    """.split()
)
"""Adverbs, determiners and bound nouns, after which a predicate or a noun comes."""

_CONTRACTED = frozenset(
    "이건 그건 저건 이걸 그걸 저걸 이게 저게 내가 네가 니가 난 넌 전 걔가 여긴 거긴 저긴".split()
)
"""Pronouns that have swallowed their particle."""

_COMMANDS = frozenset("마 와 해 가 줘 봐".split())
"""Informal commands of a syllable, after what they command."""

_ADNOMINAL = tuple(
    """
    뜻한 능한 용한 유명한 필요한 중요한 간단한 슷한 시원한 편한 급한 관한 특별한 이상한 안전한
    정확한 다양한 친절한 까운 거운 려운 매운 쉬운 벼운 새로운 름다운 두운 더운 추운 싶은
    """.split()
)
"""Endings of a word that describes the noun after it."""

_AFTER_CLAUSE = frozenset("다음에 후에 뒤에 동안 동안에 전에 중에 대로".split())
"""Of time, after a verb: the clause that they belong to comes."""
_BEFORE_TIME = ("기", "은", "한", "난", "된", "던", "친", "준", "긴", "온", "린", "는")

_ASKING = frozenset(
    """
    뭐 뭘 뭐가 무엇 무슨 누구 누가 어디 어디서 어디에 언제 왜 어떻게 어떤 어느 얼마 얼마나 몇 뭐라고
    """.split()
)
_ASKING_STEMS = ("뭐", "어디", "언제", "누구", "얼마")
"""With one of these in the sentence, an informal ending asks and is an end."""

_PARTICLES_CLOSED = ("은", "이", "을", "과", "이랑", "으로", "이나")
"""Particles after a final consonant."""
_PARTICLES_OPEN = ("는", "가", "를", "와", "랑", "로", "나")
"""Particles after a vowel (로 also after ㄹ)."""
_PARTICLES = tuple(
    """
    에서 에게 한테 께서 께 하고 처럼 보다 마다 밖에 조차 에는 에도 에서는 한테는 이라는 라는 라고
    이라고 에 의 하는 되는 있는 없는 같은 위한 대한 하던 할
    """.split()
)
_MAYBE = tuple(
    """
    까지 부터 도 만 쯤 정도 지 게 야 아 어 해 자 래 네 니 냐 라
    """.split()
)

_INFORMAL = tuple("야 아 어 해 래 네 니 냐 지".split())
"""Of those, the endings of informal speech."""


def ending(said: list[str], mark: str) -> Reading | None:
    """The reading by the last of the words `said`; None: it says nothing.

    `mark`: the name of its closing punctuation, such as "question"; empty: none.
    """
    last = squeezed(said[-1])
    if len(said) == 1 and last in _WHOLE:
        return complete(f"a whole answer: {last}")
    if last in _CONJUNCTIONS:
        return unfinished(f"conjunction: {last}")
    if last in _HESITATIONS and not (mark == "question" and last in ("뭐", "뭐지", "뭐더라")):
        return unfinished(f"hesitation: {last}")
    if last in _WHOLE:
        return complete(f"a closing phrase: {last}")
    if mark == "question":
        return complete("question")
    if phrase := _phrase(said[-2] if len(said) > 1 else "", last):
        return phrase
    if last in _NOUNS or not is_hangul(last[-1]):
        return None
    if len(said) > 1 and last in _BEFORE_MORE:
        return unfinished(f"more must follow: {last}")
    if len(said) > 1 and last in _COMMANDS:
        return complete(f"a command: … {last}")
    found = _by_ending(last)
    asks = any(word in _ASKING or word.startswith(_ASKING_STEMS) for word in said)
    return _asked(last, found) if asks and found else found


def _phrase(before: str, last: str) -> Reading | None:
    """The last two words, where one alone says something else."""
    if before == "예를" and last in ("들어", "들면"):
        return unfinished("for example")
    if last in _AFTER_CLAUSE and before.endswith(_BEFORE_TIME):
        return unfinished(f"a clause that another follows: … {before} {last}")
    if last in _CONTRACTED:
        return unfinished(f"a pronoun with its particle: {last}")
    return None


def _asked(last: str, found: Reading) -> Reading:
    """`found`, in a sentence with a question word: an informal ending then asks."""
    if found.completeness is Completeness.UNSURE and _suffix(last, _SOFT + _INFORMAL):
        return complete(f"asked, {found.reason}")
    if found.completeness is Completeness.UNFINISHED and last.endswith(("는데", "은데", "인데")):
        return unsure(f"asked, or goes on: …{last[-2:]}")
    return found


def _by_ending(last: str) -> Reading | None:
    if last.endswith("니까") and _formal(last, "니까"):
        return complete("formal question: …니까")
    if last.endswith(("게", "래")) and len(last) > 1 and final_consonant(last[-2]) == "ㄹ":
        return complete(f"final ending: …ㄹ{last[-1]}")
    if again := _suffix(last, _SAID_AGAIN):
        return complete(f"insists: …{again}")
    if soft := _suffix(last, _SOFT):
        return unsure(f"polite, but may go on: …{soft}")
    if final := _suffix(last, _FINAL):
        going_on = _suffix(last, _ONGOING)
        if not going_on or len(going_on) < len(final):
            if not (final == "다" and last.endswith(("보다", "마다"))):
                return complete(f"final ending: …{final}")
    if connective := _suffix(last, _ONGOING):
        return unfinished(f"connective: …{connective}")
    return _by_particle(last)


def _by_particle(last: str) -> Reading | None:
    if particle := _suffix(last, _PARTICLES):
        return unfinished(f"particle: …{particle}")
    for particles, closed in ((_PARTICLES_CLOSED, True), (_PARTICLES_OPEN, False)):
        particle = _suffix(last, particles)
        if particle and len(last) > len(particle):
            consonant = final_consonant(last[-len(particle) - 1])
            fits = bool(consonant) is closed or (particle == "로" and consonant == "ㄹ")
            if fits:
                return unfinished(f"particle: …{particle}")
    if maybe := _suffix(last, _MAYBE):
        return unsure(f"may go on: …{maybe}")
    if adnominal := _suffix(last, _ADNOMINAL):
        return unfinished(f"adnominal: …{adnominal}")
    if last[-1] in "할될갈볼줄올살":
        return unfinished(f"adnominal: …{last[-1]}")
    return None


def _formal(last: str, ending: str) -> bool:
    """합니까, 있습니까: ㅂ before 니까; without it (가니까) it means "because"."""
    return len(last) > len(ending) and final_consonant(last[-len(ending) - 1]) == "ㅂ"


def _suffix(word: str, endings: tuple[str, ...]) -> str:
    """The longest of the endings that `word` has; empty: none. One syllable is no word of them."""
    fitting = (e for e in endings if word.endswith(e) and (len(word) > len(e) or len(e) > 1))
    return max(fitting, key=len, default="")
