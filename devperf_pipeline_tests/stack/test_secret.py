import base64
import html
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from devperf_pipeline.model import Address, Credentials, Service, Stack
from devperf_pipeline.stack.secret import Secret, bare, secrets_of, spellings

ODD = 'it\'s "50 %" / naïve & <\\schlüssel>'


def stack(*passwords: str) -> Stack:
    return Stack(
        name="visited",
        path=Path("visited.toml"),
        managed=False,
        services=tuple(
            Service(
                name=f"redis-{number}",
                kind="redis",
                addresses=(Address("127.0.0.1", 6379),),
                credentials=Credentials("administrator", password),
            )
            for number, password in enumerate(passwords)
        ),
    )


def shows(text: str, secret: str = ODD) -> bool:
    hay = bare(text.encode("utf-8", "surrogatepass"))
    return any(spelling in hay for spelling in spellings(secret))


class TestSpellings:
    @pytest.mark.parametrize(
        "text",
        [
            ODD,
            json.dumps({"password": ODD}),
            json.dumps({"password": ODD}, ensure_ascii=False),
            json.dumps([json.dumps({"password": ODD})]),
            repr(ODD),
            repr(ODD.encode()),
            f"amqp://user:{quote(ODD, safe='')}@127.0.0.1/",
            f"http://127.0.0.1/{quote(ODD)}",
            f"http://127.0.0.1/{quote(ODD, safe='').lower()}".replace("sch", "sch"),
            f"password={quote_plus(ODD)}&x=1",
            html.escape(ODD),
            html.escape(ODD, quote=False),
            f"create user u password '{ODD.replace(chr(39), chr(39) * 2)}'",
            ODD.replace("<", "\\<").replace("&", "\\&"),
        ],
    )
    def test_found_however_it_is_written(self, text: str) -> None:
        """A password with quotes, spaces, per cent, slashes and letters of other scripts is told in every spelling."""
        assert shows(text)

    @pytest.mark.parametrize("before", ["", "u", "us", "user", "user:"])
    @pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
    def test_found_in_base64_at_any_place(self, before: str, encode: type) -> None:
        """Base64 looks different at each of three places of a longer text; all of them are known."""
        assert shows(f"Authorization: Basic {encode(f'{before}{ODD}:more'.encode()).decode()}")

    def test_nothing_else_is_taken_for_it(self) -> None:
        """A text without the secret shows none, nor does one with half of it."""
        assert not shows("nothing to be seen here; 0123456789 abcdefghijklmnopqrstuvwxyz")
        assert not shows(ODD[: len(ODD) // 2])

    def test_nothing_but_signs_that_are_left_out(self) -> None:
        """A secret of backslashes alone is in no text that has none."""
        assert not shows("any text", "\\" * 12)


class TestSecretsOf:
    def test_every_password_and_what_it_took_to_read_them(self) -> None:
        """Passwords of services and the secrets of the way into a Vault, each by a name that may be told."""
        found = secrets_of(stack("hunter2-hunter2"), {"the token": "hvs.0123456789"})

        assert {
            Secret("the password of redis-0", "hunter2-hunter2"),
            Secret("the token", "hvs.0123456789"),
        } == set(found.sought)
        assert {} == found.unsought

    def test_short_and_ordinary_ones_are_named_and_not_sought(self) -> None:
        """What stands in every table anyhow cannot be told from a leak; it is said which secrets that are, and why."""
        found = secrets_of(stack("abc", "redis-1", "administrator", "password"), {})

        assert () == found.sought
        assert [True, False, False, False] == ["fewer than 6" in why for why in found.unsought.values()]
        assert [False, True, True, True] == ["ordinary word" in why for why in found.unsought.values()]

    def test_no_repr_shows_one(self) -> None:
        """Neither the repr of the secrets nor of the stack that was entered with them shows any."""
        found = secrets_of(stack("hunter2-hunter2"), {"the token": "hvs.0123456789"})

        assert "hunter2" not in repr(found)
        assert "hvs." not in repr(found)
