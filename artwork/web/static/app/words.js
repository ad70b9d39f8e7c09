// Numbers and states as people read them.

/** @typedef {import("./types.js").Live} Live */

const PHASES = {
  starting: "Starting",
  explore: "People visit, artworks at random",
  visits: "People visit",
  night: "The night: learning and drawing new picks",
  paused: "Paused",
  waiting: "Waiting for the next day",
  over: "All days are played",
  served: "Serving",
};

/** @param {Live} live */
export function phaseWords(live) {
  const parts = [live.day === null ? null : `Day ${live.day}`, PHASES[live.phase] ?? live.phase];
  if (live.generation !== null) parts.push(`generation ${live.generation}`);
  return parts.filter(Boolean).join(" · ");
}

/**
 * @param {number | null | undefined} share
 * @param {number} [digits]
 */
export function percent(share, digits = 1) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (digits === 0 && share > 0 && share < 0.005) return "<1 %";
  return `${(share * 100).toFixed(digits)} %`;
}

/** @param {number | null | undefined} count */
export function whole(count) {
  return count === null || count === undefined ? "–" : Math.round(count).toLocaleString("en-GB");
}

/** @param {number | null | undefined} ms */
export function milliseconds(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

const SOURCES = {
  personalized: "Drawn for this person",
  segment: "Drawn for people alike",
  popularity: "Popular with everybody",
  default: "The title's default",
};

/** @param {string | null} source */
export function sourceWords(source) {
  return SOURCES[/** @type {keyof typeof SOURCES} */ (source)] ?? "Not known to the service";
}
