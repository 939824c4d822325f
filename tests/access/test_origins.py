"""`Host` and `Origin`: what is read, what is refused, and that nothing makes the parsers raise."""

from ipaddress import ip_address

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from harness_site import env
from sessions_app.origins import (
    Host,
    Origin,
    Places,
    local_url,
    own_names,
    parse_host,
    parse_origin,
)

PUBLIC = Origin("http", "harness.localhost", 3333)


@pytest.mark.parametrize(
    ("value", "name", "port"),
    [
        (b"localhost", "localhost", None),
        (b"Harness.LOCALHOST:3333", "harness.localhost", 3333),
        (b"127.0.0.1:1", "127.0.0.1", 1),
        (b"[::1]:65535", "[::1]", 65535),
        (b"[0:0::0001]", "[::1]", None),
        (b"[::FFFF:127.0.0.1]:80", "[::ffff:7f00:1]", 80),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example", None),
        (b"3333.example", "3333.example", None),
        (b"a" * 63 + b".b", "a" * 63 + ".b", None),
    ],
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(
    value: bytes, name: str, port: int | None
) -> None:
    assert parse_host(value) == Host(name, port)


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b".", b":80", b"localhost.", b".localhost", b"a..b", b"-a.b", b"a-.b", b"a_b", b"*"),
        *(b"localhost:", b"localhost:0", b"localhost:080", b"localhost:65536", b"localhost:8 0"),
        *(b"localhost:80:80", b"localhost:+80", b"localhost:\xb2", b"user@localhost", b"a:b@c:80"),
        *(b" localhost", b"localhost ", b"localhost\n", b"localhost\0", b"local host", b"a,b"),
        *(
            b"localhost/",
            b"localhost?",
            b"localhost#",
            b"localhost\\",
            b"%6cocalhost",
            b"b\xfccher",
        ),
        *("bücher".encode(), "ⓛocalhost".encode(), "localhost\u3002x".encode()),
        *(b"127.1", b"127.0.0.1.", b"2130706433", b"0x7f.1", b"a.0x7f", b"1.2.3.256", b"01.2.3.4"),
        *(b"::1", b"[::1", b"::1]", b"[]", b"[::1%eth0]", b"[::1]x", b"[v1.a]", b"[127.0.0.1]"),
        *(b"a" * 64, b"a." * 127 + b"a"),
    ],
)
def test_a_host_that_could_be_read_in_two_ways_is_refused(value: bytes) -> None:
    assert parse_host(value) is None
    assert parse_origin(b"http://" + value) is None


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        (b"http://localhost", Origin("http", "localhost", 80)),
        (b"http://localhost:80", Origin("http", "localhost", 80)),
        (b"https://box.example", Origin("https", "box.example", 443)),
        (b"https://[::1]:3333", Origin("https", "[::1]", 3333)),
    ],
)
def test_an_origin_has_its_default_port_spelled_out(value: bytes, origin: Origin) -> None:
    assert parse_origin(value) == origin


@pytest.mark.parametrize(
    "value",
    [
        *(b"null", b"", b"localhost", b"//localhost", b"http:localhost", b"http:/localhost"),
        *(b"ftp://localhost", b"ws://localhost", b"file://", b"HTTP://localhost", b"http://"),
        *(b"http://localhost/", b"http://localhost/path", b"http://http://localhost", b"http ://a"),
        *(b"http://localhost, http://localhost", b"chrome-extension://abc", b" http://a"),
    ],
)
def test_an_origin_that_no_page_of_the_web_has_is_none(value: bytes) -> None:
    assert parse_origin(value) is None


PIECES = st.sampled_from(
    [b"http", b"https", b"://", b":", b".", b"[", b"]", b"::1", b"127.0.0.1", b"localhost", b"80"]
)
BYTES = st.binary(max_size=300) | st.lists(PIECES | st.binary(max_size=3)).map(b"".join)


@given(value=BYTES)
def test_no_bytes_make_the_parsers_raise_and_what_they_read_they_read_again(value: bytes) -> None:
    host, origin = parse_host(value), parse_origin(value)
    if host is not None:
        again = host.name + (f":{host.port}" if host.port else "")
        assert parse_host(again.encode()) == host
        assert host.port is None or 1 <= host.port <= 65535
        assert value.isascii()
    if origin is not None:
        assert parse_origin(str(origin).encode()) == origin


@given(address=st.ip_addresses())
def test_every_address_is_read_in_its_one_spelling(address: object) -> None:
    text = str(address)
    host = parse_host((f"[{text}]" if ":" in text else text).encode())
    assert host is not None
    assert ip_address(host.name.strip("[]")) == address


