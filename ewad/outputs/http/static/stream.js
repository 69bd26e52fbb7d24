// One stream: its chart, its numbers, what they mean, and how its model is doing.

import { follow, get, pathOf } from "./api.js";
import { breakable, facts, make, say, table } from "./dom.js";
import { Learned } from "./learned.js";
import { Panel } from "./panel.js";
import { joined, newest, seriesOf, tail } from "./series.js";
import { ago, crossing, number, span, story, unitOf, unusual, window, worth, worthAlone } from "./text.js";

const POINTS = 720, DETAIL_MS = 5000;
const SPANS = [60, 240, POINTS]; // points that the chart shows, unless zoomed

/** Show a stream in an element; return what ends that. */
export function showStream(main, name, group) {
  const where = group ? { group } : {};
  const value = make("p", { class: "value" }), words = make("p", { class: "story" }), chips = make("ul", { class: "chips" });
  const raw = make("input", { type: "checkbox", change: () => draw() });
  const numbers = make("div", { class: "card" }), model = make("div");
  const panel = new Panel({ spans: SPANS, shown: SPANS[1], write: (each) => number(each, now?.unit), onSpan: () => draw() });
  const learned = new Learned();
  main.append(
    make("p", { class: "small back" }, make("a", { href: "#" }, "All streams")),
    make("div", { class: "hero" }, make("div", {}, make("h2", {}, ...breakable(name)), chips), value, words),
    make("div", { class: "card" }, panel.element, make("label", { class: "small" }, raw, " Show the averages without bias correction: they start at 0.")),
    numbers, model, learned.element, explanation());
  let history = null, curve = null, now = null, interval = null, drawn = 0, closed = false, unfollow = () => {}, timer = 0;

  async function load() {
    try {
      const [detail, points, ahead, learning] = await Promise.all([
        get(pathOf(name), where), get(pathOf(name, "/history"), { ...where, points: POINTS }), get(pathOf(name, "/forecast"), where),
        get(pathOf(name, "/learning"), where)]);
      if (closed) return;
      history = points;
      drawn = detail.now.samples;
      curve = ahead;
      learned.begin(learning, detail.model?.interval ?? null);
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
    const recent = (points) => get(pathOf(name, "/history"), { ...where, points });
    try {
      const [points, ahead] = await Promise.all([
        recent(newest(stream.samples - drawn, POINTS)), stream.forecasts.length ? get(pathOf(name, "/forecast"), where) : curve]);
      const whole = joined(history, points, POINTS) ?? joined(history, await recent(POINTS), POINTS);
      if (closed || !whole) return;
      history = whole;
      drawn = stream.samples;
      curve = ahead;
      showNumbers(stream);
      draw();
    } catch { /* the next event brings the rest */ }
  }

  function draw() {
    const last = history.time.length - 1;
    const label = last < 0 ? `Chart of ${name}: no points yet` : `Chart of ${name}: ${history.time.length} points in ${span(history.time[last] - history.time[0])}, last value ${number(history.value[last], now?.unit)}`;
    const samples = raw.checked ? now?.samples ?? history.time.length : null;
    const { time, series } = seriesOf(tail(history, panel.shown), curve.forecast, samples);
    panel.show(time, series, label, { now: history.time[last], unit: unitOf(now?.unit), levels: levels() });
  }

  function levels() {
    return (now?.thresholds ?? []).map((each) => ({ name: `${each.name}: ${each.above ? ">" : "<"} ${number(each.value)}`, value: each.value, colour: "--mark" }));
  }

  function showNumbers(stream) {
    now = stream;
    say(value, number(stream.value, stream.unit));
    say(words, story(stream, curve?.forecast ?? [], interval));
    value.className = unusual(stream) ? "value alarm" : "value";
    chips.replaceChildren(...[["group", stream.group], ...Object.entries(stream.labels)].map(([key, text]) => make("li", {}, make("span", { class: "quiet" }, `${key} `), text)));
    const [ahead] = stream.forecasts;
    numbers.replaceChildren(
      facts([
        ...Object.entries(stream.smoothed).map(([beta, each]) => [`Smoothed over ${window(beta)}`, `${number(each, stream.unit)} ± ${number(stream.deviation[beta])}`]),
        ...(ahead ? [["The forecast is", worth(ahead.skill)]] : []),
        ...(ahead?.coverage != null ? [["Values inside their interval", `${Math.round(ahead.coverage * 100)} %${interval ? ` of the ${Math.round(interval * 100)} % asked for` : ""}`]] : []),
        ["Anomaly score", stream.anomaly === null ? "–" : `${stream.anomaly.toFixed(2)}${stream.anomalous ? ", in an anomaly" : ""}`],
        ...stream.thresholds.map((each) => crossing(each, stream.unit, stream.time)).map(({ is, when }) => [`Threshold ${is}`, when]),
        ["Samples", stream.samples.toLocaleString("en")],
        ["Last seen", `${ago(stream.time, Date.now() / 1000)}${stream.stale ? ", silent for too long" : ""}`],
      ]),
      ...(ahead ? [make("h3", {}, "Forecasts"), forecasts(stream)] : []));
  }

  function forecasts(stream) {
    const times = new Map((curve?.forecast ?? []).map((each) => [each.horizon, each.time === null ? "–" : span(each.time - curve.made)]));
    return table(["Samples ahead", "That is in", "Expected", "From", "To", "Than “nothing changes”"], stream.forecasts.map((each) => [
      each.horizon.toLocaleString("en"), times.get(each.horizon) ?? "–",
      number(each.value, stream.unit), number(each.lower, stream.unit), number(each.upper, stream.unit), worthAlone(each.skill)]));
  }

  function showDetail(detail) {
    const of = detail.model;
    interval = of?.interval ?? null;
    showNumbers(detail.now);
    if (!of) { model.replaceChildren(); return; }
    learned.add(detail.now, of);
    const nearest = String(of.horizons[0]);
    const bars = of.experts.filter((each) => nearest in each.weights).flatMap((each) => bar(each.name, each.weights[nearest] ?? 0));
    const learning = of.experts.filter((each) => each.learning_rate !== null);
    model.replaceChildren(make("div", { class: "card" },
      make("h3", {}, `Model ${of.name}`),
      facts([
        ["Learns from", of.share === "group" ? "all streams of its group" : "this stream alone"],
        ["Sees", `${of.lags} ${of.every_seconds ? `grid steps of ${span(of.every_seconds)}` : "samples"}`],
        ["Optimizer", of.optimizer],
      ]),
      ...(bars.length ? [make("h3", {}, "Who has the say"), make("p", { class: "quiet small" }, `Each expert's weight in the forecast ${nearest} ahead, by its track record.`), make("div", { class: "bars" }, ...bars)] : []),
      ...(learning.length ? [make("h3", {}, "Learning"), table(["Expert", "Loss", "Learning rate", "Epoch", "Loss still falls"], learning.map((each) => [
        each.name, number(each.loss), each.learning_rate.toPrecision(3), number(each.epoch), each.plateau ? "no: a plateau" : "yes"]))] : [])));
  }

  load();
  return () => { closed = true; clearTimeout(timer); unfollow(); panel.close(); learned.close(); };
}

/** A weight as a bar. */
function bar(name, share) {
  const filled = make("span");
  filled.style.width = `${100 * share}%`;
  return [make("span", {}, name), make("span", { class: "bar", role: "meter", "aria-label": `Weight of ${name}`, "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": share.toFixed(3) }, filled), make("span", { class: "small number" }, `${Math.round(share * 100)} %`)];
}

function explanation() {
  return make("details", { class: "card explain" }, make("summary", {}, "What these numbers mean"),
    make("dl", {}, ...MEANINGS.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
}

const MEANINGS = [
  ["Smoothed", "The exponentially weighted average v = beta v + (1 - beta) x. It looks back over about 1 / (1 - beta) samples: a larger beta is smoother, and later. Divided by 1 - beta^t (bias correction) it is right from the first sample on; without that it starts at 0."],
  ["Forecast and interval", "What the model expects so many samples ahead, and the range that holds the value as often as was asked for. The interval widens when values fall outside, and narrows when not."],
  ["Worth", "How much smaller the squared error is than that of “nothing changes”, over about the last 200 forecasts."],
  ["Anomaly score", "How rarely this stream does what it has just done: 1 is once in 1,000 quiet samples, 2 once in a million. An anomaly begins above 1, and ends when it has been quiet for some samples and a minute. The chart marks those with dots. Circles mark something more usual: values outside their interval, one in ten at 90 %."],
  ["Threshold", "When the forecast crosses it, and when the first bound of the interval does."],
  ["Stuck", "The stream reports the same value for longer than stuck_after, or, unset, than it ever did."],
  ["Who has the say", "The forecast is a mixture of experts. Each has a weight by how good its forecasts were; whoever was right more often than chance allows gets more of it."],
  ["Loss and learning rate", "The cost of the last mini-batches, averaged, in squared units of a typical step; and how large the steps of the optimizer are now. A plateau is where the loss no longer falls."],
];
