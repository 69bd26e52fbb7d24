// A chart of series on a canvas: lines, bands, marks, levels, a crosshair, zoom and pan. Knows nothing of ewad.

const RIGHT = 14, TOP = 22, BOTTOM = 26; // pixels around the plot; the left side is as wide as its numbers
const FONT = "12px system-ui, sans-serif", DIGIT = 7.2;

export class Chart {
  /**
   * Take the element to draw in, and what to call with the points under the crosshair (or null).
   * @param {HTMLElement} element
   * @param {(points: ReturnType<typeof nearest> | null) => void} onPoint
   */
  constructor(element, onPoint = () => {}) {
    this.element = element;
    this.onPoint = onPoint;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    element.append(this.canvas);
    this.series = [];
    this.options = {};
    this.view = null; // [from, to] when zoomed, else all
    this.cursor = null; // a time
    this.drag = null;
    this.size = 1;
    this.pending = false;
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(element);
    this.listen();
  }

  /**
   * series: {name, time, value, colour, width, dash, dots, band: [lower, upper], fill, inRange, marks, filled, hidden}.
   * options: now: a time, after which is the future, and nowName, what it is called; unit: above the numbers; levels: {name, value, colour}, lines across;
   * plain: x is a number, not a time; logarithmic: y is.
   */
  show(series, label, options = {}) {
    this.series = series;
    this.options = options;
    this.canvas.setAttribute("aria-label", label);
    this.draw();
  }

