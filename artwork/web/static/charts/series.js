// The last ten minutes of live figures: their history once, then what comes, at most once a second.

import { get } from "../app/api.js";
import { onLive } from "../app/live.js";

/** @typedef {import("../app/types.js").Live} Live */
/** @typedef {import("../app/types.js").SeriesPoint} SeriesPoint */
/**
 * What a live chart needs of a point, times in milliseconds since 1970.
 * @typedef {{at: number, p50_ms: number | null, p99_ms: number | null, per_second: number,
 *   by_source: Record<string, number>, lag_seconds: number | null, waiting: number | null}} Point
 */
/** @typedef {(points: Point[], live: Live) => void} SeriesListener */

const KEPT_MS = 600_000;
const STEP_MS = 950;

/** @type {Point[]} */
let points = [];
/** @type {Set<SeriesListener>} */
const listeners = new Set();
let started = false;

/**
 * Hear the series whenever it has grown.
 * @param {SeriesListener} listener
 */
export function onSeries(listener) {
  listeners.add(listener);
  if (!started) start();
}

async function start() {
  started = true;
  let shownAt = -Infinity;
  onLive((live) => {
    const at = Date.parse(live.at);
    if (at - shownAt < STEP_MS) return;
    shownAt = at;
    points.push(pointOf(live));
    points = points.filter((point) => point.at > at - KEPT_MS);
    for (const listener of listeners) listener(points, live);
  });
  try {
    const { series = [] } = /** @type {Live} */ (await get("/live.json?history=1"));
    const first = points[0]?.at ?? Infinity;
    points = [...series.map(fromHistory).filter((point) => point.at < first), ...points];
  } catch {
    // Without its history the series begins now.
  }
}

/** @param {Live} live @returns {Point} */
function pointOf({ at, service, ingest }) {
  const { p50_ms, p99_ms, per_second, by_source } = service;
  return {
    at: Date.parse(at),
    p50_ms,
    p99_ms,
    per_second,
    by_source,
    lag_seconds: ingest.lag_seconds,
    waiting: ingest.waiting,
  };
}

/** @param {SeriesPoint} point @returns {Point} */
function fromHistory({ at, p50_ms, p99_ms, per_second, by_source }) {
  return { at: Date.parse(at), p50_ms, p99_ms, per_second, by_source, lag_seconds: null, waiting: null };
}
