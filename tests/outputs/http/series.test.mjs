// The series of a chart, without a browser, by node in a folder where the page's modules are beside this file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { joined, newest, seriesOf, styleOf, tail } from "./series.js";

const HISTORY = {
  time: [10, 20, 30], value: [1, null, 3], smoothed: { 0.5: [1, 1, 2], "half_life=1min": [1, 1, 1] },
  forecast: [null, 2, 2.5], lower: [null, 1, 2], upper: [null, 3, 2.75], score: [0.1, null, 1.5],
};
const AHEAD = [
  { horizon: 1, time: 30, value: 9, lower: 8, upper: 10 }, // made before the last point: for a time that is past
  { horizon: 2, time: 40, value: 4, lower: 3, upper: 5 },
  { horizon: 3, time: null, value: 7, lower: 6, upper: 8 }, // how often the stream reports is not known
  { horizon: 4, time: 60, value: 6, lower: null, upper: null },
];
const named = ({ series }) => Object.fromEntries(series.map((each) => [each.name, each]));

test("all series share one time: the past, then what is ahead", () => {
  const { time, series } = seriesOf(HISTORY, AHEAD);
  assert.deepEqual(time, [10, 20, 30, 40, 60]);
  for (const each of series) for (const values of [each.value, ...(each.band ?? [])]) assert.equal(values.length, time.length, each.name);
});

/** Points with these numbers. */
function points(...number) {
  const lists = ["time", "value", "forecast", "lower", "upper", "anomaly", "score"];
  return { number, ...Object.fromEntries(lists.map((key) => [key, number])), smoothed: { 0.5: number } };
}

test("a history goes on with what is new in the newest points, and keeps so many", () => {
  assert.deepEqual(joined(points(1, 4, 7), points(4, 7, 9, 12), 5), points(1, 4, 7, 9, 12));
  assert.deepEqual(joined(points(1, 4, 7), points(4, 7, 9, 12), 4), points(4, 7, 9, 12));
  assert.deepEqual(joined(points(1, 4), points(1, 4), 4), points(1, 4));
  assert.deepEqual(joined(points(), points(3, 5), 4), points(3, 5));
});

test("points that do not reach back to a history are no continuation of it, unless they are all there can be", () => {
  assert.equal(joined(points(1, 4, 7), points(9, 12), 4), null);
  assert.deepEqual(joined(points(1, 4, 7), points(9, 12, 13, 14), 4), points(9, 12, 13, 14));
});

test("a history goes on where the numbers of points begin anew, by their times", () => {
  const after = { ...points(1, 2), time: [7, 15], smoothed: { 0.5: [7, 15] } };
  const found = joined(points(4, 7), after, 5);
  assert.deepEqual([found.number, found.time, found.smoothed[0.5]], [[0, 0, 2], [4, 7, 15], [4, 7, 15]]);
});

test("more points are asked for than an event tells of, for more come meanwhile", () => {
  assert.ok(newest(100, 720) > 150);
  assert.equal(newest(1000, 720), 720);
  assert.ok(newest(0, 720) > 0);
});

test("a gap is null, and where a series has no point it is undefined", () => {
  const found = named(seriesOf(HISTORY, AHEAD));
  assert.deepEqual(found.value.value, [1, null, 3, undefined, undefined]);
  assert.deepEqual(found["forecast for it"].band, [[null, 1, 2, undefined, undefined], [null, 3, 2.75, undefined, undefined]]);
});

test("what is ahead begins at the last value, and its fan with it", () => {
  const ahead = named(seriesOf(HISTORY, AHEAD))["forecast ahead"];
  assert.deepEqual(ahead.value, [undefined, undefined, 3, 4, 6]);
  assert.deepEqual(ahead.band, [[undefined, undefined, 3, 3, null], [undefined, undefined, 3, 5, null]]);
});

test("what is outside its interval and what is an anomaly are marked where they are", () => {
  const found = named(seriesOf(HISTORY, AHEAD));
  assert.deepEqual(found["outside its interval"].value, [null, null, 3, undefined, undefined]);
  assert.deepEqual(found.anomaly.value, [null, null, 3, undefined, undefined]);
});

test("without bias correction averages start at 0; those without a beta stay", () => {
  const found = named(seriesOf(HISTORY, [], 3));
  assert.deepEqual(found["smoothed 0.5"].value, [0.5, 0.75, 1.75]);
  assert.deepEqual(found["smoothed half_life=1min"].value, [1, 1, 1]);
});

test("nothing is ahead of nothing", () => {
  const none = { time: [], value: [], smoothed: {}, forecast: [], lower: [], upper: [] };
  assert.deepEqual(seriesOf(none, AHEAD).time, []);
  assert.deepEqual(named(seriesOf(none, AHEAD)).value.value, []);
});

test("the last points of a history are the last of each of its lists", () => {
  assert.deepEqual(tail(HISTORY, 2), {
    time: [20, 30], value: [null, 3], forecast: [2, 2.5], lower: [1, 2], upper: [3, 2.75], score: [null, 1.5],
    smoothed: { 0.5: [1, 2], "half_life=1min": [1, 1] },
  });
});

test("many lines are told from each other", () => {
  const styles = Array.from({ length: 12 }, (_, i) => JSON.stringify(styleOf(i)));
  assert.equal(new Set(styles).size, 12);
});
