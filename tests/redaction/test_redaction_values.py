"""A secret that is known is found in every form in which programs print it, and words of ordinary texts are not."""

import base64
import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.redaction import MARK, SHORTEST, Redactor, secrets_in
from agent_swarm.redaction.forms import forms_of

SECRET = "p4ss/w+rd=with 'all' \"of\" $it\\é"
PLAIN = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"


def small_letters(secret: str) -> str:
    return re.sub("%..", lambda match: match.group().lower(), quote(secret, safe=""))


def base64_at(place: int, secret: str, encode: Callable[[bytes], bytes] = base64.b64encode) -> str:
    return encode(b"k=x"[:place] + secret.encode() + b"; more").decode()


WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON, all signs": lambda s: json.dumps(s, ensure_ascii=False),
    "JSON in JSON": lambda s: json.dumps({"a": json.dumps({"b": s})}),
    "JSON with escaped slashes": lambda s: json.dumps(s).replace("/", r"\/"),
    "URL": lambda s: quote(s, safe=""),
    "URL, small letters": small_letters,
    "URL with slashes": quote,
    "form": quote_plus,
    "repr": repr,
    "shell": shlex.quote,
    "shell, other quotes": lambda s: "'" + s.replace("'", r"'\''") + "'",
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
    **{f"base64 at {place}": partial(base64_at, place) for place in range(3)},
    **{f"urlsafe base64 at {place}": partial(base64_at, place, encode=base64.urlsafe_b64encode) for place in range(3)},
    "basic credentials": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("secret", [SECRET, PLAIN])
def test_given_a_known_secret_when_it_is_printed_in_some_way_then_it_is_found(
    way: Callable[[str], str], secret: str
) -> None:
    printed = way(secret)

    redacted = Redactor([secret]).text(f"before {printed} after")

    assert MARK in redacted
    left = redacted.removeprefix("before ").removesuffix(" after").replace(MARK, "")
    assert len(left) <= len(printed) - len(secret)  # the frame, and a few bits at the edges of base64
    assert not any(secret[i : i + 5] in left for i in range(len(secret) - 4))


def test_given_a_secret_when_a_shell_prints_it_escaped_then_it_is_found() -> None:
    script = r'printf "%q\n" "$S"; printf "%s" "$S" | base64; printf "%s" "$S" | od -An -tx1 | tr -d " \n"'
    said = subprocess.run(["bash", "-c", script], env={"S": PLAIN}, capture_output=True, text=True, check=True).stdout

    assert Redactor([PLAIN]).text(said).count(MARK) == 3


def test_given_a_key_of_several_lines_when_lines_of_it_are_printed_then_each_is_found() -> None:
    body = "MHcCAQEEIOZ8pXb3\nq9Xc4uN2n1aaBBccDD\nshort"
    redactor = Redactor([f"-----BEGIN THING-----\n{body}\n-----END THING-----"])

    assert redactor.text("q9Xc4uN2n1aaBBccDD") == MARK
    assert redactor.text(json.dumps(body)) == f'"{MARK}\\n{MARK}\\nshort"'
    assert redactor.text("-----BEGIN THING-----") == "-----BEGIN THING-----"


@settings(deadline=None)
@given(st.binary(min_size=9, max_size=40), st.binary(max_size=7), st.binary(max_size=7))
def test_given_any_secret_anywhere_in_base64_when_it_is_redacted_then_it_cannot_be_decoded(
    raw: bytes, before: bytes, after: bytes
) -> None:
    secret = raw.hex()
    encoded = base64.b64encode(before + secret.encode() + after).decode()

    redacted = Redactor([secret]).text(encoded)

    assert len(redacted.replace(MARK, "")) <= (len(before) + len(after) + 4) * 4 // 3 + 4


@pytest.mark.parametrize("size", [0, 1, SHORTEST - 1])
def test_given_a_value_too_short_when_it_is_registered_then_ordinary_words_stay(size: int) -> None:
    value = "password"[:size]
    assert Redactor([value]).text("the password is not shown") == "the password is not shown"
    assert not forms_of(value)


def test_given_a_value_that_is_registered_later_when_others_have_the_redactor_then_all_of_them_take_it_out() -> None:
    redactor = Redactor()
    own = redactor.also("only-this-attempt")
    redactor.register([SECRET])

    assert own.text(f"{SECRET} only-this-attempt") == f"{MARK} {MARK}"
    assert redactor.text("only-this-attempt") == "only-this-attempt"


def test_given_an_environment_when_its_secrets_are_asked_for_then_names_and_addresses_decide() -> None:
    environ = {
        "DEPLOY_TOKEN": "token-of-deploy",
        "STRIPE_SECRET_KEY": "stripe-key",
        "DB_PASSWORD": "db-password",
        "CLAUDE_CODE_OAUTH_TOKEN": "first-one,second-one",
        "HTTPS_PROXY": "http://me:p%40ss@proxy:1",
        "PATH": "/usr/bin",
        "PWD": "/somewhere",
        "SSH_KEY": "~/.ssh/id",
        "KEYBOARD": "qwertz-layout",
        "TOKENIZER": "bpe-large",
    }
    found = set(secrets_in(environ))

    assert {"token-of-deploy", "stripe-key", "db-password", "first-one", "second-one", "p%40ss", "p@ss"} <= found
    assert not found & {"/usr/bin", "/somewhere", "~/.ssh/id", "qwertz-layout", "bpe-large"}


@pytest.mark.slow
def test_given_two_thousand_secrets_when_a_long_text_is_redacted_then_their_number_hardly_matters() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20_000

    def seconds(count: int) -> float:
        redactor = Redactor(f"{number:032x}-secret" for number in range(count))
        times = []
        for _ in range(3):
            started = time.process_time()
            redactor.text(text)
            times.append(time.process_time() - started)
        return min(times)

    few, many = seconds(2), seconds(2_000)
    assert many < few * 3 + 0.05
