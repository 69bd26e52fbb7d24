// A chart with all that belongs to it: how far back it looks, zoom, legend, and the numbers under the crosshair.

import { Chart } from "./chart.js";
import { make, say } from "./dom.js";

const HINT = "Point at the chart for its numbers, or walk along it with the arrow keys. Drag or pinch to zoom, double-click for all.";

export class Panel {
  /**
   * spans: how many last points there are to choose from, [] for no choice; shown: which of them at first.
   * write: (value) -> text;  writeX: (time) -> text;  onSpan: called when another span is chosen;  low: a lower chart.
   * @param {{spans?: number[], shown?: number, write?: (value: any) => string, writeX?: (value: number) => string,
   *   onSpan?: () => void, low?: boolean, hint?: string}} options
   */
  constructor({ spans = [], shown = null, write = String, writeX = moment, onSpan = () => {}, low = false, hint = HINT } = {}) {
    this.shown = shown;
    this.write = write;
    this.writeX = writeX;
    this.hint = hint;
    this.hidden = new Set();
    const box = make("div", { class: low ? "chart low" : "chart" });
    this.legend = make("ul", { class: "legend" });
    this.readout = make("p", { class: "readout", role: "status" }, hint);
    this.chart = new Chart(box, (time, points) => this.tell(time, points));
    const choice = spans.map((points) => make("button", { type: "button", class: "span", "aria-pressed": String(points === shown), click: (event) => {
      this.shown = points;
      for (const each of choice) each.setAttribute("aria-pressed", String(each === event.currentTarget));
      this.chart.zoom(null);
      onSpan();
    } }, points === Math.max(...spans) ? "all points" : `${points.toLocaleString("en")} points`));
    /** @type {[string, string, () => void][]} */
    const acts = [["◀", "Earlier", () => this.chart.pan(-0.5)], ["▶", "Later", () => this.chart.pan(0.5)], ["+", "Closer", () => this.chart.scale(0.5)], ["−", "Farther", () => this.chart.scale(2)]];
    const zoom = acts.map(([sign, name, act]) => make("button", { type: "button", class: "zoom", "aria-label": name, title: name, click: act }, sign));
    this.element = make("div", { class: "panel" });
    if (choice.length) this.element.append(make("div", { class: "tools" }, make("div", { class: "choice", role: "group", "aria-label": "How far back" }, ...choice), make("div", { class: "choice", role: "group", "aria-label": "Zoom" }, ...zoom)));
    this.element.append(box, this.legend, this.readout);
  }

  show(time, series, label, options = {}) {
    for (const each of series) each.hidden = this.hidden.has(each.name);
    this.chart.show(time, series, label, options);
    const keys = series.map((each) => `${each.name} ${each.hidden}`).join("\n");
    if (keys === this.keys) return; // a button that is being pressed must not be replaced
    this.keys = keys;
    this.legend.replaceChildren(...series.map((each) => make("li", {}, make("button", { type: "button", "aria-pressed": String(!each.hidden), click: () => {
      if (!this.hidden.delete(each.name)) this.hidden.add(each.name);
      this.show(this.chart.time, this.chart.series, this.chart.element.getAttribute("aria-label"), this.chart.options);
    } }, swatch(each), each.name))));
  }

  tell(time, points) {
    if (time === null) { say(this.readout, this.hint); return; }
    const told = points.map((each) => `${each.name} ${this.write(each.value)}`);
    say(this.readout, `${told.join(", ") || "nothing"}, at ${this.writeX(time)}`);
  }

  close() { this.chart.close(); }
}

/** A small picture of how a series is drawn. */
function swatch({ kind = "line", colour, fill }) {
  const box = make("span", { class: `swatch ${kind}`, "aria-hidden": "true" });
  box.style.setProperty("--of", `var(${colour})`);
  if (fill) box.style.setProperty("--fill", `var(${fill})`);
  return box;
}

function moment(time) { return new Date(time * 1000).toLocaleString("en-GB"); }
