"""Site furniture: which blocks of a page are the site's, not the author's.

The rules look at whole blocks and at where they stand, never at single words: "Subscribe" alone in a paragraph is a
button, "You can subscribe to a Kafka topic" is the author. Strong phrases are furniture wherever they stand; weak ones
("Note", "Other", "3") only in an unbroken row with a strong one. Every rule gives the reason for what it drops.
How a page is laid out (head, comments, lists of links) is known in `layout`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from twin_assets.features.blocks import Block
from twin_assets.features.inline import shown

NAVIGATION = "navigation"
SUBSCRIBE = "subscribe and share"
SIGN_IN = "sign in"
COOKIES = "cookie notice"
BYLINE = "byline"
COMMENTS = "comments"
FOOTER = "footer"
IMAGE = "image remnant"
CARD = "link card"
CONTENTS = "table of contents"
REPEATED = "repeated title"
EMPTY = "empty block"

_STRONG: dict[str, str] = {
    **dict.fromkeys(
        (
            "subscribe", "subscribe now", "share this post", "share this article", "copy link", "leave a comment",
            "copy linkfacebookemailnoteother", "sharecopy linkfacebookemailnoteother", "upgrade to paid",
            "refer a friend", "give a gift subscription", "start writing", "get the app", "start writingget the app",
            "ready for more?", "type your email…", "type your email...", "listenshare", "thanks for reading!",
        ),
        SUBSCRIBE,
    ),
    **dict.fromkeys(
        (
            "sign in", "sign up", "log in", "subscribesign in", "open in app", "open in appsign upsign in",
            "sign upsign in", "create account", "get started", "get unlimited access", "become a member",
            "sign up for free", "try for $5/month", "forgot password?",
        ),
        SIGN_IN,
    ),
    **dict.fromkeys(
        (
            "previousnext", "skip to content", "skip to main content", "skip to navigation", "back to top",
            "toggle navigation", "toggle menu", "open menu", "close menu", "read full story", "see all",
        ),
        NAVIGATION,
    ),
    **dict.fromkeys(
        ("expand full comment", "discussion about this post", "no posts", "replyshare", "write a comment..."), COMMENTS
    ),
    **dict.fromkeys(("accept all", "accept cookies", "accept all cookies", "reject all", "cookie settings"), COOKIES),
    **dict.fromkeys(("substack is the home for great culture", "substack is the home for great writing"), FOOTER),
}  # fmt: skip

_WEAK = frozenset(
    (
        "facebook", "twitter", "x", "linkedin", "reddit", "whatsapp", "email", "note", "notes", "other", "share", "top",
        "latest", "comments", "restacks", "discussions", "write", "search", "follow", "following", "listen", "more",
        "save", "like", "likes", "liked", "reply", "previous", "next", "menu", "home", "about", "archive",
        "top stories", "top highlight", "give", "member-only story", "·", "•", "-", "—", "|",
    )
)  # fmt: skip

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"(?:{_MONTH} \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}}\.? {_MONTH} \d{{4}}|\d{{4}}-\d\d-\d\d)", re.IGNORECASE
)
_COUNT = re.compile(r"[\d.,]+[km]?(?: (?:likes?|comments?|restacks?|claps?|responses?|more comments?\.*|shares?))?")
_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")

_CHANNEL = r"(?:facebook|twitter|x|linkedin|reddit|whatsapp|email)"
_ASKS = r"(?:accept|agree|consent|privacy policy|cookie policy|preferences|best experience)"
_MADE_BY_AUTHOR = r"(?:image|photo|picture|figure|illustration|screenshot|gif)s? (?:by|from|credit:?) (?:the )?author"

_PHRASES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        (SUBSCRIBE, r"thanks for reading .{0,80}?[!.] (?:this post is public so feel free|subscribe for free).*"),
        (SUBSCRIBE, r".{0,80} is a reader-supported publication\. .{0,120} subscriber\."),
        (SUBSCRIBE, r"subscribe (?:for free )?to (?:receive new posts|get new posts|(?:our|my) newsletter).{0,80}"),
        (SUBSCRIBE, r".{0,200}\| ?subscribe to .{1,40}"),
        (SUBSCRIBE, r"(?:get|receive) .{0,60} (?:in|to|delivered to) your inbox\.?"),
        (SUBSCRIBE, rf"(?:share|tweet|pin) (?:this )?(?:on|to|via) {_CHANNEL}"),
        (SIGN_IN, r"already (?:a (?:paid )?subscriber|have an account|a member)\? ?(?:sign|log) in\.?"),
        (SIGN_IN, r"join medium with my referral link.*medium\.com"),
        (SIGN_IN, r"(?:.{0,120} )?become a medium member(?: here)?:?"),
        (SIGN_IN, r"sign up to discover human stories that deepen your understanding of the world\."),
        (COOKIES, rf"(?:we|(?:this|our) (?:web)?site)(?: and our partners)? uses? cookies\b.*{_ASKS}.*"),
        (COOKIES, r"by (?:using|continuing).{0,80} you (?:agree|consent) to .{0,60}(?:cookie|privacy).{0,120}"),
        (COOKIES, r"to make medium work, we log user data\..*"),
        (FOOTER, r"this site requires javascript to run correctly\..*"),
        (FOOTER, r"(?:©|\(c\)|copyright)(?: ?©)? ?(?:19|20)\d\d\b.{0,80}"),
        (FOOTER, r"all rights reserved\.?"),
        (FOOTER, r"(?:privacy|terms|collection notice|(?:privacy|cookie) policy|terms of (?:use|service)|[∙·•|/]| )+"),
        (BYLINE, r"\|? ?a guest post by ?\|.*"),
        (BYLINE, r"\d+ min(?:ute)?s? read"),
        (BYLINE, r"published in .{1,40}"),
        (COMMENTS, r".*expand full comment.{0,40}"),
        (COMMENTS, r"\d+ repl(?:y|ies) by .{1,60}"),
        (COMMENTS, r"\d+ more comments?\.*"),
        (IMAGE, rf"{_MADE_BY_AUTHOR}(?:, .{{0,40}} by .{{0,60}})?\.?"),
        (EMPTY, r"[.·∙•_\s]{0,5}"),
    )
)  # fmt: skip


@dataclass
class Page:
    """A page under judgement: its blocks, their words as a reader sees them, and why each is dropped, if it is."""

    blocks: Sequence[Block]
    title: str | None
    subtitle: str | None
    author: str
    words: list[str] = field(init=False)
    reasons: list[str | None] = field(init=False)

    def __post_init__(self) -> None:
        """Read the words off the blocks."""
        self.words = [shown(block.text) if block.kind != "code" else "" for block in self.blocks]
        self.reasons = [None] * len(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def drop(self, positions: Sequence[int], reason: str) -> None:
        """Mark the blocks at `positions`, unless they are dropped already."""
        for position in positions:
            if self.reasons[position] is None:
                self.reasons[position] = reason

    def kept(self, dropped: Counter[str]) -> list[Block]:
        """Return the blocks that nothing has dropped, and count the characters of the others by reason."""
        kept = []
        for block, reason in zip(self.blocks, self.reasons, strict=True):
            if reason:
                dropped[reason] += len(block.text)
            else:
                kept.append(block)
        return kept

    def left(self, start: int, stop: int) -> list[int]:
        """Return the positions from `start` to `stop` that nothing has dropped yet."""
        return [position for position in range(max(start, 0), min(stop, len(self))) if self.reasons[position] is None]


def is_date(words: str) -> bool:
    """Whether the words are a date and nothing else."""
    return _DATE.fullmatch(words) is not None


def is_byline(words: str, author: str) -> bool:
    """Whether the words are the author's name with nothing but a "by", a date and an address around it."""
    rest = re.sub(r"https?://\S+", " ", _DATE.sub(" ", words)).casefold()
    name = "-".join(re.findall(r"[a-z0-9]+", rest))
    return name.removeprefix("by-") == author


