"""The reader against a real HTTP server that behaves as badly as the web does."""

from __future__ import annotations

import gzip
import os
import ssl
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pytest_socket import SocketConnectBlockedError

from podcasting.errors import AirdateError, Permanent, Retryable, Throttled
from podcasting.providers.feeds import Feed, Validators
from podcasting.providers.feeds.fetch import Document, retry_after, without_credentials
from podcasting.providers.feeds.guard import is_public
from podcasting.providers.feeds.parse import parse_feed
from podcasting.providers.feeds.web import WebSources
from tests.fakes.website import Answer, Website

NOW = datetime(2026, 1, 6, 8, tzinfo=UTC)
RSS = b"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0"><channel><title>News</title>
<item><guid>1</guid><title>One</title><link>/one</link><description>First.</description></item>
</channel></rss>"""


@pytest.fixture
def site() -> Iterator[Website]:
    with Website() as website:
        website.answers["/feed"] = Answer(RSS)
        yield website


def reader(site: Website, **changes: object) -> WebSources:
    settings: dict[str, object] = {
        "allow_files": False,
        "allowed_private_hosts": frozenset({site.host}),
        "now": lambda: NOW,
    }
    return WebSources(**(settings | changes))  # type: ignore[arg-type]


def read(sources: WebSources, source: str) -> Feed:
    feed = sources.feed(source, None)
    assert feed is not None
    return feed


def document(body: bytes, charset: str | None = None) -> Document:
    return Document("https://example.org/feed", body, "text/xml", charset, Validators())


def parsed(body: bytes, charset: str | None = None) -> Feed:
    return parse_feed(document(body, charset), lambda link: link)


# Where it goes, and where it doesn't.


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - nobody binds to it here
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_a_private_address_is_refused_with_the_fix(site: Website) -> None:
    with pytest.raises(Permanent) as refusal:
        reader(site, allowed_private_hosts=frozenset()).feed(site.url("/feed"), None)

    assert f"AIRDATE_ALLOWED_PRIVATE_HOSTS={site.host}" in str(refusal.value)
    assert site.asked == []


@pytest.mark.parametrize("host", ["localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0"])
def test_other_names_of_loopback_are_refused(site: Website, host: str) -> None:
    with pytest.raises(Permanent, match="private address"):
        reader(site).feed(f"http://{host}:{site.port}/feed", None)

    assert site.asked == []


def test_a_host_is_allowed_with_or_without_its_port(site: Website) -> None:
    assert read(reader(site, allowed_private_hosts=frozenset({"127.0.0.1"})), site.url("/feed")).title == "News"
    with pytest.raises(Permanent, match="private address"):
        reader(site, allowed_private_hosts=frozenset({"127.0.0.1:1"})).feed(site.url("/feed"), None)


def test_a_redirect_to_an_address_inside_is_refused(site: Website) -> None:
    site.answers["/away"] = Answer(status=301, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    with pytest.raises(Permanent, match=r"169\.254\.169\.254:80 is a private address") as refusal:
        reader(site).feed(site.url("/away"), None)
    assert str(refusal.value).startswith(f"{site.url('/away')} redirects to"), "whose redirect it is"
    assert "AIRDATE_ALLOWED_PRIVATE_HOSTS" not in str(refusal.value), "credentials lie there, and no source"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/feed", "gopher://127.0.0.1/"])
def test_a_redirect_away_from_http_is_refused(site: Website, target: str) -> None:
    site.answers["/away"] = Answer(status=302, headers={"Location": target})

    with pytest.raises(Permanent, match="only http"):
        reader(site, allow_files=True).feed(site.url("/away"), None)


def test_the_address_that_was_checked_is_the_one_connected_to(site: Website) -> None:
    answers = [("1.1.1.1",), ("127.0.0.1",)]

    # pytest-socket stops the connection, and says where it was to go: not to the second answer.
    with pytest.warns(UserWarning, match=r'with host "1\.1\.1\.1"'), pytest.raises(SocketConnectBlockedError):
        reader(site, resolve=lambda host, port: answers.pop(0)).feed(  # noqa: ARG005
            f"http://rebinding.test:{site.port}/feed", None
        )

    assert answers == [("127.0.0.1",)]
    assert site.asked == []


def test_the_next_address_is_tried_when_one_does_not_answer(site: Website) -> None:
    sources = reader(
        site,
        allowed_private_hosts=frozenset({"both.test"}),
        resolve=lambda host, port: ("::1", "127.0.0.1"),  # noqa: ARG005 - the server listens on IPv4 only
    )

    assert read(sources, f"http://both.test:{site.port}/feed").title == "News"
    assert site.asked[0][1]["host"] == f"both.test:{site.port}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate, and its key, for secure.test only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "secure.test")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*plain) + signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_certificate_is_checked_against_the_name_in_the_url(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Website(tls) as site:
        site.answers["/feed"] = Answer(RSS)
        sources = reader(
            site,
            allowed_private_hosts=frozenset({"secure.test", "other.test"}),
            resolve=lambda host, port: ("127.0.0.1",),  # noqa: ARG005
        )

        assert read(sources, f"https://secure.test:{site.port}/feed").title == "News"
        with pytest.raises(Retryable, match="certificate"):
            sources.feed(f"https://other.test:{site.port}/feed", None)


def test_the_environment_s_proxy_is_not_used(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    assert read(reader(site), site.url("/feed")).title == "News"


def test_a_redirect_is_followed_and_links_resolve_against_its_end(site: Website) -> None:
    site.answers["/old"] = Answer(status=301, headers={"Location": "/new/feed"})
    site.answers["/new/feed"] = Answer(RSS.replace(b"/one", b"one"))

    assert read(reader(site), site.url("/old")).entries[0].url == site.url("/new/one")


def test_credentials_do_not_follow_a_redirect_to_another_host(site: Website) -> None:
    with Website() as other:
        other.answers["/feed"] = Answer(RSS)
        site.answers["/moved"] = Answer(status=302, headers={"Location": other.url("/feed"), "Set-Cookie": "seen=1"})
        allowed = frozenset({site.host, other.host})

        read(reader(site, allowed_private_hosts=allowed), f"http://me:secret@{site.host}/moved")

    assert "authorization" in site.asked[0][1]
    assert not {"authorization", "cookie"} & other.asked[0][1].keys()


def test_a_circle_of_redirects_ends(site: Website) -> None:
    site.answers["/round"] = Answer(status=302, headers={"Location": "/round"})

    with pytest.raises(Permanent, match="more than 5 times"):
        reader(site).feed(site.url("/round"), None)
    assert len(site.asked) == 6


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a b/", "http://exa\nmple.org/", "http://:80/"])
def test_what_is_no_url_is_permanent(site: Website, url: str) -> None:
    with pytest.raises(Permanent):
        reader(site).feed(url, None)


def test_a_name_that_does_not_resolve_may_pass(site: Website) -> None:
    def no_such_name(host: str, port: int) -> tuple[str, ...]:  # noqa: ARG001
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Retryable, match=r"nowhere\.test does not resolve"):
        reader(site, resolve=no_such_name).feed("http://nowhere.test/feed", None)


def test_a_closed_port_may_pass(site: Website) -> None:
    with pytest.raises(Retryable, match="can't be reached"):
        reader(site, allowed_private_hosts=frozenset({"127.0.0.1"})).feed("http://127.0.0.1:1/feed", None)


def test_credentials_in_a_url_are_sent_and_never_shown(site: Website) -> None:
    url = f"http://me:secret@{site.host}/missing"

    with pytest.raises(Permanent) as refusal:
        reader(site).feed(url, None)

    assert site.asked[0][1]["authorization"].startswith("Basic ")
    assert "secret" not in str(refusal.value)


def test_what_is_shown_of_a_url_is_short_and_on_one_line() -> None:
    assert without_credentials("https://a:b@example.org/x\ny") == "https://example.org/x?y"
    assert len(without_credentials("https://example.org/" + "x" * 5000)) == 300


# What the server says.


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Permanent), (401, Permanent), (403, Permanent), (404, Permanent), (410, Permanent), (418, Permanent),
        (408, Retryable), (425, Retryable), (500, Retryable), (502, Retryable), (503, Retryable), (504, Retryable),
        (429, Throttled),
    ],
)  # fmt: skip
def test_the_status_decides_whether_it_may_pass(site: Website, status: int, error: type[AirdateError]) -> None:
    site.answers["/feed"] = Answer(status=status)

    with pytest.raises(AirdateError, match=str(status)) as failure:
        reader(site).feed(site.url("/feed"), None)

    assert type(failure.value) is error


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), 180.0),
        ("Mon, 05 Jan 2026 08:00:00 GMT", 0.0),
    ],
)
def test_the_wait_a_server_asks_for_is_passed_on(site: Website, status: int, header: str, seconds: float) -> None:
    site.answers["/feed"] = Answer(status=status, headers={"Retry-After": header})

    with pytest.raises(Throttled) as failure:
        reader(site).feed(site.url("/feed"), None)

    assert failure.value.after == seconds


@given(st.text())
def test_any_retry_after_is_a_wait_or_nothing(header: str) -> None:
    wait = retry_after(header, lambda: NOW)
    assert wait is None or wait >= 0


def test_conditional_requests_carry_both_validators(site: Website) -> None:
    headers = {"ETag": '"abc"', "Last-Modified": "Mon, 05 Jan 2026 08:00:00 GMT"}
    site.answers["/feed"] = Answer(RSS, headers=headers)
    first = read(reader(site), site.url("/feed"))

    assert reader(site).feed(site.url("/feed"), first.validators) is None

    sent = site.asked[1][1]
    assert sent["if-none-match"] == '"abc"'
    assert sent["if-modified-since"] == "Mon, 05 Jan 2026 08:00:00 GMT"


@pytest.mark.parametrize("etag", ['"caf\xe9"', f'"{"x" * 50_000}"', '"\x1b[2J"'])
def test_a_validator_that_cannot_be_sent_back_costs_no_later_read(site: Website, etag: str) -> None:
    site.answers["/feed"] = Answer(RSS, headers={"ETag": etag})

    first = read(reader(site), site.url("/feed"))

    assert first.validators.etag is None
    stored_by_an_earlier_release = Validators(etag=etag)
    assert reader(site).feed(site.url("/feed"), stored_by_an_earlier_release) is not None
    assert "if-none-match" not in site.asked[-1][1]


def test_an_unasked_304_is_no_feed(site: Website) -> None:
    site.answers["/feed"] = Answer(status=304)

    with pytest.raises(Permanent, match="304"):
        reader(site).feed(site.url("/feed"), None)


# How much, and how long.


def test_a_body_over_the_limit_is_refused(site: Website) -> None:
    site.answers["/feed"] = Answer(b"x" * 2001)

    with pytest.raises(Permanent, match="limit of 2,000 bytes"):
        reader(site, max_bytes=2000).feed(site.url("/feed"), None)


def test_a_gzip_bomb_is_refused_before_it_goes_off(site: Website) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    site.answers["/feed"] = Answer(bomb, headers={"Content-Encoding": "gzip"})

    with pytest.raises(Permanent, match="limit of 100,000 bytes"):
        reader(site, max_bytes=100_000).feed(site.url("/feed"), None)
    assert len(bomb) < 100_000


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_feed_is_read(site: Website, encoding: str, encode: object) -> None:
    assert callable(encode)
    long = RSS.replace(b"First.", b"First. " * 20_000)
    site.answers["/feed"] = Answer(encode(long), headers={"Content-Encoding": encoding})

    assert len(read(reader(site), site.url("/feed")).entries[0].text) > 40_000


@pytest.mark.parametrize("body", [gzip.compress(RSS)[:-20], b"not gzip at all", b""])
def test_damaged_compression_may_pass(site: Website, body: bytes) -> None:
    site.answers["/feed"] = Answer(body, headers={"Content-Encoding": "gzip"})

    with pytest.raises(Retryable):
        reader(site).feed(site.url("/feed"), None)


def test_an_encoding_that_was_not_asked_for_is_refused(site: Website) -> None:
    site.answers["/feed"] = Answer(b"?", headers={"Content-Encoding": "br"})

    with pytest.raises(Permanent, match="'br'"):
        reader(site).feed(site.url("/feed"), None)


def dribble(start: bytes) -> Answer:
    """An answer that goes on for ever, a byte at a time."""

    def write(site: Website, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while not site.closing.wait(0.02):
            handler.wfile.write(b"a")

    return Answer(raw=write)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Header: ",
        b"",
    ],
    ids=["body", "header", "status line"],
)
def test_an_answer_that_dribbles_meets_the_deadline(site: Website, start: bytes) -> None:
    site.answers["/feed"] = dribble(start)
    began = time.monotonic()

    with pytest.raises(Retryable, match=r"within 0\.3 s"):
        reader(site, timeout_seconds=0.3).feed(site.url("/feed"), None)

    assert time.monotonic() - began < 2


def test_redirects_share_one_deadline(site: Website) -> None:
    def slow(site: Website, handler: BaseHTTPRequestHandler) -> None:
        site.closing.wait(0.15)
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /slow\r\nContent-Length: 0\r\n\r\n")

    site.answers["/slow"] = Answer(raw=slow)

    with pytest.raises(Retryable, match=r"within 0\.3 s"):
        reader(site, timeout_seconds=0.3).feed(site.url("/slow"), None)


def test_a_body_that_is_cut_short_may_pass(site: Website) -> None:
    def cut(site: Website, handler: BaseHTTPRequestHandler) -> None:  # noqa: ARG001
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + RSS)

    site.answers["/feed"] = Answer(raw=cut)

    with pytest.raises(Retryable, match="broke off"):
        reader(site).feed(site.url("/feed"), None)


def test_what_is_no_http_may_pass(site: Website) -> None:
    def garbage(site: Website, handler: BaseHTTPRequestHandler) -> None:  # noqa: ARG001
        handler.wfile.write(b"\x16\x03\x01 not http\r\n\r\n")

    site.answers["/feed"] = Answer(raw=garbage)

    with pytest.raises(Retryable):
        reader(site).feed(site.url("/feed"), None)


def test_the_words_of_an_answer_do_nothing_to_a_terminal(site: Website) -> None:
    def coloured(site: Website, handler: BaseHTTPRequestHandler) -> None:  # noqa: ARG001
        handler.wfile.write(b"HTTP/1.1 503 Sorry\x1b[31m\x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n")

    site.answers["/feed"] = Answer(raw=coloured)

    with pytest.raises(Retryable) as failure:
        reader(site).feed(site.url("/feed"), None)

    assert str(failure.value).endswith(r"answered 503 Sorry\x1b[31m\x1b]0;owned\x07")


# What it makes of the bytes.


@pytest.mark.parametrize("keyword", ["<!ENTITY", "<!entity", "<!Entity"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp037"]
)
def test_declared_entities_are_refused(keyword: str, encoding: str) -> None:
    bomb = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE rss [{keyword} a "aaaaaaaaaa">{keyword} b "&a;&a;&a;">]>'
        '<rss version="2.0"><channel><title>&b;</title></channel></rss>'
    )

    with pytest.raises(Permanent, match="entities"):
        parsed(bomb.encode(encoding))


def test_entities_are_found_in_a_charset_only_the_server_names() -> None:
    bomb = '<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0"><channel><title>&a;</title></channel></rss>'

    with pytest.raises(Permanent, match="entities"):
        parsed(bomb.replace("<", "+ADw-").replace("&", "+ACY-").encode("ascii"), charset="utf-7")


def test_a_doctype_without_entities_is_accepted() -> None:
    doctype = b'<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/rss.dtd">'
    body = RSS.partition(b"?>")

    assert parsed(body[0] + body[1] + doctype + body[2]).entries[0].title == "One"


@pytest.mark.parametrize(
    ("body", "looks"),
    [
        (b"<!doctype html><html><head><title>Hello</title></head><body><p>Hi</p></body></html>", "an HTML page"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', "JSON"),
        (b"", "an empty document"),
        (b" \n\t", "an empty document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "something else than XML"),
        (b"just words", "something else than XML"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "XML of another kind"),
    ],
)
def test_what_is_no_feed_is_named(body: bytes, looks: str) -> None:
    with pytest.raises(Permanent, match=f"not a feed: it looks like {looks}"):
        parsed(body)


def test_a_malformed_feed_gives_its_entries() -> None:
    body = (
        b"<rss version='2.0'><channel><title>A & B</title>"
        b"<item><title>One&nbsp;<b>two</title></item><item><title>Three</title>"
    )

    feed = parsed(body)

    assert feed.title == "A & B"
    assert [entry.title for entry in feed.entries] == ["One two", "Three"]


def test_an_atom_feed_gives_the_longer_of_summary_and_content() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Atom</title><entry><id>urn:1</id>
    <title type="html">A &amp;lt; B &lt;b&gt;bold&lt;/b&gt;</title><author><name>Jo</name></author>
    <link href="https://example.org/1"/><updated>2026-01-05T10:00:00+02:00</updated><summary>Short.</summary>
    <content type="html">&lt;style&gt;p{}&lt;/style&gt;
    &lt;p&gt;Long&lt;br&gt;er.&lt;script&gt;x()&lt;/script&gt;&lt;/p&gt;tail</content>
    </entry></feed>"""

    entry = parsed(body).entries[0]

    assert entry.key == "urn:1"
    assert entry.title == "A < B bold"
    assert entry.author == "Jo"
    assert entry.published_at == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert entry.text == "Long\ner.\ntail"


