import pytest

from ewad.config import effective, load, parse
from ewad.config.passwords import PasswordHash
from ewad.errors import ConfigError

STREAM = '[[stream]]\nname = "t"\ntopic = "a"\n'
HASH = "$scrypt$ln=1,r=1,p=1$c2FsdA$aGFzaA"


def loaded(tmp_path, http, environ=None):
    path = tmp_path / "ewad.toml"
    path.write_text(f"{STREAM}[http]\n{http}\n")
    return load(path, environ or {})


def settings_of(tmp_path, http, environ=None):
    return loaded(tmp_path, http, environ).http


def users_of(tmp_path, http, environ=None):
    return loaded(tmp_path, http, environ).secrets.http_users


def problem(tmp_path, http):
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, http)
    return str(caught.value).removeprefix(f"{tmp_path / 'ewad.toml'}: http.")


def test_by_default_everyone_of_this_machine_is_served_without_tls():
    http = parse(STREAM, "x", {}).http
    assert (http.listen.host, http.cert_file) == ("127.0.0.1", None)


def test_users_are_lines_of_name_and_hash(tmp_path):
    (tmp_path / "users").write_text(
        f"# who may scrape\nprometheus:{HASH}\n\n  me : {HASH}\n".replace(" : ", ":")
    )
    users = users_of(tmp_path, 'users_file = "users"')
    assert users == {"prometheus": PasswordHash.parse(HASH), "me": PasswordHash.parse(HASH)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "expected a line name:hash for each user, got none"),
        ("# nobody\n", "expected a line name:hash for each user, got none"),
        (f"a:{HASH}\na:{HASH}\n", "line 2: expected a name of its own before a colon"),
        (f":{HASH}\n", "line 1: expected a name of its own before a colon"),
        ("me:hush\n", "line 1: expected a hash as `ewad hash-password` prints it"),
        ("hush\n", "line 1: expected a hash as `ewad hash-password` prints it"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_bad_users_file_is_told_with_its_line_and_nothing_of_it(tmp_path, content, says):
    (tmp_path / "users").write_bytes(content if isinstance(content, bytes) else content.encode())
    told = problem(tmp_path, 'users_file = "users"')
    assert told.startswith("users_file: ")
    assert told.endswith(says)
    assert "hush" not in told


def test_certificate_and_key_come_together(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    http = settings_of(tmp_path, 'cert_file = "cert.pem"\nkey_file = "key.pem"')
    assert (http.cert_file, http.key_file) == (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    assert (
        problem(tmp_path, 'cert_file = "cert.pem"')
        == "cert_file: needs key_file in the same table: set both, or neither"
    )
    assert (
        problem(tmp_path, 'key_file = "key.pem"')
        == "key_file: needs cert_file in the same table: set both, or neither"
    )
    assert problem(tmp_path, 'cert_file = "none"\nkey_file = "key.pem"').startswith(
        "cert_file: expected a read"
    )


def test_users_and_key_come_from_systemds_credentials_too(tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "cert.pem").touch()
    (credentials / "http_key").touch()
    (credentials / "http_users").write_text(f"me:{HASH}\n")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    http = settings_of(tmp_path, 'cert_file = "cert.pem"', environ)
    assert http.key_file == str(credentials / "http_key")
    assert set(users_of(tmp_path, "", environ)) == {"me"}
    assert set(parse(STREAM, "no section [http]", environ).secrets.http_users) == {"me"}


def test_the_effective_text_names_the_files_and_no_hash(tmp_path):
    (tmp_path / "users").write_text(f"me:{HASH}\n")
    path = tmp_path / "ewad.toml"
    path.write_text(f'{STREAM}[http]\nlisten = "[::1]:1"\nusers_file = "users"\n')
    settings = load(path, {})
    text = effective(settings)
    assert f'users_file = "{tmp_path / "users"}"' in text
    assert "scrypt" not in text + repr(settings)
    assert parse(text, "again", {}) == settings
