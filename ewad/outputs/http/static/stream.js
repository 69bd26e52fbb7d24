// One stream: its chart, its numbers, what they mean, and how its model is doing.

import { follow, get, pathOf } from "./api.js";
import { Chart } from "./chart.js";
import { breakable, facts, make, say } from "./dom.js";
import { ago, number, span, uncorrected, window, worth } from "./text.js";

const POINTS = 720, DETAIL_MS = 5000;
const SPANS = [60, 240, POINTS]; // points that the chart shows, unless zoomed
const COLOURS = ["--smooth0", "--smooth1", "--smooth2"];
const EXPERTS = ["--smooth0", "--smooth1", "--forecast", "--smooth2", "--value", "--mark"];

/** Show a stream in an element; return what ends that. */
export function showStream(main, name, group) {
  const where = group ? { group } : {};
  let shown = SPANS[1];
  const readout = make("p", { class: "small quiet", role: "status" }, "Point at the chart, or move along it with the arrow keys. Drag to zoom, double-click for all.");
  const box = make("div", { class: "chart" });
  const legend = make("ul", { class: "legend" });
  const raw = make("input", { type: "checkbox", change: () => draw() });
  const spans = make("div", { class: "tools", role: "group", "aria-label": "How far back" }, ...SPANS.map((points) =>
    make("button", { type: "button", class: "span", "aria-pressed": String(points === shown), click: (event) => {
      shown = points;
      for (const each of spans.children) each.setAttribute("aria-pressed", String(each === event.currentTarget));
      chart.zoom(null);
      draw();
    } }, points === POINTS ? "all points" : `${points} points`)));
  const numbers = make("div"), model = make("div"), unit = { name: null };
  const learned = new Learned();
  main.append(
    make("p", { class: "small" }, make("a", { href: "#" }, "All streams")),
    make("h2", {}, ...breakable(name)),
    make("div", { class: "card" }, spans, box, legend, readout,
      make("label", { class: "small" }, raw, " show the averages without bias correction: they start at 0")),
    make("div", { class: "card" }, numbers), model, learned.element, explanation());
  const chart = new Chart(box, (points) => say(readout, points ? points.map((each) => `${each.name} ${number(each.value, unit.name)}`).join(", ") + `, at ${new Date(points[0].time * 1000).toLocaleString("en-GB")}` : "Point at the chart for its numbers."));
  const hidden = new Set();
  let history = null, curve = null, now = null, closed = false, unfollow = () => {}, timer = 0;

  async function load() {
    try {
      const [detail, points, ahead] = await Promise.all([
        get(pathOf(name), where), get(pathOf(name, "/history"), { ...where, points: POINTS }), get(pathOf(name, "/forecast"), where)]);
      if (closed) return;
      history = points;
      curve = ahead;
      showDetail(detail);
      draw();
      unfollow();
      unfollow = follow([name], (streams) => catchUp(streams.find((each) => !group || each.group === group)));
    } catch (error) {
      if (!closed) { numbers.replaceChildren(make("p", {}, `This stream can't be read: ${error.message}`)); timer = setTimeout(load, DETAIL_MS); }
      return;
    }
    timer = setTimeout(refresh, DETAIL_MS);
  }

  async function refresh() {
    try { const detail = await get(pathOf(name), where); if (!closed) showDetail(detail); } catch { /* the header says that ewad does not answer */ }
    if (!closed) timer = setTimeout(refresh, DETAIL_MS);
  }

  async function catchUp(stream) {
    if (!stream || closed || !history) return;
    const news = Math.min(POINTS, Math.max(1, stream.samples - (now?.samples ?? 0)) + 1);
    showNumbers(stream);
    try {
      const [points, ahead] = await Promise.all([
        get(pathOf(name, "/history"), { ...where, points: news }), get(pathOf(name, "/forecast"), where)]);
      if (closed) return;
      merge(points);
      curve = ahead;
      draw();
    } catch { /* the next event brings the rest */ }
  }

  function merge(points) {
    const last = history.number[history.number.length - 1] ?? 0;
    const first = points.number.findIndex((each) => each > last);
    if (first < 0) return;
    const join = (old, young) => [...old, ...young.slice(first)].slice(-POINTS);
    for (const key of ["number", "time", "value", "forecast", "lower", "upper", "anomaly"]) history[key] = join(history[key], points[key]);
    for (const beta of Object.keys(history.smoothed)) history.smoothed[beta] = join(history.smoothed[beta], points.smoothed[beta]);
  }

  function series() {
    const tail = (values) => values.slice(-shown);
    const time = tail(history.time), outside = tail(history.anomaly).map((score) => score !== null && score > 1);
    const found = [{ name: "value", time, value: tail(history.value), colour: "--value", width: 1.2 }];
    Object.keys(history.smoothed).forEach((beta, i) => {
      const corrected = history.smoothed[beta], numeric = Number(beta);
      const value = raw.checked && Number.isFinite(numeric) ? uncorrected(corrected, numeric, now?.samples ?? corrected.length) : corrected;
      found.push({ name: `smoothed ${beta}`, time, value: tail(value), colour: COLOURS[i % COLOURS.length], width: 2 });
    });
    if (history.forecast.some((value) => value !== null)) {
      found.push({ name: "forecast for it", time, value: tail(history.forecast), colour: "--forecast", width: 1, dash: [4, 3], band: [tail(history.lower), tail(history.upper)], fill: "--band" });
    }
    const ahead = curve.forecast.filter((each) => each.time !== null && each.value !== null);
    if (ahead.length && time.length) {
      const value = history.value[history.value.length - 1];
      const from = { time: time[time.length - 1], value, lower: value, upper: value };
      const path = [from, ...ahead];
      found.push({ name: "forecast ahead", time: path.map((each) => each.time), value: path.map((each) => each.value), colour: "--forecast", width: 2.5,
        band: [path.map((each) => each.lower), path.map((each) => each.upper)], fill: "--band", inRange: true });
    }
    found.push({ name: "outside its interval", time, value: tail(history.value).map((value, i) => (outside[i] ? value : null)), colour: "--mark", marks: true });
    return found;
  }

  function draw() {
    const all = series();
    for (const each of all) each.hidden = hidden.has(each.name);
    const last = history.time.length - 1;
    const label = last < 0 ? `Chart of ${name}: no points yet` : `Chart of ${name}: ${history.time.length} points in ${span(history.time[last] - history.time[0])}, last value ${number(history.value[last], unit.name)}`;
    chart.show(all, history.time[last], label);
    legend.replaceChildren(...all.map((each) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = `var(${each.colour})`;
      return make("li", {}, make("button", { type: "button", "aria-pressed": String(!each.hidden), click: () => { hidden.has(each.name) ? hidden.delete(each.name) : hidden.add(each.name); draw(); } }, swatch, each.name));
    }));
  }

  function showNumbers(stream) {
    now = stream;
    unit.name = stream.unit;
    const labels = Object.entries(stream.labels).map(([key, value]) => `${key} = ${value}`).join(", ");
    numbers.replaceChildren(facts([
      ["Value", number(stream.value, stream.unit)],
      ...Object.entries(stream.smoothed).map(([beta, value]) => [`Smoothed over ${window(beta)}`, `${number(value, stream.unit)} ± ${number(stream.deviation[beta])}`]),
      ...stream.forecasts.slice(0, 6).map((each) => [`Forecast, ${each.horizon} ahead`, `${number(each.value, stream.unit)}${each.lower === null ? "" : `, ${number(each.lower)} to ${number(each.upper)}`}`]),
      ...(stream.forecasts.length ? [["The forecast is", worth(stream.forecasts[0].skill)]] : []),
      ...(stream.forecasts[0]?.coverage != null ? [["Values inside their interval", `${Math.round(stream.forecasts[0].coverage * 100)} %`]] : []),
      ["Anomaly score", stream.anomaly === null ? "–" : stream.anomaly.toFixed(2)],
      ["Samples", stream.samples.toLocaleString("en")],
      ["Last seen", ago(stream.time, Date.now() / 1000)],
      ["Group", stream.group],
      ...(labels ? [["Labels", labels]] : []),
    ]));
  }

  function showDetail(detail) {
    showNumbers(detail.now);
    const of = detail.model;
    if (!of) { model.replaceChildren(); return; }
    learned.add(of);
    const nearest = String(of.horizons[0]);
    const bars = of.experts.filter((each) => nearest in each.weights).flatMap((each) => {
      const share = each.weights[nearest] ?? 0;
      return [make("span", {}, each.name), make("meter", { min: 0, max: 1, value: share, "aria-label": `Weight of ${each.name}` }), make("span", { class: "small" }, `${Math.round(share * 100)} %`)];
    });
    const learning = of.experts.filter((each) => each.learning_rate !== null);
    model.replaceChildren(make("div", { class: "card" },
      make("h2", {}, `Model ${of.name}`),
      ...(bars.length ? [make("p", { class: "quiet small" }, `Who has the say at horizon ${nearest}, by track record`), make("div", { class: "bars" }, ...bars)] : []),
      facts([
        ["Learns from", of.share === "group" ? "all streams of its group" : "this stream alone"],
        ["Sees", `${of.lags} ${of.every_seconds ? `grid steps of ${span(of.every_seconds)}` : "samples"}`],
        ["Optimizer", of.optimizer],
        ...learning.map((each) => [`${each.name}: loss`, `${number(each.loss)}${each.plateau ? ", on a plateau" : ""}`]),
        ...learning.map((each) => [`${each.name}: learning rate`, `${each.learning_rate.toPrecision(3)} in epoch ${each.epoch}`]),
      ])));
  }

  load();
  return () => { closed = true; clearTimeout(timer); unfollow(); chart.close(); learned.close(); };
}

