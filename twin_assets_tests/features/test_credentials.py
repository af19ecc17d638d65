"""Secrets, each put together here so that no scanner takes this file for a leak."""

import base64
import json
import time

import pytest

from twin_assets.features.credentials import find_secrets

LETTERS = "qZ3vK8mN1xR7tB5wY2cP9dF6gH4jL0sA8uE3iO7kM5nV1bX"


def in_a_moment(function, text):
    """Return what a function makes of a text, unless it takes as long as only a quadratic one would."""
    started = time.process_time()
    result = function(text)
    assert time.process_time() - started < 2
    return result


def secrets(text):
    return sorted({text[start:end] for start, end, _ in find_secrets(text)})


def web_token() -> str:
    def part(value) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': '1', 'name': 'Ann'})}.{LETTERS[:43]}"


@pytest.mark.parametrize(
    "token",
    [
        "AKIA" + "QZ3VK8MN1XR7TB5W",
        "ghp" + "_" + LETTERS[:36],
        "github" + "_pat_" + LETTERS + LETTERS[:20],
        "xoxb" + "-1234567890-" + "qz3vk8mn1xr7",
        "sk" + "_live_" + LETTERS[:24],
        "sk-proj" + "-" + LETTERS[:40],
        "sk-" + "ant-api03-" + LETTERS[:40],
        "hf" + "_" + LETTERS[:34],
        "AIza" + LETTERS[:35],
        "glpat" + "-" + LETTERS[:20],
        "SG." + LETTERS[:22] + "." + LETTERS[:43],
        "12345678:" + LETTERS[:35],
        web_token(),
    ],
    ids=lambda token: token[:6],
)
@pytest.mark.parametrize("around", ["It is {}.", "export KEY={}\n", '{{"a": "{}"}}', "`{}`"])
def test_a_token_of_a_known_service_is_found_whole(token, around):
    assert secrets(around.format(token)) == [token]


def test_the_body_of_a_private_key_is_found_and_a_mere_header_is_not():
    body = "\n".join(LETTERS for _ in range(4))
    begin, end = "-----BEGIN RSA PRIVATE " + "KEY-----", "-----END RSA PRIVATE " + "KEY-----"

    assert secrets(f"{begin}\n{body}\n{end}") == [body]
    assert secrets(f"A file that starts with {begin} is a key.") == []
    assert secrets(f"It stands between {begin} and, many sentences later, at the end. Then comes {end}.") == []


def test_the_password_in_an_address_is_found_and_a_default_is_not():
    assert secrets("postgres://ann:Tr0ub4dor@db.reed.io/shop") == ["Tr0ub4dor"]
    assert secrets("postgres://ann:correcthorsebattery@db.reed.io") == ["correcthorsebattery"]
    for default in (
        "guest:guest",
        "root:password",
        "ann:<password>",
        "ann:${PASSWORD}",
        "ann:{password}",
        "a:***",
        "scott:tiger",
        "u:p",
    ):
        assert secrets(f"amqp://{default}@localhost:5672") == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('password = "xK9mPq2vL7"', "xK9mPq2vL7"),
        ("DB_PASSWORD: 'xK9mPq2vL7'", "xK9mPq2vL7"),
        ('{"api_key": "a8f5f167f44f4964e6c998dee827110c"}', "a8f5f167f44f4964e6c998dee827110c"),
        ("API_KEY=a8f5f167f44f4964e6c998dee827110c\n", "a8f5f167f44f4964e6c998dee827110c"),
        ("PORT=5432\nexport DB_PASSWORD=Tr0ub4dor\nUSER=ann", "Tr0ub4dor"),
        ("client_secret: a8f5f167f44f4964e6c998dee827110c", "a8f5f167f44f4964e6c998dee827110c"),
        ('SECRET_KEY = "k9x2mf84hq7zt1vw3bnd6rj5"', "k9x2mf84hq7zt1vw3bnd6rj5"),
        ("ENCRYPTION_KEY='k9x2mf84hq7zt1vw3bnd6rj5'", "k9x2mf84hq7zt1vw3bnd6rj5"),
        ('DB_PASSWORD_PROD="S3cretP4ssw9rd"', "S3cretP4ssw9rd"),
        ("env:\n  POSTGRES_PASSWORD: S3cretP4ss9\n", "S3cretP4ss9"),
        ("Authorization: Bearer 9f8a5f167f44f4964e6c998d", "9f8a5f167f44f4964e6c998d"),
        ('password = "xK9$mPq2%vL7"', "xK9$mPq2%vL7"),
        ('password = "xK9(mPq2)vL[7"', "xK9(mPq2)vL[7"),
        ("https://a.io/x?access_token=a8f5f167f44f4964e6c998dee827110c&y=1", "a8f5f167f44f4964e6c998dee827110c"),
    ],
)
def test_a_random_value_with_a_telling_name_is_found(text, secret):
    assert secrets(text) == [secret]


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password(user)",
        "password = os.environ['DB_PASSWORD_2024']",
        'password = "correct horse battery"',
        'api_key = "<your-api-key-1>"',
        'api_key="YOUR_OPENAI_API_KEY_1"',
        'token = "xxxxxxxxxxxx1234"',
        "token=userdata.get('HF_TOKEN_2')",
        "tokenizer = AutoTokenizer.from_pretrained(model_id2)",
        "max_new_tokens = 1234567890123456",
        "secret: a thing that nobody else knows",
        "commit a8f5f167f44f4964e6c998dee827110c9f3b6d21",
        "id = '550e8400-e29b-41d4-a716-446655440000'",
        "sha256:a8f5f167f44f4964e6c998dee827110ca8f5f167f44f4964e6c998dee827110c",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "risk-assessment-of-a-very-long-name-with-many-words",
        "task-a8f5f167f44f4964e6c998dee827110c9f3b",
        "eyJhbGciOiJub25lIn0",
        "TOKEN=config.token2\nTOKEN=$1abcdefg\nMAX_TOKENS=4096\nTOKEN=<token-1>",
        "password = 'password1', secret='secret123!', pwd = 'admin2024'",
        "f(s3_aws_secret_access_key=s3_aws_secret_access_key, credentials=_convert_oauth2_credentials)",
        '"next_page_token": "b2Zmc2V0PTEx9K"',
        'publicKeyToken="1fc8b3b9a1e18e3b"',
        "const apiKey = 'sk-1234567890'; other_api_key = 'sk-1234567890abcdef'",
        "token: B, C, and D, which are four",
        "password = '${DB_PASSWORD_2}', token = '{{ token_2 }}', secret = '$(pass show k9x2)'",
        "password = '%(password1)s', token = '$DB_TOKEN_12', secret = '[secret-12]'",
        "PASSWORD=get_password(k9x2) and\nTOKEN: $DB_TOKEN_12\nPASSWORD: tokens[k9x2]",
        "DB_SECRET_NAME = 'prod-2024-db-k9x2'",
        "Authorization: Bearer <token-of-the-user-12>",
        "token = r'[a-z0-9]{12,}', password = '\\\\w+k9x2mf'",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text):
    assert secrets(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 40_000,
        ("-----BEGIN RSA PRIVATE " + "KEY-----\n") * 4_000,
        ("-----BEGIN RSA PRIVATE " + "KEY-----\n" + "a" * 60 + "\n") * 2_000,
        "-----BEGIN RSA PRIVATE " + "KEY-----" + "\n" * 40_000,
        "A_" * 20_000,
    ],
    ids=["blank lines", "headers", "keys without end", "header and blank lines", "underscores"],
)
def test_a_large_file_is_read_in_a_moment(text):
    assert in_a_moment(secrets, text) == []