@pytest.mark.parametrize(
    ("host", "is_public", "is_other"),
    [
        (b"harness.localhost:3333", True, False),
        (b"HARNESS.localhost:3333", True, False),
        (b"harness.localhost", False, False),
        (b"harness.localhost:8000", False, False),
        (b"localhost:3333", False, True),
        (b"127.0.0.1:3333", False, True),
        (b"[::1]:3333", False, True),
        (b"192.168.1.5:3333", False, True),
        (b"192.168.1.6:3333", False, False),
        (b"127.0.0.1", False, False),
        (b"127.0.0.1:80", False, False),
        (b"evil.localhost:3333", False, False),
        (b"x.harness.localhost:3333", False, False),
    ],
)
def test_a_host_counts_with_its_port(host: bytes, is_public: bool, is_other: bool) -> None:
    places = Places.of(PUBLIC, "192.168.1.5", 3333)
    found = parse_host(host)
    assert found is not None
    assert (places.is_public(found), places.is_other(found, "http")) == (is_public, is_other)


@pytest.mark.parametrize(
    ("public", "host"),
    [
        (Origin("https", "box.example", 443), b"box.example"),
        (Origin("https", "box.example", 443), b"box.example:443"),
        (Origin("http", "box.example", 80), b"box.example"),
        (Origin("http", "box.example", 80), b"box.example:80"),
    ],
)
def test_a_default_port_may_be_left_out(public: Origin, host: bytes) -> None:
    found = parse_host(host)
    assert found is not None
    assert Places.of(public, "127.0.0.1", 3333).is_public(found)


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_a_server_on_its_scheme_s_port_is_reached_without_a_port(scheme: str, port: int) -> None:
    host = Host("127.0.0.1", None)
    assert Places.of(PUBLIC, "127.0.0.1", port).is_other(host, scheme)
    assert not Places.of(PUBLIC, "127.0.0.1", 3333).is_other(host, scheme)


@pytest.mark.parametrize(
    ("listening", "url", "names"),
    [
        ("127.0.0.1", "http://127.0.0.1:3333", set()),
        ("0.0.0.0", "http://127.0.0.1:3333", set()),  # noqa: S104  # shown, not bound
        ("::", "http://127.0.0.1:3333", set()),
        ("::1", "http://[::1]:3333", set()),
        ("[fe80::5]", "http://[fe80::5]:3333", {"[fe80::5]"}),
        ("box.example", "http://box.example:3333", {"box.example"}),
    ],
)
def test_scripts_and_names_follow_the_address_that_is_listened_on(
    listening: str, url: str, names: set[str]
) -> None:
    everywhere = {"harness.localhost", "localhost", "127.0.0.1", "[::1]"}
    assert local_url(listening, 3333) == url
    assert own_names("http://harness.localhost:3333", listening) == everywhere | names


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Box.example", None),
        ("https://box.example", "https://box.example"),
        (" https://BOX.example:443/ ", "https://box.example"),
        ("http://localhost:3333", "http://localhost:3333"),
        ("", "http://default:1"),
    ],
)
def test_the_public_url_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str, origin: str | None
) -> None:
    monkeypatch.setenv("HARNESS_PUBLIC_URL", text)
    assert env.origin("HARNESS_PUBLIC_URL", "http://default:1") == (origin or "https://box.example")


@pytest.mark.parametrize(
    "text", ["box.example", "https://box.example/harness", "ftp://box", "https://", "http://a:0"]
)
def test_a_public_url_that_is_none_is_refused_with_what_it_should_be(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HARNESS_PUBLIC_URL", text)
    with pytest.raises(ImproperlyConfigured, match=r"HARNESS_PUBLIC_URL must be like https://"):
        env.origin("HARNESS_PUBLIC_URL", "http://default:1")
    with pytest.raises(ImproperlyConfigured, match=r"not '"):
        env.origins("HARNESS_PUBLIC_URL")


def test_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CORS_ORIGINS", "https://a.example:443, http://b.example:8080")
    monkeypatch.setenv("HARNESS_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    assert env.origins("HARNESS_CORS_ORIGINS") == ["https://a.example", "http://b.example:8080"]
    assert [str(each) for each in env.networks("HARNESS_TRUSTED_PROXIES")] == [
        "10.0.0.0/8",
        "::1/128",
    ]
    monkeypatch.setenv("HARNESS_TRUSTED_PROXIES", "proxy.example")
    with pytest.raises(ImproperlyConfigured, match="HARNESS_TRUSTED_PROXIES must be addresses"):
        env.networks("HARNESS_TRUSTED_PROXIES")
