import pytest

from ewad.outputs.prometheus.negotiation import accepts_gzip, wants_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        'Application/OpenMetrics-Text ; Version="1.0.0"',
        "text/plain, application/openmetrics-text",
        "text/plain;q=0.4, application/openmetrics-text;q=0.5",
    ],
)
def test_openmetrics_is_given_to_who_prefers_it(accept):
    assert wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/*",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.5, text/plain",
        "application/openmetrics-text;q=0.5, */*",
        "application/openmetrics-text;version=7.0.0",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text;q=nan",
        ";;,=,;q=,",
    ],
)
def test_everybody_else_gets_text(accept):
    assert not wants_openmetrics(accept)


@pytest.mark.parametrize("accept", ["gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.5"])
def test_gzip_is_given_to_who_accepts_it(accept):
    assert accepts_gzip(accept)


@pytest.mark.parametrize("accept", ["", "identity", "gzip;q=0", "gzip;q=0.0, br", "*", "deflate", "gzipped"])
def test_gzip_is_not_forced_on_others(accept):
    assert not accepts_gzip(accept)
