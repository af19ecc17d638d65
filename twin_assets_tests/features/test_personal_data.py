import time

import pytest

from twin_assets.features.personal_data import find_emails, find_ip_addresses, find_phone_numbers


def found(find, text):
    return [text[start:end] for start, end, _ in find(text)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Write to ann.reed@reed-systems.co.uk.", "ann.reed@reed-systems.co.uk"),
        ("(ann+blog@reed.io)", "ann+blog@reed.io"),
        ("mailto:ann@reed.io", "ann@reed.io"),
        ("[mail](mailto:a_r@reed.io)", "a_r@reed.io"),
        ('authors = ["Ann Reed <ann@reed.io>"]', "ann@reed.io"),
        ("ANN@REED.IO, or not", "ANN@REED.IO"),
        ("ann@reed.io: always", "ann@reed.io"),
        ("_ann@reed.io_", "ann@reed.io"),
        ("__john_doe@reed.io__", "john_doe@reed.io"),
        ("österreich@reed.io", "österreich@reed.io"),
    ],
)
def test_an_email_address_is_found(text, address):
    assert found(find_emails, text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com, root@mail.example.org, a@b.test and me@localhost",
        "git clone git@github.com:ann/tool.git",
        "scp dump ann@db1.reed.io:/var/backups",
        "postgres://ann@db.reed.io/shop",
        "logo@2x.png and left-pad@1.3.0",
        "Follow @ann@hachyderm.io there.",
        "@app.route and @contextlib.contextmanager",
        "noreply@reed.io and your-name@gmail.com",
        "user.name@{domain}, a@b.com, ed@foo.com and blank@blank.blank",
        "a @ b.com",
        "x = matrix@weights.T",
    ],
)
def test_what_is_no_address_of_a_person_is_left_alone(text):
    assert found(find_emails, text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Call +49 30 901820 by day.", "+49 30 901820"),
        ("Call +44 (0)20 7946 0958.", "+44 (0)20 7946 0958"),
        ("+1 (415) 592-2671", "+1 (415) 592-2671"),
        ("+14155922671", "+14155922671"),
        ("My desk: (415) 592-2671.", "(415) 592-2671"),
        ("or 415-592-2671?", "415-592-2671"),
        ("Tel.: 030 / 901820", "030 / 901820"),
        ("phone: 020 7946 0958", "020 7946 0958"),
        ('"phone": "4155922671"', "4155922671"),
        ("Telefon 0171 5551234", "0171 5551234"),
    ],
)
def test_a_phone_number_is_found(text, number):
    assert found(find_phone_numbers, text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "On 2024-03-12 at 14:05:00, or 12.03.2024, or 03/12/2024.",
        "1700000000 and 1700000000000 are epochs; 20240312 is a day.",
        "Version 10.15.7, v1.2.3.4, pip==24.0.1",
        "Ticket 4155922671, order 030901820, id 41559-22671",
        "3f2b8c1e-415-592-2671-aa, 550e8400-e29b-41d4-a716-446655440000",
        "1,234,567,890 rows in 3600 seconds",
        "x = a +1415592267100",
        "growth of +12 345 678 rows, +100 000 000 %",
        "My phone rang at 03:12, three times in 2023.",
        "phone: 2024-03-12, mobile 1280 x 720, fax 12",
        "pages 100-200, 555-0199, 800-555-0199, +14155550123",
        "array = [4155922671, 4155922672]",
        "3.14159265358979 and 0.415-592-2671e5",
    ],
)
def test_dates_versions_epochs_and_ids_are_no_phone_numbers(text):
    assert found(find_phone_numbers, text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("It came from 93.184.215.14 at night.", "93.184.215.14"),
        ("ssh ann@93.184.215.14", "93.184.215.14"),
        ("http://93.184.215.14:8080/x", "93.184.215.14"),
        ("host: 93.184.215.14/24", "93.184.215.14"),
        ("HOST=93.184.215.14", "93.184.215.14"),
        ("ip:93.184.215.14", "93.184.215.14"),
        ('host = "93.184.215.14"', "93.184.215.14"),
        ("from 10.0.0.1-93.184.215.14 on", "93.184.215.14"),
        ("<93.184.215.14>", "93.184.215.14"),
        ("2a00:1450:4001:81b::200e replied", "2a00:1450:4001:81b::200e"),
        ("[2a00:1450:4001:81b::200e]:443", "2a00:1450:4001:81b::200e"),
    ],
)
def test_an_address_of_the_internet_is_found(text, address):
    assert found(find_ip_addresses, text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1, 0.0.0.0, 255.255.255.0, 10.0.4.11, 192.168.1.1, 172.17.0.1, 169.254.169.254",
        "192.0.2.7, 198.51.100.3 and 203.0.113.9 are for books.",
        "nameserver 8.8.8.8 or 1.1.1.1",
        "version 4.18.2.1, v11.3.0.2, Release 12.1.0.2, Chrome/119.0.6045.105",
        "torch==2.1.0.1 and >=5.4.3.2, a<6.0.0.1",
        'version = "4.18.2.1", {"version": "4.18.2.1"}',
        "## 4.2.1.3 Results",
        "4.2.1.3. Results",
        "RFC 7540 § 8.1.2.5, and X-Forwarded-For: 1.2.3.4, 1.2.3.5",
        "1.3.6.1.4.1.311 is an OID; 999.1.1.1 is nothing",
        "12.34.56.78-beta, 12.34.56.78+build5, abc-12.34.56.78",
        'ObjectIdentifier(\'2.5.29.37\'), OID 2.6.1.5, "browser_version": "122.0.3.4", 122.0.0.0',
        "::1, fe80::1, 2001:db8::1, fd00::2",
        "std::dead::beef, 12:34:56, 2024:03:12, a::b, 00:1a:2b:3c:4d:5e",
        "xs[2001:2100:5]",
    ],
)
def test_an_address_that_leads_to_nobody_and_a_version_are_left_alone(text):
    assert found(find_ip_addresses, text) == []


def test_a_long_run_without_an_address_is_read_in_a_moment():
    started = time.process_time()

    assert found(find_emails, "a_" * 40_000 + " @") == []
    assert time.process_time() - started < 2