def is_name(words: str) -> bool:
    """Whether the words could be names of people: one to six words, capitalised, and no sentence."""
    parts = [
        part for part in words.split() if part.casefold() not in {"and", "&", "by", "de", "van", "von", "der", "la"}
    ]
    return 0 < len(parts) <= 6 and all(part[0].isupper() and part[-1].isalpha() for part in parts)


def strong_reason(words: str) -> str | None:
    """Return why a block with these words is furniture wherever it stands, or None."""
    return _STRONG.get(words.casefold())


def drop_phrases(page: Page) -> None:
    """Drop the blocks that say, from beginning to end, what only sites say, and those that say nothing."""
    for position in page.left(0, len(page)):
        block, words = page.blocks[position], page.words[position]
        if block.kind in ("code", "rule", "list"):
            continue
        for reason, pattern in _PHRASES:
            if pattern.fullmatch(words):
                page.drop([position], reason)
                break


def drop_widgets(page: Page) -> None:
    """Drop buttons and counters: every strong phrase, the weak ones in an unbroken row with it, and lists of both."""
    row: list[int] = []
    for position in range(len(page) + 1):
        if position < len(page) and _may_be_widget(page, position):
            row.append(position)
            continue
        reasons = [strong_reason(page.words[member]) for member in row]
        strong = [reason for reason in reasons if reason]
        if strong:
            before = strong[0]
            for member, reason in zip(row, reasons, strict=True):
                before = reason or before
                page.drop([member], before)
        row = []
    for position in page.left(0, len(page)):
        items = list_items(page.blocks[position])
        reasons = [strong_reason(item) for item in items]
        if any(reasons) and all(
            reason or item.casefold() in _WEAK for reason, item in zip(reasons, items, strict=True)
        ):
            page.drop([position], next(reason for reason in reasons if reason))


def list_items(block: Block) -> list[str]:
    """Return the words of each line of a list, without markers; nothing if the block is no list."""
    if block.kind != "list":
        return []
    return [
        re.sub(r"^\s*(?:[-*+]|\d+[.)])\s*|\*\*|__|\* \* \*", "", line).strip(" _*")
        for line in block.text.split("\n")
        if line.strip()
    ]


def _may_be_widget(page: Page, position: int) -> bool:
    block, words = page.blocks[position], page.words[position].casefold()
    if block.kind == "heading":
        if words in ("discussion about this post", "ready for more?"):
            return True
        # The share box repeats the title as a heading.
        following = page.words[position + 1].casefold() if position + 1 < len(page) else ""
        before = page.words[position - 1].casefold() if position else ""
        return before == "share this post" and (following == "copy link" or bool(_DOMAIN.fullmatch(following)))
    if block.kind != "paragraph":
        return False
    return words in _STRONG or words in _WEAK or any(form.fullmatch(words) for form in (_COUNT, _DOMAIN, _DATE))
