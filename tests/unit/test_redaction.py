"""No secret is told, wherever in a text it stands; and what is no secret is left as it is."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from podcasting.redaction import HIDDEN, forget_secrets, keep_secret, redact

LETTERS = string.ascii_letters + string.digits
KEYS = st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16)
AROUND = st.text(max_size=60)

PARAMETERS = (
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Credential",
    "Signature",
    "sig",
    "token",
    "access_token",
)
PARAMETERS += ("api_key", "apikey", "key", "password", "client_secret", "auth")
NAMES = ("password", "aws_secret_access_key", "api_key", "AIRDATE_SENTRY_DSN", "AWS_SESSION_TOKEN", "client-secret")


def secrets(letters: str) -> st.SearchStrategy[str]:
    """Texts of these that are not by chance a name of ours, or a part of one."""
    names = " ".join((*PARAMETERS, *NAMES, "amazonaws", "example.org"))
    return st.text(LETTERS + letters, min_size=8, max_size=60).filter(lambda text: text not in names)


SECRETS = secrets("+/=-_.~%!$").filter(lambda text: text.strip("=.") == text)
IN_ADDRESSES = secrets("-_.~%+")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


def told(secret: str, text: str) -> bool:
    return secret in redact(text)


@given(secret=IN_ADDRESSES, name=st.sampled_from(PARAMETERS), before=AROUND, after=AROUND)
def test_a_query_string_tells_no_signature_or_token(secret: str, name: str, before: str, after: str) -> None:
    assume(secret not in before + after)
    address = f"https://bucket.s3.amazonaws.com/site/a.mp3?a=1&{name}={secret}&b=2"

    assert not told(secret, f"{before} {address} {after}")
    assert "b=2" in redact(address), "what is no secret was hidden too"


@given(secret=SECRETS, before=AROUND, after=AROUND, user=st.sampled_from(["airdate", "", "a.b-c"]))
@example(secret="pa/ss/word", before="", after="", user="airdate")  # noqa: S106 - it is made up
def test_a_database_url_tells_no_password(secret: str, before: str, after: str, user: str) -> None:
    assume(secret not in before + after)
    text = f"{before} postgresql+psycopg://{user}:{secret}@db.example.org:5432/airdate {after}"

    assert not told(f":{secret}@", text)
    assert "db.example.org:5432/airdate" in redact(text)


@given(secret=IN_ADDRESSES.filter(lambda text: "/" not in text), before=AROUND)
def test_a_dsn_tells_no_key(secret: str, before: str) -> None:
    assert not told(f"//{secret}", f"{before} https://{secret}@o4507.ingest.sentry.io/4507")


@given(
    secret=st.text(LETTERS + "+/=._-", min_size=8, max_size=80),
    scheme=st.sampled_from(["Bearer ", "Basic ", "Token ", "AWS4-HMAC-SHA256 Credential=x/y, Signature=", ""]),
    form=st.sampled_from(["Authorization: {}", "'Authorization': '{}'", '"authorization": "{}"', "authorization={}"]),
)
def test_an_authorization_is_not_told(secret: str, scheme: str, form: str) -> None:
    assert not told(secret, f"GET / HTTP/1.1 {form.format(scheme + secret)}")


@given(key=KEYS, kind=st.sampled_from(["AKIA", "ASIA"]), before=AROUND, after=AROUND)
def test_an_access_key_is_told_in_its_first_letters_alone(key: str, kind: str, before: str, after: str) -> None:
    assert not told(kind + key, f"{before} {kind}{key} {after}")


@given(secret=SECRETS, name=st.sampled_from(NAMES))
def test_what_is_given_to_the_name_of_a_secret_is_not_told(secret: str, name: str) -> None:
    mapping = {name: secret, "other": 1}
    text = f"{name}={secret.replace('&', '')}"

    assert not told(secret, repr(mapping))
    assert not told(secret, json.dumps(mapping))
    assert json.loads(redact(json.dumps(mapping))) == {name: HIDDEN, "other": 1}, "its form was broken"
    assert not told(text.partition("=")[2], text)


@given(secret=st.text(LETTERS + "+/", min_size=40, max_size=40), before=AROUND, after=AROUND)
def test_a_known_secret_is_not_told_wherever_it_stands(secret: str, before: str, after: str) -> None:
    keep_secret([secret])

    assert not told(secret, f"{before}{secret}{after}")
    assert not told(quote(secret, safe=""), f"{before}{quote(secret, safe='')}{after}")


@pytest.mark.parametrize(
    "innocent",
    [
        "episode my-show-20261124t060000 failed at collect: https://example.org/feed.xml?page=2&lang=en: 404",
        "https://medium.com/feed/@joe is not a feed",
        "unexpected token: <html>",
        "mail to editor@example.org",
        "trying again in 4 s (1 of 5): the voice is away",
        "queue 'discovery' (http://127.0.0.1:4566/123456789012/airdate-discovery) has no redrive policy",
        "a commit is 3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
        "monkeys=3 keynote=opening basic idea",
        "",
    ],
)
def test_what_is_no_secret_is_told(innocent: str) -> None:
    assert redact(innocent) == innocent


@given(text=st.text())
def test_to_redact_twice_is_to_redact_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)
