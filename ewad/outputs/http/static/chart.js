// A chart of time series on a canvas: lines, a band, marks, a crosshair, zoom and pan. Knows nothing of ewad.

const LEFT = 56, RIGHT = 12, TOP = 10, BOTTOM = 26; // pixels around the plot

export class Chart {
  /** Take the element to draw in, and what to call with the point under the crosshair (or null). */
  constructor(element, onPoint = () => {}) {
    this.element = element;
    this.onPoint = onPoint;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    element.append(this.canvas);
    this.series = [];
    this.view = null; // [from, to] when zoomed, else all
    this.cursor = null; // a time
    this.drag = null;
    this.pending = false;
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(element);
    this.listen();
  }

  /** series: {name, time, value, colour, width, dash, band: [lower, upper], marks, hidden}; now: a time. */
  show(series, now, label) {
    this.series = series;
    this.now = now;
    this.canvas.setAttribute("aria-label", label);
    this.draw();
  }

  close() { this.resizing.disconnect(); }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.paint(); });
  }

  extent() {
    let from = Infinity, to = -Infinity;
    for (const each of this.series) {
      if (each.hidden || !each.time.length) continue;
      from = Math.min(from, each.time[0]);
      to = Math.max(to, each.time[each.time.length - 1]);
    }
    return from <= to ? [from, to > from ? to : from + 1] : null;
  }

  range([from, to]) {
    let low = Infinity, high = -Infinity;
    const take = (value) => { if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); } };
    for (const each of this.series) {
      if (each.hidden) continue;
      each.time.forEach((time, i) => {
        if (time < from || time > to) return;
        take(each.value[i]);
        if (each.band && each.inRange) { take(each.band[0][i]); take(each.band[1][i]); }
      });
    }
    if (!(low <= high)) return null;
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - margin, high + margin];
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.element.clientWidth, height = this.element.clientHeight;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue(name).trim() || name;
    const x = this.view ?? this.extent();
    const y = x && this.range(x);
    if (!x || !y) {
      pen.fillStyle = this.colour("--quiet");
      pen.font = "15px system-ui, sans-serif";
      pen.fillText("Waiting for samples.", LEFT, height / 2);
      return;
    }
    this.box = { x, y, width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
    this.axes(pen);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, TOP, this.box.width, this.box.height);
    pen.clip();
    for (const each of this.series) if (!each.hidden && each.band) this.band(pen, each);
    for (const each of this.series) if (!each.hidden) this.line(pen, each);
    if (this.now !== undefined) this.vertical(pen, this.now, "--quiet", [3, 4]);
    if (this.cursor !== null) this.vertical(pen, this.cursor, "--ink", []);
    if (this.drag && this.drag.to !== null) this.selection(pen);
    pen.restore();
  }

  px(time) { const { x, width } = this.box; return LEFT + ((time - x[0]) / (x[1] - x[0])) * width; }
  py(value) { const { y, height } = this.box; return TOP + (1 - (value - y[0]) / (y[1] - y[0])) * height; }
  at(pixel) { const { x, width } = this.box; return x[0] + ((pixel - LEFT) / width) * (x[1] - x[0]); }

  axes(pen) {
    const { x, y, width, height } = this.box;
    pen.strokeStyle = this.colour("--line");
    pen.fillStyle = this.colour("--quiet");
    pen.font = "12px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.textAlign = "right";
    const step = nice((y[1] - y[0]) / Math.max(2, Math.floor(height / 60)));
    const digits = Math.max(0, Math.min(10, -Math.floor(Math.log10(step))));
    for (let value = Math.ceil(y[0] / step) * step; value <= y[1]; value += step) {
      const at = this.py(value);
      pen.beginPath(); pen.moveTo(LEFT, at); pen.lineTo(LEFT + width, at); pen.stroke();
      // -0 + 0 is 0
      pen.fillText((value + 0).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }), LEFT - 6, at + 4);
    }
    pen.textAlign = "center";
    const [ticks, text] = timeTicks(x[0], x[1], Math.max(2, Math.floor(width / 110)));
    for (const time of ticks) pen.fillText(text(time), Math.max(LEFT + 20, Math.min(this.px(time), LEFT + width - 24)), TOP + height + 18);
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
    for (let i = first; i <= last; i += 1) {
      const value = each.value[i];
      if (value === null) { down = false; continue; }
      const px = this.px(each.time[i]), py = this.py(value);
      if (each.marks) { pen.moveTo(px + 4, py); pen.arc(px, py, 4, 0, 7); }
      else if (down) pen.lineTo(px, py);
      else pen.moveTo(px, py);
      down = true;
    }
    if (each.marks) pen.fill(); else pen.stroke();
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

  vertical(pen, time, colour, dash) {
    const at = this.px(time);
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = 1;
    pen.setLineDash(dash);
    pen.beginPath(); pen.moveTo(at, TOP); pen.lineTo(at, TOP + this.box.height); pen.stroke();
    pen.setLineDash([]);
  }

  selection(pen) {
    pen.fillStyle = this.colour("--band");
    const [a, b] = [this.drag.from, this.drag.to];
    pen.fillRect(Math.min(a, b), TOP, Math.abs(b - a), this.box.height);
  }

  listen() {
    const canvas = this.canvas;
    const pixel = (event) => event.clientX - canvas.getBoundingClientRect().left;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") return;
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

/** The value of each series at its point nearest to a time. */
export function nearest(series, time) {
  return series.filter((each) => !each.hidden && each.time.length).map((each) => {
    let best = 0;
    each.time.forEach((at, i) => { if (Math.abs(at - time) < Math.abs(each.time[best] - time)) best = i; });
    return { name: each.name, time: each.time[best], value: each.value[best] };
  });
}

/** The next of 1, 2, 5, 10, ... times a power of ten. */
export function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= step * 0.999);
}

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];

/** Round moments in local time between two, at most so many, and how to write them. */
export function timeTicks(from, to, most) {
  const step = SPANS.find((each) => (to - from) / each <= most) ?? SPANS[SPANS.length - 1] * Math.ceil((to - from) / most / SPANS[SPANS.length - 1]);
  const offset = -new Date(from * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let time = Math.ceil((from + offset) / step) * step - offset; time <= to; time += step) ticks.push(time);
  const form = step >= 86400 ? { day: "numeric", month: "short", ...(step >= 7776000 ? { year: "numeric" } : {}) }
    : to - from > 86400 ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
    : { hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}) };
  const format = new Intl.DateTimeFormat("en-GB", form);
  return [ticks, (time) => format.format(new Date(time * 1000))];
}
