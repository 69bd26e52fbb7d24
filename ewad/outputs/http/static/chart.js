// A chart of lines, bands and marks over one axis. uPlot draws it, scales it and finds what is under the crosshair;
// here is what a page adds: the future, levels, keys, fingers, and colours of the page. Knows nothing of ewad.

import { make, say } from "./dom.js";

const MISSING = "There is no chart, for its library is missing: uPlot could not be fetched when ewad was installed. "
  + "“make page” in ewad's folder fetches it; then start ewad again. All numbers are on this page without it.";
const TOP = 22, RIGHT = 14, DOT = 9; // pixels above the plot, right of it, and that a point needs to be seen as one
const INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]; // of an axis of whole numbers
/** @type {[number, string, string][]} What is written at ticks so many seconds apart, and below it where that changes. */
const TIMES = [
  [31536000, "{YYYY}", ""], [2419200, "{MMM}", "{YYYY}"], [86400, "{D} {MMM}", "{YYYY}"],
  [60, "{HH}:{mm}", "{D} {MMM} {YYYY}"], [1, "{HH}:{mm}:{ss}", "{D} {MMM} {YYYY}"], [0, "{HH}:{mm}:{ss}.{fff}", "{D} {MMM} {YYYY}"],
];

export class Chart {
  /**
   * Take the element to draw in, and what to call with the time and the points under the crosshair (or null).
   * @param {HTMLElement} element
   * @param {(time: number | null, points: {name: string, value: number}[]) => void} onPoint
   */
  constructor(element, onPoint = () => {}) {
    this.element = element;
    this.onPoint = onPoint;
    this.note = make("p", { class: "empty" });
    element.append(this.note);
    element.tabIndex = 0;
    element.setAttribute("role", "img");
    this.time = [];
    this.series = [];
    this.options = {};
    this.view = null; // [from, to] when zoomed, else all
    this.at = null; // the time of the crosshair
    this.plot = null; // of uPlot, made anew when other series are shown
    this.shape = "";
    this.size = 1;
    this.fingers = new Map(); // where each touches
    this.style = getComputedStyle(document.documentElement);
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(element);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => this.plot?.redraw(false);
    this.dark.addEventListener("change", this.recolour);
    this.listen();
  }

  /**
   * time: ascending, of all series.  series: {name, value, colour, width, dash, dots, band: [lower, upper], fill, inRange,
   * marks, filled, hidden}, lists as long as time: null is a gap, undefined where a series has no point.
   * options: now: a time, after which is the future, and nowName, what it is called; unit: above the numbers; levels:
   * {name, value, colour}, lines across; plain: x is a number, not a time; logarithmic: y is.
   */
  show(time, series, label, options = {}) {
    Object.assign(this, { time, series, options });
    this.element.setAttribute("aria-label", label);
    this.draw();
  }

  close() {
    this.resizing.disconnect();
    this.dark.removeEventListener("change", this.recolour);
    this.plot?.destroy();
  }

  draw() {
    const width = this.element.clientWidth, height = this.element.clientHeight;
    if (!width || !height) return; // not shown
    if (typeof uPlot === "undefined") { say(this.note, MISSING); return; }
    this.size = parseFloat(this.style.fontSize) / 16; // everything is as much larger as the page's text
    const shown = this.series.filter((each) => !each.hidden), banded = shown.filter((each) => each.band);
    const dense = shown.map((each) => each.marks && each.value.reduce((n, value) => n + (value != null), 0) * 12 * this.size > width);
    const shape = JSON.stringify([this.size, this.options.logarithmic, this.options.plain, dense, shown.map(({ value, band, ...look }) => [look, !!band])]);
    const data = [this.time, ...banded.flatMap((each) => each.band), ...shown.map((each) => each.value)];
    const at = this.at;
    if (shape !== this.shape) {
      this.plot?.destroy();
      this.shape = shape;
      this.plot = new uPlot(this.layout(shown, banded, dense, width, height), data, this.element);
    } else if (width !== this.plot.width || height !== this.plot.height) this.plot.setSize({ width, height });
    this.plot.batch(() => this.plot.setData(data));
    say(this.note, this.extent() && this.plot.scales.y.min !== null ? "" : this.view ? "Nothing here: double-click for all." : "Waiting for samples.");
    if (at !== null) this.cross(at);
  }

