"""[otlp]: where it may go, and which headers it may have."""

import pickle

import pytest

from ewad.config import parse
from ewad.config.effective import effective
from ewad.config.otlp import Endpoint, parse_endpoint
from ewad.errors import ConfigError
from tests.system.receiver import require_otlp


def settings(otlp, base=None):
    require_otlp()
    return parse({"stream": [{"topic": "a", "name": "t"}], "otlp": otlp}, "test", {}, base)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://host:4318/v1/metrics", Endpoint(False, "host", 4318, "/v1/metrics")),
        ("http://host", Endpoint(False, "host", 80, "/v1/metrics")),
        ("https://host/api/otlp?tenant=1", Endpoint(True, "host", 443, "/api/otlp?tenant=1")),
        ("http://[::1]:9/", Endpoint(False, "::1", 9, "/v1/metrics")),
    ],
)
def test_an_endpoint_is_an_address_of_http(url, endpoint):
    assert parse_endpoint(url) == endpoint


@pytest.mark.parametrize(
    "url", ["host:4318", "grpc://host", "http://", "http://host:a", "http://u:p@host", "http://h:99999"]
)
def test_what_is_no_endpoint_is_refused(url):
    with pytest.raises(ConfigError, match=r"otlp\.endpoint: expected an address"):
        settings({"endpoint": url})


def test_an_endpoint_is_needed():
    with pytest.raises(ConfigError, match=r"otlp\.endpoint: expected a value"):
        settings({})


def test_headers_of_a_file_are_secrets(tmp_path):
    (tmp_path / "headers").write_text(
        "# of the collector\nAuthorization: Bearer 1:2\n\nX-Scope-OrgID: plant\n"
    )
    found = settings({"endpoint": "http://h", "headers_file": "headers"}, tmp_path)
    assert [(name, secret.reveal()) for name, secret in found.secrets.otlp_headers] == [
        ("Authorization", "Bearer 1:2"),
        ("X-Scope-OrgID", "plant"),
    ]
    assert "1:2" not in effective(found) and "1:2" not in repr(found)
    assert pickle.loads(pickle.dumps(found)).secrets.otlp_headers == ()


@pytest.mark.parametrize("line", ["Authorization", "a b: c", "Content-Type: text/plain", "X: a\x01", "X: ü"])
def test_a_line_that_is_no_header_is_refused_without_showing_it(tmp_path, line):
    (tmp_path / "headers").write_text(f"A: b\n{line}\n")
    with pytest.raises(ConfigError, match=r"otlp\.headers_file: .*line 2: expected") as told:
        settings({"endpoint": "http://h", "headers_file": "headers"}, tmp_path)
    assert "text/plain" not in str(told.value)


def test_certificates_to_trust_need_https(tmp_path):
    (tmp_path / "ca").write_text("")
    with pytest.raises(ConfigError, match="needs an https:// endpoint"):
        settings({"endpoint": "http://h", "ca_file": "ca"}, tmp_path)
