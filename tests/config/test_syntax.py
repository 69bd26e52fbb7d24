import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.config.syntax import format_duration, mask_url, parse_duration, parse_listen, parse_url


@given(st.integers(0, 10**12))
def test_a_duration_round_trips(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("5m", 300), ("1h", 3600), ("30d", 2592000), ("1h30m", 5400), ("1.5s", 1.5)],
)
def test_durations_are_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "5min", "1e3s", "٣s", "5m ", "9" * 400 + "s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="expected a"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("mqtt://host", ("tcp", "host", 1883, "", None, None)),
        ("mqtts://host:1", ("tls", "host", 1, "", None, None)),
        ("mqtt://u:p%3A@[::1]:5", ("tcp", "::1", 5, "", "u", "p:")),
        ("ws://host", ("ws", "host", 80, "/mqtt", None, None)),
        ("wss://host/x?y=1", ("wss", "host", 443, "/x?y=1", None, None)),
    ],
)
def test_a_broker_address_is_taken_apart(url, parts):
    assert tuple(parse_url(url)) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "http://h",
        "mqtt://",
        "mqtt://h:0",
        "mqtt://h:99999",
        "mqtt://h:x",
        "mqtt://h/p",
        "mqtt://a b",
        "mqtt://[::1",
        "ws://h#x",
    ],
)
def test_what_is_no_broker_address_is_refused(url):
    with pytest.raises(ValueError, match="expected an address"):
        parse_url(url)


def test_a_password_in_an_address_is_masked():
    assert mask_url("mqtt://me:p@ss@host:1") == "mqtt://me:***@host:1"
    assert mask_url("mqtt://host:1") == "mqtt://host:1"


@pytest.mark.parametrize(
    "url",
    ["mqtt://h", "mqtts://[::1]:8883", "ws://h:80/mqtt", "wss://me@h/a/b", "localhost", "localhost:1883"],
)
def test_an_address_without_secrets_is_shown_as_it_is(url):
    assert mask_url(url) == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://h:80/mqtt?token=secret", "ws://h:80/mqtt?***"),
        ("wss://me:secret@h/mqtt?token=secret", "wss://me:***@h/mqtt?***"),
        ("ws://h:80/mqtt?token=se@cret", "ws://h:***?***"),
        ("ws://h/mqtt?token=se@cret", "ws://h/mqtt?***"),
        ("user:secret@host", "user:***@host"),
        ("user:/secret@host", "user:***@host"),
        ("mqtt:/u:secret@host", "mqtt:***@host"),
        ("mqtt:u:secret@host", "mqtt:***@host"),
        ("http://u:secret@host", "http:***@host"),
        ("MQTT://u:secret@host", "MQTT://u:***@host"),
        ("mqtt://u:sec/ret@host", "mqtt://u:***@host"),
        ("mqtt://u:sec#ret@host", "mqtt://u:***@host"),
        ("mqtt://u:12?secret@host", "mqtt://u:***?***"),
        ("mqtt://u:sec@ret?secret@host", "mqtt://u:***?***"),
        ("mqtt://u:se\ncret@host", "mqtt://u:***@host"),
        ("mqtt://u:secret", "mqtt://u:***"),
        ("user:secret", "user:***"),
    ],
)
def test_no_password_and_no_query_is_shown_however_malformed_the_address(url, shown):
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "url", ["mqtt://u:secret", "mqtt://u:sec/ret@host", "mqtt://u:sec/ret@host:x", "mqtt://[u:secret@h"]
)
def test_the_reason_of_a_refused_address_quotes_no_password(url):
    with pytest.raises(ValueError, match="expected an address") as caught:
        parse_url(url)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("host", ["a..b", ".a", "x" * 64, "\u00fc" * 60])
def test_a_host_that_dns_cannot_express_is_refused(host):
    with pytest.raises(ValueError, match="a host name between its dots have 1 to 63 characters"):
        parse_url(f"mqtt://{host}:1883")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9466", ("127.0.0.1", 9466)),
        ("[::1]:9466", ("::1", 9466)),
        (":9466", ("", 9466)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_a_listen_address_is_host_and_port(text, address):
    assert tuple(parse_listen(text)) == address


@pytest.mark.parametrize(
    "text", ["", "9466", "host", "host:", "host:70000", "::1:9466", "[x]:1", "a b:1", "h:-1"]
)
def test_what_is_no_listen_address_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        parse_listen(text)
