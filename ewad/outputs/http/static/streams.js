// All streams, a page at a time: searched, sorted, each with a small curve, brought up to date as it changes.

import { follow, get } from "./api.js";
import { breakable, make, say } from "./dom.js";
import { ago, number, sparkline, unusual, worthAlone } from "./text.js";

const PAGE = 50, RECENT = 60, LOOK_MS = 5000, SOON_MS = 1000, TYPING_MS = 250;
const WIDE = 208, HIGH = 40; // of a small curve
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
  let rows = new Map(), unfollow = () => {}, followed = "", timer = 0, closed = false, before = null, rated = false;

  const search = make("input", { type: "search", placeholder: "Search names, groups, labels", "aria-label": "Search streams", input: () => {
    wanted.search = search.value;
    wanted.after = 0;
    again(TYPING_MS);
  } });
  const sort = make("select", { "aria-label": "Order", change: () => { wanted.sort = sort.value; wanted.after = 0; again(0); } },
    ...SORTS.map(([key, text]) => make("option", { value: key }, text)));
  const group = make("select", { "aria-label": "Group", hidden: true, change: () => { wanted.group = group.value; wanted.after = 0; again(0); } });
  const head = ["Stream", "Recent", "Value", "Smoothed", "Forecast", "Than “nothing changes”", "Anomaly", "Seen"];
  const tiles = Object.fromEntries([["streams", "streams"], ["anomalous", "in an anomaly"], ["rate", "messages a second"], ["unused", "messages not used"]]
    .map(([name, text]) => [name, { number: make("strong", {}, "–"), text: make("span", {}, text) }]));
  const tile = ({ number: strong, text }, attributes) => make(attributes.href || attributes.click ? (attributes.href ? "a" : "button") : "div", { class: "tile", ...attributes }, strong, text);
  main.append(
    make("div", { class: "tiles" }, tile(tiles.streams, {}),
      tile(tiles.anomalous, { type: "button", title: "Show these first", click: () => { sort.value = wanted.sort = "anomaly"; wanted.after = 0; again(0); } }),
      tile(tiles.rate, { href: "#health" }), tile(tiles.unused, { href: "#health" })),
    make("div", { class: "tools" }, search, group, sort),
    found,
    make("table", { class: "list" }, make("thead", {}, make("tr", {}, ...head.map((name, i) => make("th", { scope: "col", class: i >= 2 && i <= 4 ? "number" : null }, name)))), body),
    make("div", { class: "tools" }, earlier, later),
  );

  function turn(by) { wanted.after = Math.max(0, wanted.after + by); again(0); }

  function again(milliseconds) { clearTimeout(timer); timer = setTimeout(load, milliseconds); }

  async function load() {
    let page, groups, status;
    try {
      [page, { groups }, status] = await Promise.all([
        get("/streams", { ...wanted, limit: PAGE, recent: RECENT }), get("/groups"), get("/status")]);
    } catch (error) {
      if (!closed) { say(found, `The streams can't be read: ${error.message}`); again(LOOK_MS); }
      return;
    }
    if (closed) return;
    offer(groups);
    sum(groups, status);
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
    again(rated ? LOOK_MS : SOON_MS); // a rate takes two looks
    rated = true;
  }

  function sum(groups, status) {
    const anomalous = groups.reduce((n, each) => n + each.anomalous, 0), at = performance.now() / 1000;
    const unused = Object.values(status.rejected).reduce((n, each) => n + each, 0);
    say(tiles.streams.number, status.streams.toLocaleString("en"));
    say(tiles.streams.text, status.streams === 1 ? "stream" : "streams");
    say(tiles.anomalous.number, anomalous.toLocaleString("en"));
    tiles.anomalous.number.className = anomalous ? "alarm" : "";
    if (before) say(tiles.rate.number, Math.round((status.received - before.received) / (at - before.at)).toLocaleString("en"));
    say(tiles.unused.number, unused.toLocaleString("en"));
    before = { received: status.received, at };
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
    this.paths = Object.fromEntries(["fan", "line", "path"].map((name) => [name, make("path", { class: name })]));
    this.cells = Object.fromEntries(["value", "smoothed", "forecast", "worth", "anomaly", "seen"].map((name) =>
      [name, make("td", { class: ["value", "smoothed", "forecast"].includes(name) ? "number" : null, "data-name": name === "worth" ? "than “nothing changes”" : name })]));
    this.expected = make("span");
    this.bounds = make("div", { class: "quiet small" });
    this.cells.forecast.append(this.expected, this.bounds);
    const address = `#${new URLSearchParams({ stream: stream.stream, group: stream.group })}`;
    this.element = make("tr", {},
      make("td", {}, make("a", { class: "name", href: address }, ...breakable(stream.stream)), make("div", { class: "quiet small" }, stream.group)),
      make("td", {}, make("svg", { class: "spark", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...Object.values(this.paths))),
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
    say(this.expected, number(ahead?.value, stream.unit));
    say(this.bounds, !ahead || ahead.lower === null ? "" : `${number(ahead.lower)} to ${number(ahead.upper)}`);
    say(this.cells.worth, ahead ? worthAlone(skill) : "no model");
    this.cells.worth.className = skill === null ? "quiet small" : skill >= 0.005 ? "small better" : skill <= -0.005 ? "small worse" : "small";
    const what = unusual(stream);
    say(this.cells.anomaly, what ? `${what}${stream.anomalous ? `, ${number(stream.anomaly)}` : ""}` : stream.anomaly === null ? "–" : stream.anomaly.toFixed(1));
    this.cells.anomaly.className = what ? "alarm small" : stream.anomaly === null ? "quiet" : "";
    say(this.cells.seen, `${ago(stream.time, Date.now() / 1000)}${stream.stale ? ", silent" : ""}`);
    this.element.className = stream.stale ? "stale" : "";
    const paths = sparkline(this.recent, WIDE, HIGH, stream.forecasts);
    for (const [name, path] of Object.entries(this.paths)) path.setAttribute("d", paths[name]);
  }
}
