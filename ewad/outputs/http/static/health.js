// How the daemon is: its broker, what it takes in and refuses, its state file, its configuration.

import { get } from "./api.js";
import { facts, make, table } from "./dom.js";
import { ago } from "./text.js";

const LOOK_MS = 2000;

/** Show how the daemon is in an element; return what ends that. */
export function showHealth(main) {
  const box = make("div", { class: "card" });
  main.append(make("h2", {}, "Health"), box);
  let timer = 0, closed = false, before = null;

  async function look() {
    try {
      const status = await get("/status");
      if (closed) return;
      const at = performance.now() / 1000;
      const rate = before ? (status.received - before.received) / (at - before.at) : null;
      before = { received: status.received, at };
      box.replaceChildren(...parts(status, rate));
    } catch (error) {
      if (!closed) box.replaceChildren(make("p", { class: "alarm" }, `ewad does not answer: ${error.message}`));
    }
    if (!closed) timer = setTimeout(look, LOOK_MS);
  }

  look();
  return () => { closed = true; clearTimeout(timer); };
}

function parts(status, rate) {
  const count = (value) => value.toLocaleString("en");
  const rejected = Object.entries(status.rejected).sort((a, b) => b[1] - a[1]);
  const state = status.state;
  return [
    facts([
      ["Broker", status.connected ? "connected" : status.ready ?? "not connected"],
      ["Connections after the first", count(status.reconnects)],
      ["Messages", `${count(status.received)}${rate === null ? "" : `, ${count(Math.round(rate))} a second`}`],
      ["Sent again, not counted again", count(status.redelivered)],
      ["Streams", count(status.streams)],
      ["Streams refused by the limit", count(status.refused)],
      ["Streams forgotten", count(status.forgotten)],
      ["Configuration", status.reload_successful ? "in force" : "the changed one can't be used; the log says why"],
      ["State file", !state ? "none: nothing survives a restart" : state.writable ? `${count(Math.round(state.file_bytes / 1024))} KiB` : "can't be written; the log says why"],
      ...(state ? [["Last snapshot", ago(state.snapshot_time, Date.now() / 1000)], ["Damaged files set aside", count(state.damaged)]] : []),
    ]),
    make("h3", {}, "Messages that were not used"),
    rejected.length
      ? table(["Reason", "Example: topic", "Block", "Field", "Messages"], rejected.map(([reason, n]) => {
        const { topic = "–", block = "–", field = "–" } = status.examples[reason] ?? {};
        return [reason.replaceAll("_", " "), topic, block || "–", field || "–", count(n)];
      }), 4)
      : make("p", { class: "quiet" }, "None."),
  ];
}
