// Live figures: server-sent events, and polling where a stream does not come through.

import { get } from "./api.js";

/** @typedef {import("./types.js").Live} Live */
/** @typedef {(live: Live) => void} Listener */
/** @typedef {(connected: boolean) => void} ConnectionListener */

const FIRST_FIGURES_MS = 4000;
const POLL_MS = 1000;
const STREAM_AGAIN_MS = 15_000;

/** @type {Set<Listener>} */
const listeners = new Set();
/** @type {Set<ConnectionListener>} */
const connectionListeners = new Set();
/** @type {Live | null} */
let latest = null;
let connected = true;
let started = false;
/** @type {EventSource | null} */
let stream = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Hear every set of figures, beginning with the last that is known.
 *
 * @param {Listener} listener
 * @returns {() => void} ends it
 */
export function onLive(listener) {
  listeners.add(listener);
  if (latest) listener(latest);
  if (!started) start();
  return () => listeners.delete(listener);
}

/**
 * Hear whether figures still come.
 *
 * @param {ConnectionListener} listener
 * @returns {() => void} ends it
 */
export function onConnection(listener) {
  connectionListeners.add(listener);
  listener(connected);
  return () => connectionListeners.delete(listener);
}

/** @returns {Live | null} */
export const lastLive = () => latest;

function start() {
  started = true;
  openStream();
  // A page that nobody sees need not hold a stream: browsers allow six to one address.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
      clearTimeout(timer);
    } else {
      openStream();
    }
  });
}

function openStream() {
  clearTimeout(timer);
  stream?.close();
  if (!("EventSource" in window)) {
    poll();
    return;
  }
  const opened = new EventSource("/api/live");
  stream = opened;
  opened.addEventListener("live", (event) => {
    clearTimeout(timer);
    hear(JSON.parse(event.data));
  });
  opened.addEventListener("error", pollInstead);
  timer = setTimeout(pollInstead, FIRST_FIGURES_MS);
}

function pollInstead() {
  stream?.close();
  stream = null;
  clearTimeout(timer);
  poll();
}

let streamAgainAt = 0;

async function poll() {
  streamAgainAt ||= Date.now() + STREAM_AGAIN_MS;
  try {
    hear(await get("/live.json"));
  } catch {
    connection(false);
  }
  if (document.hidden) return;
  if (Date.now() > streamAgainAt) {
    streamAgainAt = 0;
    openStream();
  } else {
    timer = setTimeout(poll, POLL_MS);
  }
}

/** @param {Live} live */
function hear(live) {
  latest = live;
  connection(true);
  for (const listener of listeners) listener(live);
}

/** @param {boolean} state */
function connection(state) {
  if (state === connected) return;
  connected = state;
  for (const listener of connectionListeners) listener(state);
}