  close() { this.resizing.disconnect(); }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.paint(); });
  }

  /** @returns {[number, number] | null} */
  extent() {
    let from = Infinity, to = -Infinity;
    for (const each of this.series) {
      if (each.hidden || !each.time.length) continue;
      from = Math.min(from, each.time[0]);
      to = Math.max(to, each.time[each.time.length - 1]);
    }
    return from <= to ? [from, to > from ? to : from + 1] : null;
  }

  /** @returns {[number, number] | null} */
  range([from, to]) {
    let low = Infinity, high = -Infinity;
    const take = (value) => { if (value !== null && this.scaled(value) !== null) { low = Math.min(low, this.scaled(value)); high = Math.max(high, this.scaled(value)); } };
    for (const each of this.series) {
      if (each.hidden) continue;
      each.time.forEach((time, i) => {
        if (time < from || time > to) return;
        take(each.value[i]);
        if (each.band && each.inRange) { take(each.band[0][i]); take(each.band[1][i]); }
      });
    }
    if (!(low <= high)) return null;
    const size = high - low || Math.abs(high) || 1;
    for (const { value } of this.options.levels ?? []) {
      // a level near the values is worth seeing; one far off must not flatten them
      if (value < low && value > low - size) low = value;
      if (value > high && value < high + size) high = value;
    }
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - margin, high + margin];
  }

  /** The value as the axis has it; null where a logarithm has none. */
  scaled(value) { return !this.options.logarithmic ? value : value > 0 ? Math.log10(value) : null; }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const style = getComputedStyle(document.documentElement);
    this.size = parseFloat(style.fontSize) / 16; // everything is as much larger as the page's text
    const width = this.element.clientWidth / this.size, height = this.element.clientHeight / this.size;
    this.canvas.width = Math.round(this.element.clientWidth * ratio);
    this.canvas.height = Math.round(this.element.clientHeight * ratio);
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio * this.size, ratio * this.size);
    this.colour = (name) => style.getPropertyValue(name).trim() || name;
    const x = this.view ?? this.extent();
    const y = x && this.range(x);
    if (!x || !y) {
      this.box = null;
      pen.fillStyle = this.colour("--quiet");
      pen.font = "15px system-ui, sans-serif";
      pen.fillText(this.view ? "Nothing here: double-click for all." : "Waiting for samples.", 16, height / 2);
      return;
    }
    const [ticks, text] = valueTicks(y, Math.max(3, Math.floor((height - TOP - BOTTOM) / 56)), this.options.logarithmic);
    const left = 14 + DIGIT * Math.max(2, ...ticks.map((value) => text(value).length));
    this.box = { x, y, left, width: width - left - RIGHT, height: height - TOP - BOTTOM };
    this.future(pen);
    this.axes(pen, ticks, text);
    pen.save();
    pen.beginPath();
    pen.rect(left, TOP, this.box.width, this.box.height);
    pen.clip();
    for (const each of this.series) if (!each.hidden && each.band) this.band(pen, each);
    for (const each of this.options.levels ?? []) this.level(pen, each);
    for (const each of this.series) if (!each.hidden) this.line(pen, each);
    if (this.cursor !== null) this.crosshair(pen);
    if (this.drag && this.drag.to !== null) this.selection(pen);
    pen.restore();
  }

  px(time) { const { x, left, width } = this.box; return left + ((time - x[0]) / (x[1] - x[0])) * width; }
  py(value) { const { y, height } = this.box; return TOP + (1 - (this.scaled(value) - y[0]) / (y[1] - y[0])) * height; }
  at(pixel) { const { x, left, width } = this.box; return x[0] + ((pixel - left) / width) * (x[1] - x[0]); }

  /** Shade what is to come, and say where now is. */
  future(pen) {
    const { now } = this.options, { x, left, width, height } = this.box;
    if (now === undefined || now < x[0] || now >= x[1]) return;
    const at = this.px(now);
    pen.fillStyle = this.colour("--future");
    pen.fillRect(at, TOP, left + width - at, height);
    pen.strokeStyle = this.colour("--quiet");
    pen.lineWidth = 1;
    pen.setLineDash([3, 4]);
    pen.beginPath(); pen.moveTo(at, TOP - 6); pen.lineTo(at, TOP + height); pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = this.colour("--quiet");
    pen.font = FONT;
    pen.textAlign = at > left + width - 34 ? "right" : "center";
    pen.fillText(this.options.nowName ?? "now", at, TOP - 9);
  }

  axes(pen, ticks, text) {
    const { x, left, width, height } = this.box;
    pen.strokeStyle = this.colour("--line");
    pen.fillStyle = this.colour("--quiet");
    pen.font = FONT;
    pen.lineWidth = 1;
    pen.textAlign = "right";
    for (const value of ticks) {
      const at = Math.round(this.py(value)) + 0.5;
      pen.beginPath(); pen.moveTo(left, at); pen.lineTo(left + width, at); pen.stroke();
      pen.fillText(text(value), left - 7, at + 4);
    }
    if (this.options.unit) { pen.textAlign = "left"; pen.fillText(this.options.unit, 4, TOP - 9); }
    pen.textAlign = "center";
    const [times, written] = (this.options.plain ? wholeTicks : timeTicks)(x[0], x[1], Math.max(2, Math.floor(width / 110)));
    for (const time of times) pen.fillText(written(time), Math.max(left + 20, Math.min(this.px(time), left + width - 24)), TOP + height + 18);
  }

  visible(each) {
    // one point beyond either edge, so that lines run out of the picture
    const [from, to] = this.box.x;
    let first = 0, last = each.time.length - 1;
    while (first < last && each.time[first + 1] < from) first += 1;
    while (last > first && each.time[last - 1] > to) last -= 1;
    return [first, last];
  }

  line(pen, each) {
    const [first, last] = this.visible(each);
    pen.strokeStyle = pen.fillStyle = this.colour(each.colour);
    pen.lineWidth = each.width ?? 1.5;
    pen.setLineDash(each.dash ?? []);
    pen.lineJoin = "round";
    pen.beginPath();
    let down = false;
    const size = each.marks && each.value.reduce((n, value) => n + (value !== null), 0) * 12 > this.box.width ? 1.5 : 4.5;
    // points that can be told apart are seen as such
    const dots = each.dots && (last - first) * 9 < this.box.width;
    for (let i = first; i <= last; i += 1) {
      const value = each.value[i];
      if (value === null || this.scaled(value) === null) { down = false; continue; }
      const px = this.px(each.time[i]), py = this.py(value);
      if (each.marks) { pen.moveTo(px + size, py); pen.arc(px, py, size, 0, 7); }
      else if (down) pen.lineTo(px, py);
      else pen.moveTo(px, py);
      if (dots) { pen.moveTo(px + 1.5, py); pen.arc(px, py, 1.5, 0, 7); pen.moveTo(px, py); }
      down = true;
    }
    if (each.filled) pen.fill(); else pen.stroke();
    pen.setLineDash([]);
  }

  band(pen, each) {
    const [lower, upper] = each.band;
    const [first, last] = this.visible(each);
    pen.fillStyle = this.colour(each.fill);
    let run = [];
    const close = () => {
      if (run.length > 1) {
        pen.beginPath();
        run.forEach((i, k) => (k ? pen.lineTo : pen.moveTo).call(pen, this.px(each.time[i]), this.py(upper[i])));
        for (const i of run.reverse()) pen.lineTo(this.px(each.time[i]), this.py(lower[i]));
        pen.fill();
      }
      run = [];
    };
    for (let i = first; i <= last; i += 1) {
      if (lower[i] === null || upper[i] === null) close(); else run.push(i);
    }
    close();
  }

  level(pen, { name, value, colour }) {
    const { left, width, y } = this.box;
    if (value < y[0] || value > y[1]) return;
    const at = this.py(value);
    pen.strokeStyle = pen.fillStyle = this.colour(colour);
    pen.lineWidth = 1;
    pen.setLineDash([6, 4]);
    pen.beginPath(); pen.moveTo(left, at); pen.lineTo(left + width, at); pen.stroke();
    pen.setLineDash([]);
    pen.font = FONT;
    pen.textAlign = "left";
    pen.fillText(name, left + 6, at < TOP + 16 ? at + 14 : at - 5);
  }

  crosshair(pen) {
    const at = this.px(this.cursor);
    pen.strokeStyle = this.colour("--ink");
    pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(at, TOP); pen.lineTo(at, TOP + this.box.height); pen.stroke();
    for (const { time, value, colour } of nearest(this.series, this.cursor)) {
      if (value === null || this.scaled(value) === null) continue;
      pen.fillStyle = this.colour(colour);
      pen.beginPath(); pen.arc(this.px(time), this.py(value), 4, 0, 7); pen.fill();
    }
  }

  selection(pen) {
    pen.fillStyle = this.colour("--band");
    const [a, b] = [this.drag.from, this.drag.to];
    pen.fillRect(Math.min(a, b), TOP, Math.abs(b - a), this.box.height);
  }

  listen() {
    const canvas = this.canvas;
    const pixel = (event) => (event.clientX - canvas.getBoundingClientRect().left) / this.size;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" || !this.box) return;
      this.drag = { from: pixel(event), to: null };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.box) return;
      if (this.drag) this.drag.to = pixel(event);
      this.point(this.at(pixel(event)));
    });
    canvas.addEventListener("pointerup", (event) => {
      const drag = this.drag;
      this.drag = null;
      if (drag && drag.to !== null && Math.abs(drag.to - drag.from) > 8) {
        this.zoom([this.at(Math.min(drag.from, drag.to)), this.at(Math.max(drag.from, drag.to))]);
      }
      this.draw();
    });
    canvas.addEventListener("pointerleave", () => { if (!this.drag) this.point(null); });
    canvas.addEventListener("dblclick", () => this.zoom(null));
    canvas.addEventListener("wheel", (event) => {
      if (!this.box || !(event.ctrlKey || event.shiftKey)) return; // the wheel alone scrolls the page
      event.preventDefault();
      if (event.shiftKey) this.pan(Math.sign(event.deltaY || event.deltaX) * 0.1);
      else this.scale(event.deltaY > 0 ? 1.25 : 0.8, this.at(pixel(event)));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), "+": () => this.scale(0.8), "-": () => this.scale(1.25),
        PageUp: () => this.pan(-0.5), PageDown: () => this.pan(0.5), Home: () => this.zoom(null), Escape: () => this.point(null),
      }[event.key];
      if (act && this.box) { event.preventDefault(); act(); }
    });
  }

  zoom(view) { this.view = view; this.draw(); }

  scale(factor, about = this.cursor ?? (this.box.x[0] + this.box.x[1]) / 2) {
    const [from, to] = this.box.x;
    this.zoom([about - (about - from) * factor, about + (to - about) * factor]);
  }

  pan(share) {
    const [from, to] = this.box.x, by = (to - from) * share;
    this.zoom([from + by, to + by]);
  }

  step(by) {
    const all = this.series.filter((each) => !each.hidden && !each.marks).flatMap((each) => each.time);
    const times = [...new Set(all)].sort((a, b) => a - b);
    if (!times.length) return;
    let index = times.findIndex((time) => time >= (this.cursor ?? Infinity));
    index = index < 0 ? times.length - 1 : index + by;
    this.point(times[Math.max(0, Math.min(index, times.length - 1))]);
  }

  point(time) {
    this.cursor = time;
    this.onPoint(time === null ? null : nearest(this.series, time));
    this.draw();
  }
}