  /**
   * What uPlot is to draw: edges of bands first, which have no line, then a series for each that is shown.
   * @returns {uPlot.Options}
   */
  layout(shown, banded, dense, width, height) {
    const { plain, logarithmic } = this.options, px = this.size, pixels = uPlot.pxRatio * px;
    const font = `${12 * px}px system-ui, sans-serif`, stroke = () => this.colour("--quiet"), none = { show: false };
    const edges = banded.flatMap((each) => [each, each]).map((each) => ({ width: 0, auto: !!each.inRange, points: none }));
    const lines = shown.map(({ name: label, filled, ...each }, i) => {
      const ink = () => this.colour(each.colour);
      const mark = { show: true, size: ((dense[i] ? 3 : DOT) + (filled ? 0 : 2)) * px, width: filled ? 0 : 2 * px, stroke: ink, fill: filled ? ink : "transparent" };
      if (each.marks) return { label, paths: () => null, points: mark };
      const dot = { size: 3.5 * px, width: 0, space: DOT * px, fill: ink, filter: (plot, of, all) => (all ? null : alone(plot.data[of])) };
      return { label, stroke: ink, width: (each.width ?? 1.5) * px, dash: each.dash?.map((length) => length * pixels), points: each.dots ? dot : { ...dot, show: false } };
    });
    const whole = { size: 26 * px, space: 60 * px, incrs: INCREMENTS, values: (_, ticks) => ticks.map((value) => value.toLocaleString("en")) };
    const times = { size: 42 * px, space: 96 * px, values: (plot, ticks, axis, space, step) => moments(plot, ticks, step, px) };
    return {
      width, height, legend: none, padding: [TOP * px, RIGHT * px, 0, 0],
      series: [{}, ...edges, ...lines],
      bands: banded.map((each, i) => ({ series: [2 * i + 2, 2 * i + 1], fill: () => this.colour(each.fill) })),
      scales: {
        x: { time: !plain, range: (_, from, to) => this.view ?? [from, to > from || from === null ? to : from + 1] },
        y: { distr: logarithmic ? 3 : 1, range: (_, low, high) => this.range(low, high) },
      },
      axes: [
        { stroke, font, ticks: none, gap: 7 * px, grid: none, ...(plain ? whole : times) },
        {
          stroke, font, ticks: none, gap: 7 * px, size: (plot, texts) => wide(plot, texts, px),
          grid: { stroke: () => this.colour("--line"), width: 1, filter: (plot, ...ticks) => plot.axes[1].filter(plot, ...ticks) }, // lines where a number stands
          space: (_, axis, from, to, length) => Math.min((logarithmic ? 24 : 52) * px, length / 3),
          values: (_, ticks, axis, space, step) => ticks.map((value) => written(value, logarithmic ? 0 : step)),
        },
      ],
      cursor: {
        y: false, dataIdx: (_, of, at) => at, drag: { setScale: false, dist: 8 }, bind: { dblclick: () => () => { this.zoom(null); return null; } },
        points: { size: (_, of) => (of > edges.length ? 8 * px : 0), width: 0, fill: (_, of) => this.colour(shown[of - 1 - edges.length]?.colour ?? "--line") },
      },
      hooks: { drawAxes: [(plot) => this.behind(plot, pixels)], setCursor: [(plot) => this.pointed(plot, shown, edges.length)], setSelect: [(plot) => this.selected(plot)] },
    };
  }

  colour(name) { return this.style.getPropertyValue(name).trim(); }

  /** What the chart shows of x, or null. */
  extent() {
    const { min, max } = this.plot?.scales.x ?? {};
    return min == null || max == null ? null : [min, max];
  }

