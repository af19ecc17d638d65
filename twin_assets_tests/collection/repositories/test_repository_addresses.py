"""Addresses of repositories: hosts are compared whole, and what must not be asked is refused."""

import pytest

from twin_assets.collection.repositories.addresses import address_of, is_private
from twin_assets.errors import UserError


@pytest.mark.parametrize(
    "written",
    [
        "https://github.com/ann/tool",
        "https://github.com/ann/tool.git",
        "https://www.github.com/ann/tool/",
        "ssh://git@github.com/ann/tool.git",
        "git@github.com:ann/tool.git",
    ],
)
def test_every_way_to_write_an_address_is_the_same_repository(written, tmp_path):
    address = address_of(written, tmp_path, private=False)
    assert (address.url, address.platform, address.name) == ("https://github.com/ann/tool", "github", "tool")
    assert address.location == written


@pytest.mark.parametrize(
    ("host", "platform"),
    [
        ("github.com", "github"),
        ("gitlab.com", "gitlab"),
        ("github.com.evil.example", "git"),
        ("notgithub.com", "git"),
        ("github.community", "git"),
    ],
)
def test_a_platform_is_known_by_its_whole_host(host, platform, tmp_path):
    assert address_of(f"https://{host}/ann/tool", tmp_path, private=False).platform == platform


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("ext::sh -c 'touch owned'", "is no address of a repository: use https or ssh, or a path"),
        ("file:///etc", "is no address of a repository"),
        ("git://host.example/tool", "is no address of a repository"),
        ("http://github.com/ann/tool", "is no address of a repository"),
        ("https:///tool", "is no address of a repository"),
        ("https://github.com", "names a host, but no repository"),
        ("https://ann:secret@github.com/ann/tool", "on github.com holds a secret"),
        ("http://ann:secret@github.com/ann/tool", "on github.com holds a secret"),
        ("https://token@github.com/ann/tool", "on github.com holds a secret"),
    ],
)
def test_what_is_no_public_address_is_refused(written, fault, tmp_path):
    with pytest.raises(UserError, match=fault) as caught:
        address_of(written, tmp_path, private=False)
    assert "ann:secret" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_unencrypted_protocols_are_for_private_networks(tmp_path):
    assert address_of("git://10.0.0.1:99/tool", tmp_path, private=True).url == "git://10.0.0.1:99/tool"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "::1", "192.168.0.1", "64:ff9b::7f00:1", "224.0.0.1"],
)
def test_private_hosts_are_known(host):
    assert is_private(host)


def test_public_hosts_are_not_private():
    assert not is_private("140.82.121.4")
