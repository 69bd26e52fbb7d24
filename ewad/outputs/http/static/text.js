// Numbers, times and worth in words. Pure functions: no document, no network.

const NOTHING = "–";

/** A number with as many digits as a person wants to see; null is "–". */
export function number(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  const size = Math.abs(value);
  const digits = size >= 1000 || size === 0 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  const text = size >= 1e9 || (size > 0 && size < 1e-3)
    ? value.toExponential(3)
    : value.toLocaleString("en", { maximumFractionDigits: digits });
  return unit ? `${text} ${UNITS[unit] ?? unit}` : text;
}

const UNITS = {
  celsius: "°C", fahrenheit: "°F", kelvin: "K", percent: "%", hectopascal: "hPa", pascal: "Pa", watt: "W",
  kilowatt: "kW", volt: "V", ampere: "A", hertz: "Hz", meter: "m", metre: "m", lux: "lx", ppm: "ppm",
};

/** What a forecast is worth beside "nothing changes", as a sentence's end. */
export function worth(skill) {
  if (skill === null || skill === undefined) return "not known yet";
  const percent = Math.round(Math.abs(skill) * 100);
  if (percent === 0) return "as good as “nothing changes”";
  return `${percent} % ${skill > 0 ? "better" : "worse"} than “nothing changes”`;
}

/** How long ago a moment was; seconds since 1970, both. */
export function ago(time, now) {
  if (time === null || time === undefined) return NOTHING;
  const seconds = now - time;
  if (seconds < -90) return `${span(-seconds)} ahead`;
  return seconds < 1.5 ? "now" : `${span(seconds)} ago`;
}

/** A span of time in its largest unit. */
export function span(seconds) {
  for (const [name, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${name}`;
  }
  return `${Math.round(seconds)} s`;
}

/** The window of an average, in words: beta = 0.9 is about 10 samples. */
export function window(label) {
  if (label.startsWith("half_life=")) return `half-life ${label.slice(10)}`;
  return `about ${Math.round(1 / (1 - Number(label))).toLocaleString("en")} samples`;
}

/** The points of a small curve as an SVG path in a box of width x height; gaps stay gaps. */
export function sparkline(values, width, height) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return "";
  const low = Math.min(...known), high = Math.max(...known), range = high - low || 1;
  let pen = "M", path = "";
  values.forEach((value, index) => {
    if (value === null) { pen = "M"; return; }
    const x = (index / (values.length - 1)) * width;
    const y = height - ((value - low) / range) * height;
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

/** Undo the bias correction of averages: v = corrected * (1 - beta ** t), t counting a stream's samples. */
export function uncorrected(corrected, beta, samples) {
  const n = corrected.length;
  return corrected.map((value, i) => (value === null ? null : value * (1 - beta ** (samples - (n - 1 - i)))));
}