  /**
   * The range of y for values in a range: some more, and levels that are near; far ones must not flatten the values.
   * @returns {uPlot.Range.MinMax}
   */
  range(low, high) {
    if (low === null || high === null) return [null, null];
    if (this.options.logarithmic) return uPlot.rangeLog(low, high, 10, false);
    const size = high - low || Math.abs(high) || 1;
    const near = (this.options.levels ?? []).map(({ value }) => value).filter((value) => value > low - size && value < high + size);
    [low, high] = [Math.min(low, ...near), Math.max(high, ...near)];
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - margin, high + margin];
  }

  /**
   * Below the lines: what is to come, levels, and the unit.
   * @param {uPlot} plot
   */
  behind(plot, pixels) {
    const { ctx: pen, bbox: { left, top, width, height }, scales: { x: { min: from, max: to }, y }, valToPos } = plot;
    if (from === null || y.min === null) return;
    const right = left + width, { now, nowName = "now", unit, levels = [] } = this.options;
    const line = (dash, ...path) => { pen.setLineDash(dash.map((length) => length * pixels)); pen.beginPath(); pen.moveTo(path[0], path[1]); pen.lineTo(path[2], path[3]); pen.stroke(); };
    pen.save();
    pen.lineWidth = pixels;
    pen.font = `${12 * pixels}px system-ui, sans-serif`;
    pen.textBaseline = "alphabetic";
    pen.strokeStyle = pen.fillStyle = this.colour("--quiet");
    pen.textAlign = "left";
    if (unit) pen.fillText(unit, 4 * pixels, top - 9 * pixels);
    if (now >= from && now < to) {
      const at = valToPos(now, "x", true);
      line([3, 4], at, top - 6 * pixels, at, top + height);
      pen.textAlign = at > right - 34 * pixels ? "right" : "center";
      pen.fillText(nowName, at, top - 9 * pixels);
      pen.fillStyle = this.colour("--future");
      pen.fillRect(at, top, right - at, height);
    }
    pen.textAlign = "left";
    for (const { name, value, colour } of levels) {
      const at = valToPos(value, "y", true);
      if (!(at >= top && at <= top + height)) continue;
      pen.strokeStyle = pen.fillStyle = this.colour(colour);
      line([6, 4], left, at, right, at);
      pen.fillText(name, left + 6 * pixels, at < top + 16 * pixels ? at + 14 * pixels : at - 5 * pixels);
    }
    pen.restore();
  }

  pointed(plot, shown, edges) {
    const { cursor: { idx, left }, data } = plot;
    this.at = idx == null || left < 0 ? null : data[0][idx];
    const points = this.at === null ? [] : shown.map(({ name }, i) => ({ name, value: data[1 + edges + i][idx] ?? null }));
    this.onPoint(this.at, points.filter(({ value }) => value !== null));
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (!width) return;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
  }

  listen() {
    const pixel = (event) => event.clientX - this.plot.over.getBoundingClientRect().left;
    this.element.addEventListener("wheel", (event) => {
      if (!this.extent() || !(event.ctrlKey || event.shiftKey)) return; // the wheel alone scrolls the page
      event.preventDefault();
      if (event.shiftKey) this.pan(Math.sign(event.deltaY || event.deltaX) * 0.1);
      else this.scale(event.deltaY > 0 ? 1.25 : 0.8, this.plot.posToVal(pixel(event), "x"));
    }, { passive: false });
    this.element.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), "+": () => this.scale(0.8), "-": () => this.scale(1.25),
        PageUp: () => this.pan(-0.5), PageDown: () => this.pan(0.5), Home: () => this.zoom(null), Escape: () => this.cross(null),
      }[event.key];
      if (act && this.extent()) { event.preventDefault(); act(); }
    });
    const touch = (/** @type {PointerEvent} */ event) => { if (event.pointerType === "touch" && this.extent()) this.touch(event.pointerId, pixel(event)); };
    const lift = (/** @type {PointerEvent} */ event) => { this.fingers.delete(event.pointerId); };
    this.element.addEventListener("pointerdown", touch);
    this.element.addEventListener("pointermove", touch);
    this.element.addEventListener("pointerup", lift);
    this.element.addEventListener("pointercancel", lift);
  }

  /** One finger moves the crosshair; what is under two of them stays there: they pan and zoom. */
  touch(id, at) {
    const before = new Map(this.fingers);
    this.fingers.set(id, at);
    if (this.fingers.size === 1) { this.plot.setCursor({ left: at, top: 0 }); return; }
    if (before.size !== 2 || !before.has(id)) return;
    const [[a, b], [from, to]] = [[...this.fingers.values()], [...before.values()].map((each) => this.plot.posToVal(each, "x"))];
    const each = (to - from) / (b - a); // seconds of a pixel
    if (each > 0 && Number.isFinite(each)) this.zoom([from - a * each, from + (this.plot.over.clientWidth - a) * each]);
  }

  /** Show [from, to], or all; not less than a millisecond, nor a hundred times what there is. */
  zoom(view) {
    const whole = this.time[this.time.length - 1] - this.time[0] || 1, width = view ? view[1] - view[0] : whole;
    if (view && !(width > 0.001 && width < 100 * whole)) return;
    this.view = view;
    this.draw();
  }

  scale(factor, about = null) {
    const extent = this.extent();
    if (!extent) return;
    const [from, to] = extent, still = about ?? this.at ?? (from + to) / 2;
    this.zoom([still - (still - from) * factor, still + (to - still) * factor]);
  }

  pan(share) {
    const extent = this.extent();
    if (!extent) return;
    const [from, to] = extent, by = (to - from) * share;
    this.zoom([from + by, to + by]);
  }

  /** Go to the next point or the one before, the last one at first; follow it out of what is shown. */
  step(by) {
    const lines = this.series.filter((each) => !each.hidden && !each.marks), at = this.at;
    const times = this.time.filter((_, i) => lines.some((each) => each.value[i] != null));
    if (!times.length) return;
    const next = at === null ? undefined : by > 0 ? times.find((time) => time > at) : times.findLast((time) => time < at) ?? times[0];
    const time = next ?? times[times.length - 1], [from, to] = this.extent();
    if (time < from || time > to) this.view = [from, to].map((each) => each + time - (time < from ? from : to));
    this.at = time;
    this.draw();
  }

  /** Put the crosshair at a time, or away. */
  cross(time) { this.plot.setCursor(time === null ? { left: -10, top: -10 } : { left: this.plot.valToPos(time, "x"), top: 0 }); }
}

