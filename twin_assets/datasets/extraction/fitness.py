"""Whether a block may stand in an answer, and if not, why: one rule per reason.

The rules look for what would make a bad reply (links without words, captions, calls to subscribe, sentences that end in
mid-air), never for what is a matter of style. The lists of phrases are English; in another language a rule that needs
one finds nothing and lets the block pass.
"""

import re
import unicodedata

from twin_assets.datasets.extraction.blocks import Block

MAX_SHARE_OF_LINKS = 0.4
"""A paragraph or list with more of its words in links than this points somewhere instead of saying something."""
MAX_HEADING_WORDS = 12
MAX_CAPTION_WORDS = 25
"""A longer paragraph that opens like a caption is a paragraph."""
MAX_CODE_CHARACTERS = 1_500

_MARKS = "*_~`\"'\u201d\u2019\u00bb)]}\ufe0f\u200d= "
_FINISHED = re.compile("[.!?\u2026\u3002\uff01\uff1f]$")
_ITEM = re.compile(
    "[\u2022\u2023\u2043\u25aa\u25cf\u25e6\u2192\u21b3\u279c\u27a4\u2705\u2714\\-\u2013]\\s*\\w|\\(?\\d{1,2}[.)]\\s"
)
_CITATION = re.compile(r"^\[\d+\]|^[^.]{0,160}\(?\b(?:19|20)\d\d\)?[.,]?$|\bet al\b|\barXiv\b|\bdoi\b", re.IGNORECASE)
_CAPTION = re.compile(
    r"^(?:image|photo|picture|screenshot|figure|fig\.|table|source|illustration|cover|credit)s?\b.{0,80}$|"
    r"\b(?:image|photo|figure|screenshot|table|gif|video)s? (?:by|from|source)\b|\[(?:image|photo|gif)\b",
    re.IGNORECASE,
)
_PICTURE = r"(?:figure|image|diagram|screenshot|gif|picture|plot|illustration|video|animation|chart)s?"
_POINTS_AT_A_PICTURE = re.compile(
    rf"\b{_PICTURE}\b.{{0,20}}\b(?:above|below|here)\b|"
    rf"\b(?:above|below|following|next|previous|this) {_PICTURE}\b|\b(?:figure|fig\.) ?\d",
    re.IGNORECASE | re.DOTALL,
)
_PROMOTION = re.compile(
    r"\bnewsletters?\b|\bpaid subscriber|\bsubscribe (?:to (?:my|our|us)|now|below|here)\b|\bfollow (?:me|us)\b|"
    r"\bclick here\b|\bpre-?order\b|\bpatreon\b|\b(?:affiliate|referral) link|\bbecome a (?:\w+ )?member\b|"
    r"\b(?:thank you|thanks|thx)(?: so much| a lot)? for (?:reading|proofreading|your support)|\bspecial thanks\b|"
    r"\bif you(?:'ve)? (?:(?:really )?(?:liked?|enjoy(?:ed)?|found) (?:this|it|my|our|these)|want to support)\b|"
    r"\blet (?:me|us) know (?:what you|in the comments?|if you)|\b(?:leave|drop|post) (?:me )?a (?:comment|message)\b|"
    r"\bin the comments\b|\b(?:see|catch|meet) you (?:(?:in|at) the )?(?:next|soon)\b|\bstay tuned\b|"
    r"\bgive (?:it|us|me) a (?:star|\u2b50)|\bcheck (?:it|them) out\b|\b(?:check out|grab|buy|get) (?:my|our)\b|"
    r"\b(?:connect|reach out|find|message) (?:with |to )?(?:me|us) on\b|\bsupport (?:me|us|my work|our work)\b|"
    r"\bjoin (?:my|our)\b|\bfree course\b|"
    r"\b(?:full|complete|entire|previous|next|first|last) (?:article|lesson|course|series)s?\b",
    re.IGNORECASE,
)
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2190-\u21ff\u2b00-\u2bff\ufe0f\u200d]+")
_STYLED_LETTER = re.compile("[\U0001d400-\U0001d7ff]")


def unfitness(block: Block) -> str | None:
    """Return why this block may not stand in an answer, or None if it may.

    A paragraph that ends with a colon is fit: what it leads in is checked by its reader.
    """
    if block.kind == "code":
        return "long code" if len(block.text) > MAX_CODE_CHARACTERS else None
    plain = _typed(block.plain)
    is_text = block.kind in ("paragraph", "list", "table", "quote") and any(map(str.isalnum, plain))
    reasons = (
        ("picture", block.has_picture),
        ("markup", not is_text),
        ("mostly links", block.words_in_links > MAX_SHARE_OF_LINKS * len(plain.split())),
        ("promotion", _PROMOTION.search(plain)),
        ("points at a picture", _POINTS_AT_A_PICTURE.search(plain)),
        ("caption", block.kind == "paragraph" and block.n_words <= MAX_CAPTION_WORDS and _CAPTION.search(plain)),
        ("references", block.kind == "list" and _is_of_references(block)),
        ("table remnant", block.kind == "table" and _is_remnant(block)),
        ("unfinished sentence", block.kind == "paragraph" and _is_unfinished(block)),
        ("unfinished sentence", block.kind == "list" and plain.rstrip(_MARKS).endswith(":")),
    )
    return next((reason for reason, applies in reasons if applies), None)


def leads_in(block: Block) -> bool:
    """Whether a paragraph announces what follows it: it ends with a colon, or with an arrow or a hand pointing down."""
    bare = block.plain.rstrip(_MARKS)
    return block.kind == "paragraph" and (
        bare.endswith((":", "\u2193", "\U0001f447")) or _EMOJI.sub("", bare).rstrip(_MARKS).endswith(":")
    )


def is_item(block: Block) -> bool:
    """Whether a paragraph is an item of a list that somebody typed with signs of their own."""
    return block.kind == "paragraph" and bool(_ITEM.match(_typed(block.plain)))


def is_finished(text: str) -> bool:
    """Whether a text ends as a sentence does; closing marks and emoji after the stop do not count."""
    return bool(_FINISHED.search(_EMOJI.sub("", text).rstrip(_MARKS)))


def is_heading_in_disguise(block: Block) -> bool:
    """Whether a paragraph is a heading that somebody set in bold, by Markdown or by styled letters."""
    letters = [letter for letter in block.plain if letter.isalpha()]
    styled = sum(map(bool, map(_STYLED_LETTER.match, letters)))
    return (
        block.kind == "paragraph"
        and bool(letters)
        and (block.all_bold or styled >= 0.9 * len(letters))
        and len(block.plain.split()) <= MAX_HEADING_WORDS
        and not block.plain.rstrip(_MARKS).endswith((".", "!", ",", ";"))
    )


def _typed(text: str) -> str:
    """Return the text in plain letters, as the rules spell it: styled letters and typographic apostrophes resolved."""
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'")


def _is_unfinished(block: Block) -> bool:
    return not (leads_in(block) or is_item(block) or is_finished(block.plain))


def _is_of_references(block: Block) -> bool:
    return sum(bool(_CITATION.search(item)) for item in block.items) * 2 > len(block.items)


def _is_remnant(block: Block) -> bool:
    """Whether a table has lost its body or most of its cells."""
    rows = [row for row in block.text.splitlines() if row.strip()]
    return len(rows) < 4 or len(block.items) < 2 * (len(rows) - 1)