def test_an_entry_is_known_by_guid_or_link_or_words() -> None:
    body = b"""<rss version="2.0"><channel><item><guid>g</guid><link>https://example.org/a</link></item>
    <item><link>https://example.org/b</link></item><item><title>Words</title></item></channel></rss>"""

    keys = [entry.key for entry in parsed(body).entries]

    assert keys[:2] == ["g", "https://example.org/b"]
    assert len(keys[2]) == 64


@pytest.mark.parametrize("date", [b"", b"yesterday", b"Mon, 99 Foo 2026 99:99:99 GMT", b"0000-00-00T00:00:00Z"])
def test_an_invalid_date_is_none(date: bytes) -> None:
    body = RSS.replace(b"</item>", b"<pubDate>" + date + b"</pubDate></item>")

    assert parsed(body).entries[0].published_at is None


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-16", "utf-16"), ("iso-8859-1", "iso-8859-1"), ("cp1252", "none-such"), ("utf-8", "utf-8")],
)
def test_a_feed_in_another_encoding_is_read(encoding: str, declared: str) -> None:
    body = f'<?xml version="1.0" encoding="{declared}"?><rss version="2.0"><channel><title>Café</title></channel></rss>'

    assert parsed(body.encode(encoding)).title == "Café"


@pytest.mark.parametrize(
    "body",
    [
        b"<rss version='2.0'><channel>" + b"<item>" * 200_000,
        b"<rss version='2.0'><channel><item " + b" ".join(b"a%d=''" % n for n in range(50_000)) + b"/>",
        b"<rss version='2.0'>" + b"".join(b"<x%d:a xmlns:x%d='u'>" % (n, n) for n in range(10_000)),
    ],
    ids=["tags", "attributes", "namespaces"],
)
def test_markup_that_would_keep_the_parser_busy_is_refused(body: bytes) -> None:
    with pytest.raises(Permanent, match="more markup"):
        parsed(body)


