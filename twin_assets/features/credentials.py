"""Secrets in a text: keys, tokens and passwords that open something.

The forms of known services come from `detect-secrets`, whose patterns are used as they stand; a few that it lacks are
added. Of its other plugins, the keyword detector takes every `password = get_password()` for a secret and the entropy
detectors every hash and UUID, so an assignment has to pass both tests here: the name says that it is a secret, and the
value is too random to be a word. Values that stand for a secret ("<your-key>", "changeme") stay.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from twin_assets.features.personal_data import Finding

SECRET = "secret"  # noqa: S105  # the name of a kind

_PLUGINS = (
    "aws.AWSKeyDetector",
    "azure_storage_key.AzureStorageKeyDetector",
    "basic_auth.BasicAuthDetector",
    "discord.DiscordBotTokenDetector",
    "github_token.GitHubTokenDetector",
    "gitlab_token.GitLabTokenDetector",
    "mailchimp.MailchimpDetector",
    "npm.NpmDetector",
    "openai.OpenAIDetector",
    "pypi_token.PypiTokenDetector",
    "sendgrid.SendGridDetector",
    "slack.SlackDetector",
    "square_oauth.SquareOAuthDetector",
    "telegram_token.TelegramBotTokenDetector",
    "twilio.TwilioKeyDetector",
)
_SECRET_IS_FIRST_GROUP = frozenset({"AWSKeyDetector", "BasicAuthDetector", "NpmDetector"})

_MORE_TOKENS = re.compile(
    r"sk-(?:proj|svcacct|admin|ant)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{32,}"  # OpenAI, Anthropic
    r"|hf_[A-Za-z0-9]{34}"  # Hugging Face
    r"|AIza[0-9A-Za-z_-]{35}"  # Google
    r"|github_pat_[A-Za-z0-9_]{50,}"  # GitHub, fine-grained
    r"|[rs]k_live_[0-9a-zA-Z]{24,}"  # Stripe, whose newer keys are longer than the pattern of `detect-secrets`
)

_JSON_WEB_TOKEN = re.compile(r"eyJ[\w=-]+\.[\w=-]+(?:\.[\w+/=-]*)?")
"""With its signature, which the pattern of `detect-secrets` leaves standing (RFC 7519)."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----\s*([\w+/=\\:,](?:[\w+/=\s\\:,]|-(?!-)){39,20000})"
    r"(?<=\S)\s*+-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
)
"""The body of a key in PEM form (RFC 7468); a header alone is written about, not given away.

It is as long as keys are and holds no two dashes, so that a header without an end is not followed through a whole file.
"""

_ASSIGNMENT = re.compile(
    r"(?<!public)(?<!public[_-])(?<!publicKey)(?<!page)(?<!page[_-])(?<!next[_-])"
    r"(?:pass(?:word|wd|phrase)?|pwd|credentials?|secret_?-?key|secret|token"
    r"|(?:api|access|auth|private|encryption|signing|master|account)_?-?key)"
    # What an environment adds behind the name ("DB_PASSWORD_PROD"), unless it says that this is about a secret.
    r"(?:(?-i:_[A-Z0-9_]{1,40})(?<!_NAME)(?<!_ID)(?<!_TYPE)(?<!_PATH)(?<!_FILE)(?<!_URL)(?<!_MODEL)"
    r"|[_-](?:prod|production|staging|dev|live|main|admin|old|new)\b)?"
    r"[\"']?\s*(?::=|=>|=|:)\s*"
    r"(?:[\"']([^\"'\s]{8,})[\"']|([A-Za-z0-9+/=_-]{16,})(?![\w(.\[]))",
    re.IGNORECASE,
)

_BEARER = re.compile(r"\bBearer[ \t]+([\w.~+/=-]{16,})")
"""A token in a header of a request (RFC 6750)."""

_ENVIRONMENT = re.compile(
    r"^[ \t]*(?:export[ \t]+|ENV[ \t]+|-[ \t]+)?[A-Z0-9_]{0,60}"
    r"(?:PASSWORD|PASSWD|SECRET|TOKEN|(?:API|ACCESS|ENCRYPTION|SIGNING)_?KEY)[A-Z0-9_]{0,60}(?:=|:[ \t]+)"
    r"([^\s\"'#.]{8,})$",
    re.MULTILINE,
)
"""A line of an environment file, or of one in YAML, where values stand without quotes; one with a dot in it is code."""

