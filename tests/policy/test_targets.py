"""Authorities, and which of them are ours."""

import pytest

from proxycache.policy.targets import Authority, authority_of, named_authorities, own_authorities


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://films.example", Authority("http", "films.example", 80)),
        ("https://films.example", Authority("https", "films.example", 443)),
        ("HTTP://FILMS.Example:/", Authority("http", "films.example", 80)),
        ("http://films.example:8080/a", Authority("http", "films.example", 8080)),
        ("http://127.0.0.1:8080", Authority("http", "127.0.0.1", 8080)),
        ("http://[::1]", Authority("http", "::1", 80)),
        ("http://[0:0::0:1]:8080", Authority("http", "::1", 8080)),
        ("http://[::FFFF:127.0.0.1]", Authority("http", "127.0.0.1", 80)),
    ],
)
def test_authorities(url: str, authority: Authority) -> None:
    assert authority_of(url) == authority


@pytest.mark.parametrize("url", ["http://", "http://:80", "http://a@b", "http://@b", "http://a:x", "http://a:70000"])
def test_what_is_none(url: str) -> None:
    with pytest.raises(ValueError):
        authority_of(url)


def test_a_name_without_a_port_has_that_of_either_scheme() -> None:
    both = {Authority("http", "films.example", 80), Authority("https", "films.example", 443)}
    assert named_authorities("Films.example") == both
    both = {Authority("http", "::1", 8080), Authority("https", "::1", 8080)}
    assert named_authorities("[::1]:8080") == both


@pytest.mark.parametrize("name", ["", "http://a", "a/", "a/b", "a?b", "a#b", "u@a", ":80", "a:b", "::1", "[a"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError):
        named_authorities(name)


def test_where_a_connection_ends() -> None:
    own = own_authorities("http", "::ffff:10.0.0.1", 8080)
    assert own == {Authority("http", "10.0.0.1", 8080), Authority("http", "localhost", 8080)}
