// Elements made from text, never from markup: whatever a stream is called stays text.

/** An element with attributes (functions become listeners) and children (strings become text). */
export function make(tag, attributes = {}, ...children) {
  const svg = tag === "svg" || tag === "path";
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A list of facts: pairs of a name and a text or an element. */
export function facts(pairs) {
  return make("dl", { class: "facts" }, ...pairs.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** A table of texts: a head, and rows whose first cell names them; the columns from `numbers` on are numbers. */
export function table(head, rows, numbers = 1) {
  const kind = (i) => (i >= numbers ? "number" : null);
  return make("div", { class: "wide" }, make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, ...head.map((text, i) => make("th", { scope: "col", class: kind(i) }, text)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, i) => make(i ? "td" : "th", { class: kind(i), scope: i ? null : "row" }, cell)))))));
}

/** Put text into an element if it differs, so that screen readers hear of changes alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The name of a stream, which may break after each slash. */
export function breakable(name) {
  const parts = name.split("/");
  return parts.flatMap((part, i) => (i < parts.length - 1 ? [`${part}/`, document.createElement("wbr")] : [part]));
}
