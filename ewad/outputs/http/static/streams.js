// All streams, a page at a time: searched, sorted, each with a small curve, brought up to date as it changes.

import { follow, get } from "./api.js";
import { breakable, make, say } from "./dom.js";
import { ago, number, sparkline, worth } from "./text.js";

const PAGE = 50, RECENT = 60, LOOK_MS = 5000, TYPING_MS = 250;
const SORTS = [
  ["name", "by name"], ["anomaly", "anomalous first"], ["time", "last seen first"],
  ["skill", "best forecast first"], ["-skill", "worst forecast first"], ["value", "largest value first"], ["-value", "smallest value first"],
];

/** Show the streams in an element; return what ends that. */
export function showStreams(main) {
  const wanted = { search: "", group: "", sort: "name", after: 0 };
  const body = make("tbody");
  const found = make("p", { class: "quiet small", role: "status" });
  const earlier = make("button", { type: "button", click: () => turn(-PAGE) }, "Earlier");
  const later = make("button", { type: "button", click: () => turn(PAGE) }, "Later");
  let rows = new Map(), unfollow = () => {}, followed = "", timer = 0, closed = false;

  const search = make("input", { type: "search", placeholder: "Search names, groups, labels", "aria-label": "Search streams", input: () => {
    wanted.search = search.value;
    wanted.after = 0;
    again(TYPING_MS);
  } });
  const sort = make("select", { "aria-label": "Order", change: () => { wanted.sort = sort.value; wanted.after = 0; again(0); } },
    ...SORTS.map(([key, text]) => make("option", { value: key }, text)));
  const group = make("select", { "aria-label": "Group", hidden: true, change: () => { wanted.group = group.value; wanted.after = 0; again(0); } });
  const head = ["Stream", "Recent", "Value", "Smoothed", "Forecast", "Worth", "Anomaly", "Seen"];
  main.append(
    make("div", { class: "tools" }, search, group, sort),
    found,
    make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name, i) => make("th", { scope: "col", class: i >= 2 && i <= 4 ? "number" : null }, name)))), body),
    make("div", { class: "tools" }, earlier, later),
  );

  function turn(by) { wanted.after = Math.max(0, wanted.after + by); again(0); }

  function again(milliseconds) { clearTimeout(timer); timer = setTimeout(load, milliseconds); }

  async function load() {
    let page, groups;
    try {
      [page, { groups }] = await Promise.all([
        get("/streams", { ...wanted, limit: PAGE, recent: RECENT }), get("/groups")]);
    } catch (error) {
      if (!closed) { say(found, `The streams can't be read: ${error.message}`); again(LOOK_MS); }
      return;
    }
    if (closed) return;
    offer(groups);
    const first = page.total ? wanted.after + 1 : 0;
    say(found, page.total ? `${first.toLocaleString("en")} to ${(wanted.after + page.streams.length).toLocaleString("en")} of ${page.total.toLocaleString("en")} streams`
      : wanted.search || wanted.group ? "No stream fits the search." : "No samples yet. A stream appears with its first sample.");
    earlier.disabled = wanted.after === 0;
    later.disabled = page.next === null;
    const next = new Map();
    for (const stream of page.streams) {
      const key = JSON.stringify([stream.group, stream.stream]);
      const row = rows.get(key) ?? new Row(stream);
      row.show(stream, true);
      next.set(key, row);
    }
    rows = next;
    body.replaceChildren(...[...rows.values()].map((row) => row.element));
    watch();
    again(LOOK_MS);
  }

  function offer(groups) {
    const words = ({ group: name, streams, anomalous }) => `${name}: ${streams.toLocaleString("en")}${anomalous ? `, ${anomalous.toLocaleString("en")} anomalous` : ""}`;
    group.hidden = groups.length < 2;
    if (document.activeElement === group) return; // nobody wants a list to change under the pointer
    group.replaceChildren(make("option", { value: "" }, "all groups"), ...groups.map((each) => make("option", { value: each.group }, words(each))));
    group.value = wanted.group;
  }

  function watch() {
    const names = [...new Set([...rows.values()].map((row) => row.stream.stream))];
    if (names.join("\n") === followed) return;
    followed = names.join("\n");
    unfollow();
    unfollow = names.length ? follow(names, (streams) => {
      for (const stream of streams) rows.get(JSON.stringify([stream.group, stream.stream]))?.show(stream, false);
    }) : () => {};
  }

  load();
  return () => { closed = true; clearTimeout(timer); unfollow(); };
}

class Row {
  constructor(stream) {
    this.recent = [];
    this.path = make("path");
    this.cells = Object.fromEntries(["value", "smoothed", "forecast", "worth", "anomaly", "seen"].map((name) =>
      [name, make("td", { class: ["value", "smoothed", "forecast"].includes(name) ? "number" : null, "data-name": name })]));
    const address = `#${new URLSearchParams({ stream: stream.stream, group: stream.group })}`;
    this.element = make("tr", {},
      make("td", {}, make("a", { class: "name", href: address }, ...breakable(stream.stream)), make("div", { class: "quiet small" }, stream.group)),
      make("td", {}, make("svg", { class: "spark", viewBox: "0 0 144 32", preserveAspectRatio: "none", "aria-hidden": "true" }, this.path)),
      ...Object.values(this.cells));
  }

  show(stream, listed) {
    const news = this.stream ? stream.samples - this.stream.samples : 0;
    if (listed) this.recent = stream.recent;
    else if (news > 0) this.recent = [...this.recent, stream.value].slice(-RECENT);
    this.stream = stream;
    const [beta] = Object.keys(stream.smoothed), [ahead] = stream.forecasts;
    const skill = ahead?.skill ?? null;
    say(this.cells.value, number(stream.value, stream.unit));
    say(this.cells.smoothed, number(stream.smoothed[beta], stream.unit));
    say(this.cells.forecast, !ahead ? "–" : ahead.lower === null ? number(ahead.value, stream.unit) : `${number(ahead.value, stream.unit)} (${number(ahead.lower)} to ${number(ahead.upper)})`);
    say(this.cells.worth, ahead ? worth(skill) : "no model");
    this.cells.worth.className = skill === null ? "quiet small" : skill >= 0.005 ? "small better" : skill <= -0.005 ? "small worse" : "small";
    say(this.cells.anomaly, stream.anomaly === null ? "–" : stream.anomaly > 1 ? `outside, ${stream.anomaly.toFixed(1)}` : stream.anomaly.toFixed(1));
    this.cells.anomaly.className = stream.anomaly > 1 ? "alarm" : "";
    say(this.cells.seen, ago(stream.time, Date.now() / 1000));
    this.element.className = stream.stale ? "stale" : "";
    this.path.setAttribute("d", sparkline(this.recent, 144, 32));
  }
}
