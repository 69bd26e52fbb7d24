// Numbers, times and worth in words. Pure functions: no document, no network.

const NOTHING = "–";

/** A number with as many digits as a person wants to see; null is "–". */
export function number(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  const size = Math.abs(value);
  const digits = size >= 1000 || size === 0 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  // 23.5 is written 23.50, so that a number that changes stays in its place
  const text = size >= 1e9 || (size > 0 && size < 1e-3)
    ? value.toExponential(3)
    : value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: Number.isInteger(value) ? 0 : digits });
  return unit ? `${text} ${unitOf(unit)}` : text;
}

/** A unit as people write it; "" for none. */
export function unitOf(unit) { return unit ? UNITS[unit] ?? unit : ""; }

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

/** The same where the words beside it say than what. */
export function worthAlone(skill) { return worth(skill).replace(/ (than )?“nothing changes”/, "").replace(/ as$/, ""); }

const PARTS = {
  jump: "jumped", run: "has been off for some samples", drift: "drifts away", level: "has another level", spread: "moves otherwise than usual",
  outside: "is outside all it ever was",
};

/** What is unusual about a stream, as the end of a sentence about it; "" where nothing is. */
export function unusual(stream) {
  const said = stream.anomalous ? stream.reasons.map((part) => PARTS[part] ?? part) : [];
  return [...said, ...(stream.stuck ? ["is stuck"] : [])].join(", and ");
}

/** What is to be said of a threshold: what it is, and when the forecast crosses it. made: when it was made. */
export function crossing(threshold, unit, made) {
  const is = `“${threshold.name}”, ${threshold.above ? "above" : "below"} ${number(threshold.value, unit)}`;
  const at = (time) => (time <= made ? "now" : `in ${span(time - made)}`);
  const when = threshold.time !== null ? `expected ${at(threshold.time)}` : threshold.earliest !== null ? `not expected, possible ${at(threshold.earliest)}` : "not expected";
  return { is, when };
}

/** How a stream stands, in sentences. interval: the share of values that its intervals are meant to hold, or null. */
export function story(stream, ahead, interval) {
  const said = [], [beta] = Object.keys(stream.smoothed);
  const average = stream.smoothed[beta] ?? null, usual = stream.deviation[beta] ?? null;
  if (stream.value !== null && average !== null) {
    const off = stream.value - average;
    const where = usual === null || Math.abs(off) <= usual ? "close to" : Math.abs(off) <= 3 * usual ? `${number(Math.abs(off))} ${off > 0 ? "above" : "below"}` : `far ${off > 0 ? "above" : "below"}`;
    said.push(`The last value is ${where} its average over ${window(beta)}.`);
  }
  const far = ahead.filter((each) => each.value !== null).at(-1);
  if (far) {
    const steps = far.horizon === 1 ? "The next sample is" : `${far.horizon} samples ahead it is`;
    const bounds = far.lower === null ? "" : `, between ${number(far.lower)} and ${number(far.upper)}${interval ? ` with ${Math.round(interval * 100)} %` : ""}`;
    said.push(`${steps} expected at ${number(far.value, stream.unit)}${bounds}.`);
    const skill = stream.forecasts[0]?.skill ?? null;
    if (skill !== null) said.push(`Forecasts of the next are ${worth(skill)}.`);
  }
  for (const threshold of stream.thresholds) {
    const { is, when } = crossing(threshold, stream.unit, stream.time);
    if (threshold.time !== null) said.push(`The threshold ${is}, is ${when}.`);
  }
  const what = unusual(stream);
  if (what) said.unshift(`This stream ${what}.`);
  return said.join(" ");
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
  for (const [name, size] of Object.entries({ d: 86400, h: 3600, min: 60 })) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${name}`;
  }
  return seconds > 0 && seconds < 2 ? `${Math.round(1000 * seconds)} ms` : `${Math.round(seconds)} s`;
}

/** The window of an average, in words: beta = 0.9 is about 10 samples. */
export function window(label) {
  if (label.startsWith("half_life=")) return `half-life ${label.slice(10)}`;
  return `about ${Math.round(1 / (1 - Number(label))).toLocaleString("en")} samples`;
}

/**
 * A small curve in a box of width x height, as SVG paths: the values, gaps staying gaps, and what is forecast after
 * them: the fan from the last value on. ahead: {horizon, value, lower, upper}, the nearest first.
 */
export function sparkline(values, width, height, ahead = []) {
  const last = values.length - 1, paths = { line: "", fan: "", path: "" };
  const reach = ahead.filter((each) => each.value !== null && each.horizon <= values.length / 2);
  const all = [...values, ...reach.flatMap((each) => [each.value, each.lower, each.upper])].filter((value) => value !== null);
  if (values.filter((value) => value !== null).length < 2) return paths;
  const low = Math.min(...all), range = Math.max(...all) - low || 1, steps = last + (reach.at(-1)?.horizon ?? 0);
  const at = (step, value) => `${((step / steps) * width).toFixed(1)} ${(height - ((value - low) / range) * height).toFixed(1)}`;
  let pen = "M";
  values.forEach((value, step) => {
    if (value === null) { pen = "M"; return; }
    paths.line += `${pen}${at(step, value)}`;
    pen = "L";
  });
  if (values[last] === null || !reach.length) return paths;
  const [from, of] = [at(last, values[last]), (key) => reach.map((each) => at(last + each.horizon, each[key]))];
  paths.path = `M${[from, ...of("value")].join("L")}`;
  if (reach.every((each) => each.lower !== null && each.upper !== null)) paths.fan = `M${[from, ...of("upper"), ...of("lower").reverse()].join("L")}Z`;
  return paths;
}

/** Undo the bias correction of averages: v = corrected * (1 - beta ** t), t counting a stream's samples. */
export function uncorrected(corrected, beta, samples) {
  const n = corrected.length;
  return corrected.map((value, i) => (value === null ? null : value * (1 - beta ** (samples - (n - 1 - i)))));
}