/** Who had the say, and what learning cost, since the page of a stream was opened: the daemon keeps neither. */
class Learned {
  constructor() {
    this.time = [];
    this.weights = new Map();
    this.losses = new Map();
    this.element = make("div", { class: "card", hidden: true });
    const chart = (title) => {
      const box = make("div", { class: "chart low" }), legend = make("p", { class: "legend" });
      this.element.append(make("h2", {}, title), box, legend);
      return { chart: new Chart(box), legend, title };
    };
    this.charts = [[chart("Who has the say, while you watch"), this.weights], [chart("Loss, while you watch"), this.losses]];
  }

  add(model) {
    const nearest = String(model.horizons[0]);
    this.time = [...this.time, Date.now() / 1000].slice(-POINTS);
    const keep = (kept, name, value) => kept.set(name, [...(kept.get(name) ?? []), value].slice(-POINTS));
    for (const each of model.experts) {
      if (nearest in each.weights) keep(this.weights, each.name, each.weights[nearest]);
      if (each.loss !== null || this.losses.has(each.name)) keep(this.losses, each.name, each.loss);
    }
    this.element.hidden = this.time.length < 2;
    if (!this.element.hidden) for (const [drawn, kept] of this.charts) this.draw(drawn, kept);
  }

  draw({ chart, legend, title }, kept) {
    const series = [...kept].map(([name, value], i) => ({ name, time: this.time.slice(-value.length), value, colour: EXPERTS[i % EXPERTS.length], width: 2 }));
    chart.show(series, undefined, `Chart: ${title}. ${series.map((each) => `${each.name} ${number(each.value[each.value.length - 1])}`).join(", ")}`);
    legend.replaceChildren(...series.map((each) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = `var(${each.colour})`;
      return make("span", {}, swatch, ` ${each.name}`);
    }));
  }

  close() { for (const [{ chart }] of this.charts) chart.close(); }
}

function explanation() {
  const words = [
    ["Smoothed", "The exponentially weighted average v = beta v + (1 - beta) x. It looks back over about 1 / (1 - beta) samples: a larger beta is smoother, and later. Divided by 1 - beta^t (bias correction) it is right from the first sample on; without that it starts at 0."],
    ["Forecast and interval", "What the model expects so many samples ahead, and the range that holds the value as often as was asked for. The interval widens when values fall outside, and narrows when not."],
    ["Worth", "How much smaller the squared error is than that of “nothing changes”, over about the last 200 forecasts."],
    ["Anomaly score", "How far the value fell from its forecast, in half-widths of the interval: above 1 it was outside. One in ten is, at 90 %."],
    ["Loss and learning rate", "The cost of the last mini-batches, averaged, in squared units of a typical step; and how large the steps of the optimizer are now. A plateau is where the loss no longer falls."],
  ];
  return make("details", { class: "card explain" }, make("summary", {}, "What these numbers mean"),
    make("dl", {}, ...words.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
}
