// What there is of a stream -> the series of its chart. Pure functions: no document, no network.

import { uncorrected } from "./text.js";

const LISTS = ["number", "time", "value", "forecast", "lower", "upper", "anomaly", "score"]; // of a history, beside its averages
const AVERAGES = ["--smooth0", "--smooth1", "--smooth2"];
export const COLOURS = ["--smooth0", "--smooth1", "--forecast", "--smooth2", "--value", "--mark"];

/** How the i-th of many lines is told from the others: by its colour, then by dashes. */
export function styleOf(i) {
  const colour = COLOURS[i % COLOURS.length];
  return i < COLOURS.length ? { colour, kind: "line" } : { colour, kind: "dashed", dash: [5, 3] };
}

/**
 * The series of a chart, and the time that they share: that of the points, and after them that of what is ahead.
 * history: lists of one length: time, value, smoothed (by beta), forecast, lower, upper as made for each point, and
 * its score, if there is one: above 1 it is an anomaly.
 * ahead: {time, value, lower, upper}, the nearest first.  samples: null, or to show averages without bias correction:
 * how many samples the stream has had.
 */
export function seriesOf(history, ahead, samples = null) {
  const { value } = history, last = value.length - 1;
  const path = last < 0 ? [] : ahead.filter((each) => each.time !== null && each.value !== null && each.time > history.time[last]);
  const none = (n) => new Array(n).fill(undefined); // no point there, which is no gap
  const past = (values) => [...values, ...none(path.length)];
  const next = (key) => [...none(last), value[last], ...path.map((each) => each[key])];
  /** @type {Record<string, any>[]} */
  const series = [{ name: "value", value: past(value), colour: "--value", width: 1.3, dots: true, kind: "line" }];
  Object.entries(history.smoothed).forEach(([beta, corrected], i) => {
    const numeric = Number(beta);
    const raw = samples !== null && Number.isFinite(numeric);
    series.push({ name: `smoothed ${beta}`, value: past(raw ? uncorrected(corrected, numeric, samples) : corrected), colour: AVERAGES[i % AVERAGES.length], width: 2, kind: "line" });
  });
  if (history.forecast.some((each) => each !== null)) {
    series.push({ name: "forecast for it", value: past(history.forecast), colour: "--forecast", width: 1, dash: [4, 3], band: [past(history.lower), past(history.upper)], fill: "--band", kind: "dashed" });
  }
  if (path.length) {
    series.push({ name: "forecast ahead", value: next("value"), colour: "--forecast", width: 2.5, band: [next("lower"), next("upper")], fill: "--fan", inRange: true, kind: "fan" });
  }
  const outside = value.map((each, i) => (history.lower[i] !== null && (each < history.lower[i] || each > history.upper[i]) ? each : null));
  if (outside.some((each) => each !== null)) series.push({ name: "outside its interval", value: past(outside), colour: "--mark", width: 2, marks: true, kind: "ring" });
  const rare = (history.score ?? []).map((each, i) => (each !== null && each > 1 ? value[i] : null));
  if (rare.some((each) => each !== null)) series.push({ name: "anomaly", value: past(rare), colour: "--mark", marks: true, filled: true, kind: "dot" });
  return { time: [...history.time, ...path.map((each) => each.time)], series };
}

/** How many of the newest points to ask for after so many samples: twice as many and some, for more come meanwhile. */
export function newest(samples, most) { return Math.min(most, 2 * Math.max(0, samples) + 10); }

/**
 * A history of at most so many points with what is new in the newest ones; null where these do not reach back to its end.
 * Each point has a number, ascending, with others' points between; they begin anew with the daemon.
 */
export function joined(history, points, most) {
  const last = history.number.at(-1) ?? 0, anew = points.number.at(-1) < last;
  const first = anew ? points.time.findIndex((each) => each > history.time.at(-1)) : points.number.findIndex((each) => each > last);
  if (!anew && first === 0 && points.number.length < most && history.number.length) return null;
  const join = (old, young) => (first < 0 ? old : [...old, ...young.slice(first)].slice(-most));
  const before = anew && first >= 0 ? history.number.map(() => 0) : history.number;
  return { ...history, ...Object.fromEntries(LISTS.map((key) => [key, join(key === "number" ? before : history[key], points[key])])),
    smoothed: Object.fromEntries(Object.entries(history.smoothed).map(([beta, old]) => [beta, join(old, points.smoothed[beta])])) };
}

/** The last n points of a history. */
export function tail(history, n) {
  const cut = (values) => values.slice(-n);
  return { ...Object.fromEntries(["time", "value", "forecast", "lower", "upper", "score"].map((key) => [key, cut(history[key] ?? [])])),
    smoothed: Object.fromEntries(Object.entries(history.smoothed).map(([beta, values]) => [beta, cut(values)])) };
}
