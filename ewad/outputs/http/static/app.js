// The live page: which view the address names, and the line that says how the daemon is.

import { get } from "./api.js";
import { say } from "./dom.js";
import { showHealth } from "./health.js";
import { showStream } from "./stream.js";
import { showStreams } from "./streams.js";

const STATUS_MS = 3000;
const main = document.getElementById("main");
let close = () => {};

function route() {
  close();
  main.replaceChildren();
  const address = new URLSearchParams(location.hash.slice(1));
  if (address.has("stream")) close = showStream(main, address.get("stream"), address.get("group"));
  else if (location.hash === "#health") close = showHealth(main);
  else close = showStreams(main);
  const here = location.hash === "#health" ? "#health" : "#";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}

async function tellStatus() {
  const state = document.getElementById("state");
  try {
    const status = await get("/status");
    say(document.getElementById("version"), status.version);
    say(state, `${status.connected ? "connected to the broker" : status.ready ?? "not connected"}, ${status.streams.toLocaleString("en")} ${status.streams === 1 ? "stream" : "streams"}`);
    state.className = status.connected ? "on" : "off";
  } catch {
    say(state, "ewad does not answer; trying again");
    state.className = "off";
  }
  setTimeout(tellStatus, STATUS_MS);
}

addEventListener("hashchange", () => { route(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
route();
tellStatus();

