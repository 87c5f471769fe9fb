"""What is written for the eye, out: markdown, code, emoji; addresses said as a person would."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import emoji
from markdown_it import MarkdownIt
from markdown_it.token import Token

from agent.dialogue.spoken.rewriting import Rewriting

_HINTS = re.compile(r"[*_`~#>\[\]<&|\\]|^\s*[-+=]", re.MULTILINE)
"""Without any of these a text has no markdown worth a parser's time."""
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,5});")
_CLOSED_UP = re.compile(r"[^\W\d_]?[^\x00-\x7f가-힣ㄱ-ㆎ²³½¼¾⅓⅔…]+")
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=8xX]['-]?[)(DPpOo3|\\/]|<3|\^_?\^)+(?!\w)|[ㅋㅎㅠㅜ]{2,}")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", re.ASCII)
_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"']+[^\s<>\"'.,;:!?)\]}]"
    r"|\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|ai|app|edu|gov|info|kr|uk|eu|de|jp)\b(?:/[\w/.-]*\w)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class AddressWords:
    """How the marks of an address are said, each with the spaces around it."""

    dot: str
    at: str
    slash: str
    dash: str
    underscore: str
    plus: str


def strip_markdown(text: Rewriting) -> None:
    """Leave what a reader would see of the markdown; code blocks are left out."""
    if not _HINTS.search(text.text):
        return
    text.sub(_ENTITY, lambda match: html.unescape(match.group()))
    source = text.text
    kept: list[tuple[int, int]] = []
    at = 0
    for shown in _shown(_parser().parse(source)):
        found = source.find(shown, at)
        if found < 0:
            return  # better a mark too many than a word too few
        kept.append((found, found + len(shown)))
        at = found + len(shown)
    gaps = []
    at = 0
    for start, end in [*kept, (len(source), len(source))]:
        if start > at:
            gap = source[at:start]
            gaps.append((at, start, "\n" if "\n" in gap else " " if gap.isspace() else ""))
        at = end
    text.replace(gaps)


@cache
def _parser() -> MarkdownIt:
    # Pieces of a reply may be indented by chance: that is no code. What is shown must be found in
    # the source as it stands, so nothing is unescaped here.
    return (
        MarkdownIt("commonmark")
        .enable(["table", "strikethrough"])
        .disable(["code", "entity", "escape"])
    )


def _shown(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "inline":
            yield from _shown(token.children or [])
        elif token.type in {"text", "code_inline"}:
            yield token.content
        elif token.type == "image":
            yield token.content
        elif token.type == "list_item_open" and token.info:
            yield token.info + token.markup


def normalise(text: Rewriting) -> None:
    """Composed characters, full-width digits and the like as usual ones; emoji out."""
    text.sub(_CLOSED_UP, lambda match: unicodedata.normalize("NFKC", match.group()))
    found = emoji.emoji_list(text.text)
    text.replace(
        [
            (int(one["match_start"]), int(one["match_end"]), _instead(str(one["emoji"])))
            for one in found
        ]
    )
    text.sub(_EMOTICON, lambda match: " ")


def _instead(symbol: str) -> str:
    """A digit on a keycap is still a digit; anything else is not said."""
    return symbol[0] if symbol[0] in "0123456789" else " "


def say_addresses(text: Rewriting, words: AddressWords) -> None:
    """Mail and web addresses: the host, and its path where it is short."""
    text.sub(_EMAIL, lambda match: _spelled(match.group().replace("@", words.at), words))
    text.sub(_URL, lambda match: _web(match.group(), words))


def _web(url: str, words: AddressWords) -> str:
    host, _, path = re.sub(r"^(?:https?://)?(?:www\.)?", "", url, flags=re.I).partition("/")
    path = re.split(r"[?#]", path)[0].strip("/")
    host = re.split(r"[?#]", host)[0].rpartition("@")[2].partition(":")[0]
    parts = path.split("/") if path else []
    if len(parts) > 2 or not all(re.fullmatch(r"[A-Za-z-]{1,20}", part) for part in parts):
        parts = []
    return _spelled(words.slash.join([host, *parts]), words)


def _spelled(address: str, words: AddressWords) -> str:
    marks = {".": words.dot, "-": words.dash, "_": words.underscore, "+": words.plus}
    return " " + re.sub(r"[.\-_+]", lambda match: marks[match.group()], address).strip() + " "