@given(st.binary(max_size=500))
def test_any_bytes_are_a_feed_or_refused(body: bytes) -> None:
    try:
        feed = parsed(body)
    except AirdateError:
        return
    assert isinstance(feed, Feed)


FRAGMENTS = st.sampled_from(
    [
        "<rss version='2.0'>", "<channel>", "<item>", "</item>", "<title>", "</title>", "<entry>", "<guid>",
        "<feed xmlns='http://www.w3.org/2005/Atom'>", "<content type='xhtml'><div>", "<![CDATA[", "]]>", "<!--", "-->",
        "<?xml?>", "<!DOCTYPE x>", "&amp;", "&#0;", "&#xD800;", "&bogus;", "<pubDate>Mon, 05 Jan 2026", "</pubDate>",
        "<link>", "</link>", "<link href='//['/>", "<description>", "<p", "<svg>", "\x00", "é", "😀", "text",
        "<itunes:duration>1:1:1", "<georss:point>1 x", "<enclosure url='", "<updated>9999-99-99",
    ]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
def test_any_broken_feed_is_read_or_refused(text: str) -> None:
    try:
        parsed(b"<rss version='2.0'><channel>" + text.encode())
    except AirdateError:
        return


# Pages and files.


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", "text/plain", "application/json"])
def test_what_is_not_html_has_no_main_text(site: Website, content_type: str) -> None:
    site.answers["/page"] = Answer(b"%PDF-1.7 " * 100, content_type=content_type)

    assert reader(site).page(site.url("/page")) is None


def test_a_page_of_too_much_markup_has_no_main_text(site: Website) -> None:
    site.answers["/page"] = Answer(b"<html><body>" + b"<p>a" * 200_000, content_type="text/html")

    assert reader(site).page(site.url("/page")) is None


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with a feed, and a secret beside it that no feed may reach."""
    folder = tmp_path / "feeds"
    (folder / "articles").mkdir(parents=True)
    words = "The moon pulls the water of the ocean towards itself, and the coast rises into it. " * 10
    page = f"<html><body><article><p>{words}</p></article></body></html>"
    (folder / "articles" / "one.html").write_text(page)
    (tmp_path / "secret.html").write_text(page)
    (folder / "link.html").symlink_to(tmp_path / "secret.html")
    (folder / "feed.xml").write_bytes(RSS.replace(b"/one", b"articles/one.html"))
    return folder


def linking_to(shelf: Path, link: str) -> str | None:
    path = shelf / "linking.xml"
    path.write_bytes(RSS.replace(b"/one", link.encode()))
    return read(WebSources(allow_files=True), str(path)).entries[0].url


def test_a_file_feed_s_links_resolve_against_its_folder(shelf: Path) -> None:
    sources = WebSources(allow_files=True)

    url = read(sources, str(shelf / "feed.xml")).entries[0].url

    assert url == (shelf / "articles" / "one.html").as_uri()
    page = sources.page(url)
    assert page is not None
    assert "The moon pulls" in page.text


def test_a_file_url_is_a_path(shelf: Path) -> None:
    assert read(WebSources(allow_files=True), (shelf / "feed.xml").as_uri()).title == "News"


@pytest.mark.parametrize(
    "link",
    ["../secret.html", "articles/../../secret.html", "%2e%2e/secret.html", "/etc/passwd", "file:///etc/passwd",
     "link.html", "//etc/passwd", "ftp://example.org/", "javascript:alert(1)", "."],
)  # fmt: skip
def test_a_file_feed_reaches_nothing_outside_its_folder(shelf: Path, link: str) -> None:
    assert linking_to(shelf, link) is None


@pytest.mark.parametrize("link", ["https://example.org/a", "http://example.org/a"])
def test_a_file_feed_may_link_to_the_web(shelf: Path, link: str) -> None:
    assert linking_to(shelf, link) == link


@pytest.mark.parametrize("name", ["secret.html", "feeds/link.html"])
def test_a_page_outside_the_feed_s_folder_is_refused(shelf: Path, name: str) -> None:
    sources = WebSources(allow_files=True)
    read(sources, str(shelf / "feed.xml"))

    with pytest.raises(Permanent, match="must lie in the folder"):
        sources.page((shelf.parent / name).as_uri())


def test_a_web_feed_s_links_never_reach_files(site: Website, shelf: Path) -> None:
    target = (shelf / "articles" / "one.html").as_uri()
    site.answers["/feed"] = Answer(RSS.replace(b"/one", target.encode()))
    sources = reader(site, allow_files=True)
    read(sources, str(shelf / "feed.xml"))

    assert read(sources, site.url("/feed")).entries[0].url is None


def test_files_are_refused_where_they_are_not_allowed(site: Website, shelf: Path) -> None:
    for source in (str(shelf / "feed.xml"), (shelf / "feed.xml").as_uri()):
        with pytest.raises(Permanent, match="files are not read here"):
            reader(site).feed(source, None)
        with pytest.raises(Permanent, match="files are not read here"):
            reader(site).page(source)


@pytest.mark.parametrize("source", ["ftp://example.org/feed", "data://text", "gopher://x"])
def test_other_schemes_are_refused(source: str) -> None:
    with pytest.raises(Permanent, match="only http, https and files"):
        WebSources(allow_files=True).feed(source, None)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    sources = WebSources(allow_files=True, max_bytes=100)
    (tmp_path / "large.xml").write_bytes(b"x" * 101)

    for name, reason in (
        ("pipe", "not a regular file"),
        ("large.xml", "limit of 100"),
        ("a\0b", "can't be read"),
    ):
        with pytest.raises(Permanent, match=reason):
            sources.feed(f"{tmp_path}/{name}", None)
    with pytest.raises(Permanent, match="another machine"):
        sources.feed("file://elsewhere/feed.xml", None)


def test_the_examples_are_complete() -> None:
    sources = WebSources(allow_files=True)

    feed = read(sources, str(Path(__file__).parents[2] / "examples" / "feed.xml"))

    assert len(feed.entries) == 5
    for entry in feed.entries:
        assert entry.url is not None
        page = sources.page(entry.url)
        assert page is not None
        assert len(page.text.split()) > 200