MIN_ENTROPY = 3.0
"""Shannon entropy, in bits per character, from which an assigned value is taken for random.

detect-secrets asks 3.0 of hexadecimal and 4.5 of base64 strings anywhere in a text; beside a name that says "secret"
the lower one is enough, together with letters and digits mixed. Eight characters cannot have more than 3.0, so of a
short value `MIN_VARIETY` of what its length allows is asked.
"""

MIN_VARIETY = 0.9
"""Share of the largest entropy that a value of its length can have."""

MIN_WORD_PASSWORD = 12
"""Letters from which a password in a URL that has nothing but letters is taken for a real one."""

_STANDS_FOR = re.compile(
    r"example|your|x{3,}|\*{3,}|\.{3}|…|change_?me|dummy|fake|sk-1234567890|sample|redacted|placeholder|insert"
    # A pair of brackets, or the sign of a variable: a bracket, a dollar or a per cent alone may be part of a password.
    r"|<[^<>]*>|\{[^{}]*\}|\$\(|%\(|%\w+%|%[sdr](?!\w)|^\$(?:[A-Z_][A-Z0-9_]*$|\d|env:)"
    # A call, an index, a placeholder, a pattern.
    r"|^[\w.]*(?:\(.*\)|\[.*\])$|\[[^\]]*\w-\w[^\]]*\]|\\[dws]|\(\?"
    r"|^(?:password|passwd|pass|pwd|pw|secret|token|admin|root|guest|test|tiger|user|postgres|mongo|key|(?:\w+-)?12345)[\d!]*$",
    re.IGNORECASE,
)


def find_secrets(text: str) -> Iterator[Finding]:
    """Find tokens of known services, bodies of private keys, passwords in URLs, and assigned random values."""
    for match in _PRIVATE_KEY.finditer(text):
        yield Finding(*match.span(1), SECRET)
    for pattern, group in _patterns():
        for match in pattern.finditer(text):
            span = match.span(group)
            if span[0] >= 0 and _begins_a_word(text, span[0]) and not _stands_for_one(match, group):
                yield Finding(*span, SECRET)
    for pattern in (_ASSIGNMENT, _BEARER, _ENVIRONMENT):
        for match in pattern.finditer(text):
            group = match.lastindex or 0
            if _is_random(match.group(group), quoted=group == 1 and pattern is _ASSIGNMENT):
                yield Finding(*match.span(group), SECRET)


@cache
def _patterns() -> list[tuple[re.Pattern[str], int]]:
    """Return each pattern with the number of the group that is the secret."""
    from importlib import import_module

    found = [(_MORE_TOKENS, 0), (_JSON_WEB_TOKEN, 0)]
    for name in _PLUGINS:
        module, plugin = name.split(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), plugin)
        first = plugin in _SECRET_IS_FIRST_GROUP
        found.extend((pattern, 1 if first and pattern.groups else 0) for pattern in detector.denylist)
    return found


def _begins_a_word(text: str, start: int) -> bool:
    """Whether no letter or digit stands right before: inside a longer run, as in base64, anything may occur."""
    return start == 0 or not text[start - 1].isalnum()


def _stands_for_one(match: re.Match[str], group: int) -> bool:
    value = match.group(group)
    if value.startswith("eyJ"):
        return not _is_json_web_token(value)
    if match.group().startswith("://"):
        # A short word ("tiger", "p") is the default of a program, and so is a name that is its own password.
        is_word = value.isalpha() and len(value) < MIN_WORD_PASSWORD
        return is_word or bool(_STANDS_FOR.search(value)) or match.group() == f"://{value}:{value}@"
    return bool(_STANDS_FOR.search(value))


def _is_json_web_token(value: str) -> bool:
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return bool(JwtTokenDetector.is_formally_valid(value))


def _is_random(value: str, *, quoted: bool) -> bool:
    digits = sum(character.isdigit() for character in value)
    # A name may hold one digit ("oauth2_credentials"), and where no quotes stand it may be a name.
    mixed = digits >= (1 if quoted else 2) and any(character.isalpha() for character in value)
    needed = min(MIN_ENTROPY, MIN_VARIETY * math.log2(len(value)))
    return mixed and not _STANDS_FOR.search(value) and _entropy(value) >= needed


def _entropy(value: str) -> float:
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
