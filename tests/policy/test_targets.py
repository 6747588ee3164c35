"""Authorities, and which of them are ours; spellings of one URL."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.targets import Authority, authority_of, named_authorities, normalized, own_authorities


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


@pytest.mark.parametrize(
    ("one", "normal"),
    [
        (b"/a-._~Z9!$&'()*+,;=:@/?", b"/a-._~Z9!$&'()*+,;=:@/?"),
        (b"/%61%2D%2e%5f%7E%41%39", b"/a-._~A9"),
        (b"/%2f%2F", b"/%2F%2F"),
        (b"/%e9%C3%a9", b"/%E9%C3%A9"),
        (b'/[]|"^{}`<>\\', b"/%5B%5D%7C%22%5E%7B%7D%60%3C%3E%5C"),
        (b"/%5b%5D%7c", b"/%5B%5D%7C"),
        # What is reserved means something as it is.
        (b"/%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40?%3f", b"/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40?%3F"),
        # What is no encoding is not taken for one.
        (b"/%", b"/%"),
        (b"/%zz%4", b"/%zz%4"),
        (b"/%2%61", b"/%2%61"),
        (b"/[x]%", b"/[x]%"),
        (b"/%25zz%2541", b"/%25zz%2541"),
        (b"/./a/%2e/b//c", b"/./a/./b//c"),
        (b"/a+b%20c?d+e%20f", b"/a+b%20c?d+e%20f"),
    ],
)
def test_one_spelling(one: bytes, normal: bytes) -> None:
    assert normalized(one) == normalized(normal) == normal


pieces = st.sampled_from([b"%", b"2", b"5", b"f", b"F", b"[", b"]", b"/", b"?", b"a", b"%5B", b"%5b", b"%61", b"%25"])


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(pieces, max_size=8).map(b"".join))
def test_a_spelling_decodes_to_what_it_did(url: bytes) -> None:
    assert unquote_to_bytes(normalized(url)) == unquote_to_bytes(url)
    assert normalized(normalized(url)) == normalized(url)
