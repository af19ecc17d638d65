"""Personal data in a text: e-mail addresses, phone numbers and IP addresses that lead to somebody.

What is documentation by definition leads to nobody and stays: example.com and its like (RFC 2606, RFC 6761), loopback,
private and documentation networks (RFC 1918, RFC 5737, RFC 3849), public resolvers. Dates, versions, epochs and ids
look like none of these to a reader, and must not to this module.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

EMAIL, PHONE, IP_ADDRESS = "email", "phone", "ip_address"


class Finding(NamedTuple):
    """A stretch of a text that is to be masked, and what it is."""

    start: int
    end: int
    kind: str


_EMAIL = re.compile(
    r"(?<![^\W_])(?<![.@/%+-])[^\W_][\w.+-]{0,63}@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24})"
    r"(?![^\W_]|@|-\w|\.[^\W_]|:[\w/~])",
    re.IGNORECASE,
)
"""An address as people write it (RFC 5321, without quoted local parts).

What follows `user@host:` is a path or a port: `git@github.com:me/tool.git` is an address of a repository. An address
behind a slash has user info in a URL, which is a credential.
"""

_RESERVED = re.compile(
    r"(?:.*\.)?(?:example|example\.(?:com|org|net|edu)|test|invalid|localhost|local|internal)"
    r"|(?:foo|bar|baz|blank|host|domain|company)\.[a-z]+",
    re.IGNORECASE,
)
"""Domains that are set aside for documentation and private use, and those that people write in their place."""

_FILE_ENDINGS = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "py", "md", "txt", "sh"})
"""`icon@2x.png` is a file name, `left-pad@next.js` a package."""
_NOBODY = re.compile(
    r"(?:no-?reply|do-?not-?reply|you|your[._-]?(?:name|e?mail)|user(?:name)?|name|foo|bar)@|\w@\w\.", re.I
)
"""Local parts that stand for whoever reads, or for no person."""

_INTERNATIONAL = re.compile(r"(?<![\w+.])\+[1-9][\d \t().\u00a0/-]{6,24}\d(?![\d%])")
_NORTH_AMERICAN = re.compile(r"(?<![\w.+/-])(?<!\+1 )(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?![\w/]|-\d|\.\d)")
_FICTIONAL = re.compile(r"555[-. ]?01\d\d$")
"""Set aside for stories by the North American Numbering Plan."""

_NAMED = re.compile(
    r"\b(?:tele)?(?:phone|fon|fax|tel|mobile|cell|handy|whatsapp)(?: number| no)?\b[\"'\s.:=#*_(]{0,6}"
    r"(\(?0?\d[\d \t().\u00a0/-]{5,18}\d)(?![\d%])",
    re.IGNORECASE,
)
_NATIONAL_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "RO", "IN")
"""Where a number without a country code is looked up, if the text calls it a phone number."""

MIN_DIGITS = 7
"""Digits of a whole number with its country code: what begins behind them is another number."""

_DATE = re.compile(r"(?:19|20)\d\d[-/. ]?(?:0[1-9]|1[0-2])[-/. ]?(?:[0-2]\d|3[01])\b")

_IPV4 = re.compile(r"(?<![\w.\\])(?<![a-z]-)\d{1,3}(?:\.\d{1,3}){3}(?!\w|-[a-z]|\.\d|\+)", re.IGNORECASE)
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9a-f]{3}:[0-9a-f:]{2,34}(?![\w:])", re.IGNORECASE)
"""Global unicast addresses alone (2000::/3, as allotted by IANA): `std::dead::beef` is none."""

_VERSION_BEFORE = re.compile(
    r"(?:(?:\b|_)(?:versions?|v|ver|releases?|build|firmware|section|chapter|step|oid|objectidentifier)[\"']?[\s.:=#(]*[\"']?"
    r"|§\s*|[<>=~^!]=\s*|\w[<>~^]|[a-z]/)$",
    re.IGNORECASE,
)
"""What stands before four numbers that are no address: a word that says so, a comparison, the name of a program."""

_LINE_NUMBER_BEFORE = re.compile(r"(?:^|\n)[#>*\s_-]*$")
_PUBLIC_RESOLVERS = frozenset(
    {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"}
    | {"2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2620:fe::fe"}
)
"""Resolvers that anybody may use."""

_NO_HOST = re.compile(r"1\.2\.3\.|2\.5\.(?:4|29)\.|.*\.0\.0$")
"""What begins like the address that everybody writes for any address, or like an object identifier of a certificate
(X.520, RFC 5280), and what ends like a network, or like the version of a browser.
"""


def find_emails(text: str) -> Iterator[Finding]:
    """Find e-mail addresses, but for those of reserved domains and those that name nobody."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        domain = match.group(1)
        if (
            not _RESERVED.fullmatch(domain)
            and domain.rpartition(".")[2].casefold() not in _FILE_ENDINGS
            and not _NOBODY.match(match.group())
        ):
            yield Finding(*match.span(), EMAIL)


def find_phone_numbers(text: str) -> Iterator[Finding]:
    """Find phone numbers that are valid by the numbering plans of their countries.

    A number with a country code is found anywhere, a North American one in its usual form too; any other national
    number only where the text calls it one, for too many ids and amounts would be valid somewhere.
    """
    import phonenumbers

    for match in _INTERNATIONAL.finditer(text):
        for found in phonenumbers.PhoneNumberMatcher(_up_to_the_next(text, match), None):
            if not _FICTIONAL.search(found.raw_string):
                yield Finding(match.start() + found.start, match.start() + found.end, PHONE)
    for match in _NORTH_AMERICAN.finditer(text):
        if not _FICTIONAL.search(match.group()) and _is_valid(match.group(), ("US",)):
            yield Finding(*match.span(), PHONE)
    for match in _NAMED.finditer(text):
        if not _DATE.match(match.group(1)) and _is_valid(match.group(1), _NATIONAL_REGIONS):
            yield Finding(*match.span(1), PHONE)


def find_ip_addresses(text: str) -> Iterator[Finding]:
    """Find IP addresses of the public internet; four numbers with dots that are a version or a section are none."""
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - 24) : match.start()]
        numbered = _LINE_NUMBER_BEFORE.search(before) and re.match(r"\.?\s+\S", text[match.end() :])
        if not (numbered or _VERSION_BEFORE.search(before)) and _leads_somewhere(match.group()):
            yield Finding(*match.span(), IP_ADDRESS)
    for match in _IPV6.finditer(text):
        if _leads_somewhere(match.group()):
            yield Finding(*match.span(), IP_ADDRESS)


def _up_to_the_next(text: str, international: re.Match[str]) -> str:
    """Return what was matched as one number, up to a North American one that stands right behind it."""
    start, end = international.span()
    for other in _NORTH_AMERICAN.finditer(text, start):
        if other.start() >= end:
            break
        if sum(character.isdigit() for character in text[start : other.start()]) >= MIN_DIGITS:
            return text[start : other.start()]
    return text[start:end]


def _is_valid(number: str, regions: tuple[str, ...]) -> bool:
    import phonenumbers

    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _leads_somewhere(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and str(parsed) not in _PUBLIC_RESOLVERS and not _NO_HOST.match(address)
