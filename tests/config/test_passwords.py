import base64
import hashlib

import pytest

from ewad.config.passwords import PasswordHash


def test_a_hash_takes_its_password_and_no_other():
    made = PasswordHash.of("correct horse")
    read = PasswordHash.parse(made.text())
    assert read == made
    assert read.matches("correct horse")
    assert not read.matches("correct horsf")
    assert not read.matches("")


def test_two_hashes_of_one_password_differ():
    assert PasswordHash.of("x").text() != PasswordHash.of("x").text()


def test_the_text_is_the_phc_string_of_scrypt():
    """Made by hand: N = 2^4, r = 2, p = 1; base64 without padding."""
    digest = hashlib.scrypt("pässword".encode(), salt=b"salty", n=16, r=2, p=1, dklen=10)
    salt, found = (base64.b64encode(part).decode().rstrip("=") for part in (b"salty", digest))
    text = f"$scrypt$ln=4,r=2,p=1${salt}${found}"
    assert PasswordHash.parse(text).matches("pässword")
    assert PasswordHash.parse(text).text() == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a hash as `ewad hash-password` prints it"),
        ("secret", "expected a hash as"),
        ("$2y$10$abcdefghijklmnopqrstuv", "expected a hash as"),
        ("$scrypt$ln=0,r=8,p=1$c2FsdA$aGFzaA", "expected a hash as"),
        ("$scrypt$ln=14,r=8,p=1$c2FsdA$", "expected a hash as"),
        ("$scrypt$ln=14,r=8,p=1$c$aGFzaA", "expected salt and hash in base64"),
        ("$scrypt$ln=20,r=8,p=1$c2FsdA$aGFzaA", "expected scrypt within 64 MiB, got ln=20,r=8,p=1"),
        ("$scrypt$ln=99,r=99,p=99$c2FsdA$aGFzaA", "expected scrypt within 64 MiB, got ln=99"),
        ("$scrypt$ln=15,r=8,p=99$c2FsdA$aGFzaA", "expected scrypt within 64 MiB, got ln=15,r=8,p=99"),
    ],
)
def test_what_is_no_hash_is_told_and_not_shown(text, says):
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        PasswordHash.parse(text)
    assert says in str(caught.value)
    assert not text or text not in str(caught.value)


def test_neither_password_nor_hash_is_in_a_repr():
    assert repr({"user": PasswordHash.parse("$scrypt$ln=1,r=1,p=1$c2FsdA$aGFzaA")}) == "{'user': \"***\"}"