/** Where values stand alone between gaps: no line reaches them. */
function alone(values) { return values.flatMap((value, i) => (value != null && values[i - 1] == null && values[i + 1] == null ? [i] : [])); }

/** Ticks in local time, with the date below the first and where it changes; none where the picture would cut it. */
function moments(plot, ticks, step, px) {
  const [form, below] = TIMES.find(([least]) => step >= least).slice(1).map((each) => uPlot.fmtDate(String(each)));
  const end = plot.bbox.width / uPlot.pxRatio + RIGHT * px;
  let before = "";
  return ticks.map((tick) => {
    const moment = new Date(tick * 1000), text = form(moment), date = below(moment);
    if (plot.valToPos(tick, "x") + 3.4 * px * text.length > end) return ""; // half as many pixels as a digit has
    const told = date === before ? text : `${text}\n${date}`;
    before = date;
    return told;
  });
}

/** The width of an axis with texts beside it; at least that of half a date, which stands below its foot. */
function wide({ ctx, axes }, texts, px) {
  ctx.font = axes[1].font[0];
  return 16 * px + Math.max(26 * px, ...(texts ?? []).map((text) => ctx.measureText(text ?? "").width / uPlot.pxRatio));
}

/** A value beside a tick, with as many digits as the step between ticks has. */
function written(value, step) {
  if (value === null) return null;
  const digits = step ? [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].find((each) => Number(step.toFixed(each)) === step) ?? 10 : undefined;
  return value.toLocaleString("en", digits === undefined ? { maximumSignificantDigits: 3 } : { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
