// Requests to the API of the daemon that served this page, and to no other host.

const ROOT = "/api/v1";

/** The JSON document at a path under /api/v1. Throws an Error with a sentence for people. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== ""));
  const response = await fetch(`${ROOT}${path}${query.size ? `?${query}` : ""}`);
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.error ?? `${response.status} ${response.statusText}`);
}

/** The path of a stream: its name is one segment, however many slashes it has. */
export function pathOf(stream, rest = "") {
  return `/streams/${encodeURIComponent(stream)}${rest}`;
}

const LONGEST = 6000; // characters of an address: a server may refuse more than 8,190

/** Hear how streams stand whenever they change; returns what ends it. The browser reconnects by itself. */
export function follow(streams, onStreams) {
  let address = `${ROOT}/events`;
  for (const stream of streams) {
    const next = `${address}${address.includes("?") ? "&" : "?"}stream=${encodeURIComponent(stream)}`;
    if (next.length > LONGEST) break;
    address = next;
  }
  const source = new EventSource(address);
  source.addEventListener("streams", (event) => onStreams(JSON.parse(event.data)));
  return () => source.close();
}