/** The point of each series nearest to a time. */
export function nearest(series, time) {
  return series.filter((each) => !each.hidden && each.time.length).map((each) => {
    let best = 0;
    each.time.forEach((at, i) => { if (Math.abs(at - time) < Math.abs(each.time[best] - time)) best = i; });
    return { name: each.name, time: each.time[best], value: each.value[best], colour: each.colour };
  });
}

/** The next of 1, 2, 5, 10, ... times a power of ten. */
export function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= step * 0.999);
}

/**
 * Round values in a range of the axis, about so many, and how to write them.
 * @returns {[number[], (value: number) => string]}
 */
export function valueTicks([low, high], most, logarithmic) {
  if (logarithmic) {
    const ticks = [];
    for (let power = Math.floor(low); power <= high; power += 1) {
      for (const digit of high - low > 2 ? [1] : [1, 2, 5]) ticks.push(digit * 10 ** power);
    }
    return [ticks.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high), (value) => String(Number(value.toPrecision(1)))];
  }
  const step = nice((high - low) / most);
  const digits = Math.max(0, Math.min(10, -Math.floor(Math.log10(step))));
  const ticks = [];
  // -0 + 0 is 0
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) ticks.push(value + 0);
  return [ticks, (value) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })];
}

/**
 * Whole numbers between two, at most so many, and how to write them.
 * @returns {[number[], (value: number) => string]}
 */
export function wholeTicks(from, to, most) {
  const step = Math.max(1, nice((to - from) / most));
  const ticks = [];
  for (let value = Math.ceil(from / step) * step; value <= to; value += step) ticks.push(value);
  return [ticks, (value) => value.toLocaleString("en")];
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];

/**
 * Round moments in local time between two, at most so many, and how to write them.
 * @returns {[number[], (value: number) => string]}
 */
export function timeTicks(from, to, most) {
  const longest = STEPS[STEPS.length - 1];
  const step = STEPS.find((each) => (to - from) / each <= most) ?? longest * Math.ceil((to - from) / most / longest);
  const offset = -new Date(from * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let time = Math.ceil((from + offset) / step) * step - offset; time <= to; time += step) ticks.push(time);
  /** @type {Intl.DateTimeFormatOptions} */
  const form = step >= 86400 ? { day: "numeric", month: "short", ...(step >= 7776000 ? { year: "numeric" } : {}) }
    : to - from > 86400 ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
    : { hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}) };
  const format = new Intl.DateTimeFormat("en-GB", form);
  return [ticks, (time) => format.format(new Date(time * 1000))];
}
