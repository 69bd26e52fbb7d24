// What there is of a stream -> the series of its chart. Pure functions: no document, no network.

import { uncorrected } from "./text.js";

const AVERAGES = ["--smooth0", "--smooth1", "--smooth2"];
export const COLOURS = ["--smooth0", "--smooth1", "--forecast", "--smooth2", "--value", "--mark"];

/** How the i-th of many lines is told from the others: by its colour, then by dashes. */
export function styleOf(i) {
  const colour = COLOURS[i % COLOURS.length];
  return i < COLOURS.length ? { colour, kind: "line" } : { colour, kind: "dashed", dash: [5, 3] };
}


/**
 * history: lists of one length: time, value, smoothed (by beta), forecast, lower, upper as made for each point, and
 * its score, if there is one: above 1 it is an anomaly.
 * ahead: {time, value, lower, upper}, the nearest first.  samples: null, or to show averages without bias correction:
 * how many samples the stream has had.
 */
export function seriesOf(history, ahead, samples = null) {
  const { time, value } = history, last = time.length - 1;
  /** @type {Record<string, any>[]} */
  const found = [{ name: "value", time, value, colour: "--value", width: 1.3, dots: true, kind: "line" }];
  Object.entries(history.smoothed).forEach(([beta, corrected], i) => {
    const numeric = Number(beta);
    const raw = samples !== null && Number.isFinite(numeric);
    found.push({ name: `smoothed ${beta}`, time, value: raw ? uncorrected(corrected, numeric, samples) : corrected, colour: AVERAGES[i % AVERAGES.length], width: 2, kind: "line" });
  });
  if (history.forecast.some((each) => each !== null)) {
    found.push({ name: "forecast for it", time, value: history.forecast, colour: "--forecast", width: 1, dash: [4, 3], band: [history.lower, history.upper], fill: "--band", kind: "dashed" });
  }
  const path = ahead.filter((each) => each.time !== null && each.value !== null);
  if (path.length && time.length) {
    const all = [{ time: time[last], value: value[last], lower: value[last], upper: value[last] }, ...path];
    found.push({ name: "forecast ahead", time: all.map((each) => each.time), value: all.map((each) => each.value), colour: "--forecast", width: 2.5,
      band: [all.map((each) => each.lower), all.map((each) => each.upper)], fill: "--fan", inRange: true, kind: "fan" });
  }
  const outside = value.map((each, i) => (history.lower[i] !== null && (each < history.lower[i] || each > history.upper[i]) ? each : null));
  if (outside.some((each) => each !== null)) found.push({ name: "outside its interval", time, value: outside, colour: "--mark", width: 2, marks: true, kind: "ring" });
  const rare = (history.score ?? []).map((each, i) => (each !== null && each > 1 ? value[i] : null));
  if (rare.some((each) => each !== null)) found.push({ name: "anomaly", time, value: rare, colour: "--mark", marks: true, filled: true, kind: "dot" });
  return found;
}

/** The last n points of a history. */
export function tail(history, n) {
  const cut = (values) => values.slice(-n);
  return { ...Object.fromEntries(["time", "value", "forecast", "lower", "upper", "score"].map((key) => [key, cut(history[key] ?? [])])),
    smoothed: Object.fromEntries(Object.entries(history.smoothed).map(([beta, values]) => [beta, cut(values)])) };
}
