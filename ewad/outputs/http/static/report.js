// A replay or a training as one page that needs no server: what was done, how good it was, and the charts.

import { facts, make, table } from "./dom.js";
import { Panel } from "./panel.js";
import { COLOURS, seriesOf, tail } from "./series.js";
import { number, span, unitOf, window, worthAlone } from "./text.js";

const main = document.getElementById("main");
const data = JSON.parse(document.getElementById("data").textContent);

main.append(make("h2", {}, data.title), ...data.notes.map((line) => make("p", { class: "note" }, line)));
for (const each of data.reports) main.append(scores(each));
for (const each of data.streams) main.append(stream(each));
if (data.omitted) main.append(make("p", { class: "quiet" }, `${data.omitted.toLocaleString("en")} more streams are not drawn: ewad replay -o has them all.`));
if (data.costs) main.append(...costs(data.costs));

/** What the forecasts of a group were worth. */
function scores({ group, model, interval, season, scored_from: from, scores: all }) {
  const inside = interval === null ? "" : `, intervals meant to hold ${Math.round(interval * 100)} %`;
  const share = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);
  return make("div", { class: "card" },
    make("h3", {}, `What the forecasts were worth: ${group}`),
    make("p", { class: "quiet small" }, `Model ${model}${inside}. All but the first ${Math.round(from * 100)} % is scored. The season it is compared with: ${season}.`),
    table(["Stream", "Ahead", "Scored", "MSE", "MAE", "MASE", "Than “nothing changes”", "Than a season before", "Inside", "Mean width"], all.map((each) => [
      each.stream, String(each.horizon), each.scored.toLocaleString("en"), number(each.mse), number(each.mae), number(each.mase),
      worthAlone(each.skill), worthAlone(each.skill_vs_season), share(each.coverage), number(each.mean_width)])));
}

/** A stream of a replay: its chart at a horizon of choice. */
function stream(each) {
  const n = each.time.length, horizons = Object.keys(each.horizons);
  const spans = [...new Set([240, 1000, n].filter((points) => points <= n))];
  let horizon = horizons[0];
  const write = (value) => number(value, each.unit);
  const panel = new Panel({ spans, shown: spans[0], write, onSpan: draw });
  const choice = make("select", { "aria-label": "Horizon", change: () => { horizon = choice.value; draw(); } },
    ...horizons.map((ahead) => make("option", { value: ahead }, `forecasts ${ahead} ahead`)));
  function draw() {
    const none = each.time.map(() => null);
    const made = each.horizons[horizon] ?? { forecast: none, lower: none, upper: none };
    const label = `Chart of ${each.stream}: ${n} points in ${span(each.time[n - 1] - each.time[0])}, last value ${write(each.value[n - 1])}`;
    const { time, series } = seriesOf(tail({ ...each, ...made }, panel.shown), each.ahead);
    panel.show(time, series, label, { now: each.time[n - 1], nowName: "end", unit: unitOf(each.unit) });
  }
  draw();
  const kept = each.total > n ? `the last ${n.toLocaleString("en")} of ${each.total.toLocaleString("en")} ${each.what}` : `${n.toLocaleString("en")} ${each.what}`;
  return make("div", { class: "card", "data-stream": each.stream },
    make("h3", {}, each.stream), make("p", { class: "quiet small" }, `${each.group}, ${kept}`), ...(horizons.length > 1 ? [choice] : []), panel.element,
    facts([["Last value", write(each.value[n - 1])], ...Object.entries(each.smoothed).map(([beta, values]) => [`Smoothed over ${window(beta)}`, write(values[n - 1])]),
      ...each.ahead.filter((ahead) => ahead.value !== null).map((ahead) => [`Expected ${ahead.horizon} ahead`, `${write(ahead.value)}${ahead.lower === null ? "" : `, ${number(ahead.lower)} to ${number(ahead.upper)}`}`])]));
}

/** What training cost, epoch by epoch, and how each optimizer did. */
function costs({ results, curves, persistence }) {
  const chart = (title, key) => {
    const panel = new Panel({ write: number, writeX: (epoch) => `epoch ${Math.round(epoch)}` });
    const longest = Math.max(1, ...curves.map((each) => each[key].length));
    const epochs = Array.from({ length: longest }, (_, i) => i + 1);
    const series = curves.map((each, i) => ({ name: each.diverged ? `${each.optimizer}, diverged` : each.optimizer, value: epochs.map((epoch) => each[key][epoch - 1]), colour: COLOURS[i % COLOURS.length], width: 2, dots: true }));
    series.push({ name: "nothing changes", value: epochs.map(() => persistence[key]), colour: "--quiet", width: 1.5, dash: [2, 4], kind: "dashed" });
    const known = series.flatMap((each) => each.value).filter((value) => value != null);
    const wide = Math.min(...known) > 0 && Math.max(...known) > 20 * Math.min(...known);
    panel.show(epochs, series, `Chart: ${title}`, { plain: true, logarithmic: wide });
    return make("div", { class: "card" }, make("h3", {}, title), make("p", { class: "quiet small" }, "Mean squared error of standardised values, after each epoch."), panel.element);
  };
  const rows = results.map((each) => [each.optimizer, String(each.batch_size), String(each.epochs), each.seconds.toFixed(2), number(each.train_cost), number(each.validation_cost), each.reason || "trained"]);
  rows.push(["nothing changes", "", "", "", number(persistence.train), number(persistence.validation), ""]);
  return [make("div", { class: "card" }, table(["Optimizer", "Batch size", "Epochs", "Seconds", "Cost in training", "Cost in validation", "How it ended"], rows)),
    chart("Cost in training", "train"), chart("Cost in validation", "validation")];
}
