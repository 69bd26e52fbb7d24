"""What the names of columns say of what is in them: words that people use in headers."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def plain_name(name: str) -> str:
    """Return a column's name in small letters, words apart."""
    return re.sub(r"[^a-z0-9äöüéèß#]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()).strip()


def words_of(name: str) -> frozenset[str]:
    """Return the words of a column's name."""
    return _words(plain_name(name))


TIME_NAMES = ("time", "timestamp", "datetime", "date time", "ts", "ds", "date", "when", "time utc", "t")
# columns that hold times
TIME_WORDS = _words(
    "date datetime datetimes datum day dt epoch fecha heure hora hour localtime minute month time "
    "timestamp timestamps tmstmp ts tstamp uhrzeit unixtime utc valid when year zeit zeitpunkt "
    "zeitstempel"
)
# times of day, as numbers such as 930
CLOCK_WORDS = _words("clock heure hhmm hora hour hours hr time tod uhrzeit zeit")
# columns that tell series apart
SERIES_WORDS = _words(
    "apparatus area asset building channel city code country device devices entity equipment feature "
    "geraet gerät host house id ids instance inverter item loc location mac machine measurement "
    "messstelle meter metric module name node parameter plant pollutant probe raum region room sensor "
    "sensors serie series signal site source standort station stationsname store stream symbol tag ticker "
    "uid uniqueid unit_id uuid variable zone"
)
# columns that say something of a reading
ANNOTATIONS = _words(
    "attributes category class comment comments condition conditions description error event events flag "
    "flags icon label level message note notes quality remark status summary text type unit units weather"
)
# cells of a row of units
UNIT_WORDS = _words(
    "a avg bar c celsius cm date datetime db degc degf double f fahrenheit float g gmt h hh:mm:ss hour "
    "hours hpa hz int iso8601 k kg km km/h kpa kw kwh l local lux lx m m/s ma mbar min ml mm mph mv mw "
    "mwh number pa pct percent ppb ppm rh rn rpm s sec smp string text time timestamp ts utc v va var w "
    "wh yyyy-mm-dd"
)
ROW_NUMBERS = ("", "#", "index", "id", "row", "nr", "no", "rownum", "record", "n", "unnamed 0", "recno")
PARTS = {
    **dict.fromkeys(("year", "yr", "yyyy", "jahr"), "year"),
    **dict.fromkeys(("month", "mon", "mo", "mm", "monat"), "month"),
    **dict.fromkeys(("day", "dy", "dd", "tag", "dom"), "day"),
    **dict.fromkeys(("hour", "hr", "hh", "hours", "stunde"), "hour"),
    **dict.fromkeys(("minute", "min", "mn", "minutes"), "minute"),
    **dict.fromkeys(("second", "sec", "ss", "seconds"), "second"),
}


def is_time_name(name: str) -> bool:
    """Return whether a column's name says that it holds times."""
    return bool(TIME_WORDS & words_of(name)) or plain_name(name) in TIME_NAMES or "time" in name.lower()
