// How the model of a stream has learned: who had the say, loss, learning rate and coverage over time.

import { make } from "./dom.js";
import { Panel } from "./panel.js";
import { styleOf } from "./series.js";
import { number } from "./text.js";

const MOST = 720; // points of each chart: what the daemon kept, and what comes while one watches
const CHARTS = [["weight", "Who had the say"], ["loss", "Loss over time"], ["learning_rate", "Learning rate over time"], ["coverage", "Values inside their interval"]];
const WRITTEN = { weight: percent, loss: number, learning_rate: short, coverage: percent };

export class Learned {
  constructor() {
    this.time = [];
    this.kept = Object.fromEntries(CHARTS.map(([key]) => [key, new Map()]));
    this.plateau = new Map();
    this.asked = null;
    this.element = make("div", { class: "card quarters", hidden: true });
    this.panels = CHARTS.map(([key, title]) => {
      const panel = new Panel({ low: true, write: WRITTEN[key], hint: "" });
      const box = make("section", {}, make("h3", {}, title), panel.element);
      this.element.append(box);
      return { key, title, panel, box };
    });
  }

  /** Begin with what the API has of it. asked: the coverage that intervals are meant to have, or null. */
  begin(learning, asked) {
    this.time = learning.time;
    this.asked = asked;
    for (const { name, plateau, ...of } of learning.experts) {
      for (const [key, values] of Object.entries(of)) if (values.length) this.kept[key].set(name, values);
      if (plateau.length) this.plateau.set(name, plateau);
    }
    if (learning.coverage.length) this.kept.coverage.set("inside", learning.coverage);
    this.draw();
  }

  /** Go on with how a stream stands, and its model. */
  add(stream, model) {
    if (stream.time === null || stream.time <= (this.time.at(-1) ?? -Infinity)) return;
    const before = this.time.length, nearest = String(model.horizons[0]);
    this.time = [...this.time, stream.time].slice(-MOST);
    const keep = (kept, name, value) => kept.set(name, [...(kept.get(name) ?? new Array(before).fill(null)), value].slice(-MOST));
    for (const each of model.experts) {
      if (nearest in each.weights) keep(this.kept.weight, each.name, each.weights[nearest]);
      if (each.learning_rate === null) continue;
      keep(this.kept.loss, each.name, each.loss);
      keep(this.kept.learning_rate, each.name, each.learning_rate);
      keep(this.plateau, each.name, each.plateau ? 1 : 0);
    }
    keep(this.kept.coverage, "inside", stream.forecasts[0]?.coverage ?? null);
    this.draw();
  }

  draw() {
    for (const { key, title, panel, box } of this.panels) {
      const series = this.seriesOf(key);
      box.hidden = !series.some((each) => each.value.some((value) => value !== null));
      const levels = key === "coverage" && this.asked ? [{ name: `${Math.round(100 * this.asked)} % asked for`, value: this.asked, colour: "--quiet" }] : [];
      if (!box.hidden) panel.show(this.time, series, `Chart: ${title}. ${series.filter((each) => !each.marks).map((each) => `${each.name} ${panel.write(each.value.at(-1))}`).join(", ")}`, { levels });
    }
    this.element.hidden = this.panels.every(({ box }) => box.hidden);
  }

  /** @returns {Record<string, any>[]} */
  seriesOf(key) {
    const lines = [...this.kept[key]].map(([name, value], i) => ({ name, value, ...styleOf(i), width: 2, dots: true }));
    if (key !== "loss") return lines;
    const flat = lines.map((each) => ({ ...each, name: `${each.name}: a plateau`, value: each.value.map((value, i) => (this.plateau.get(each.name)?.[i] ? value : null)), dots: false, dash: [], marks: true, kind: "ring" }));
    return [...lines, ...flat.filter((each) => each.value.some((value) => value !== null))];
  }

  close() { for (const { panel } of this.panels) panel.close(); }
}

function percent(value) { return value === null ? "–" : `${Math.round(100 * value)} %`; }

function short(value) { return value === null ? "–" : value.toPrecision(3); }
