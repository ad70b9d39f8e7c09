// Explanations, asked once per person, title, generation and revision.

import { get } from "./api.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Pick} Pick */

const KEPT = 200;

/** @type {Map<string, Promise<Explanation>>} */
const kept = new Map();

/**
 * Why a pick is what it is. Refused (404) for somebody whom no generation knows.
 *
 * @param {Pick} pick
 * @returns {Promise<Explanation>}
 */
export function explain(pick) {
  const key = [pick.user_id, pick.title_id, pick.generation, pick.revision].join(" ");
  const known = kept.get(key);
  if (known) return known;
  const path = `/explain/${encodeURIComponent(pick.user_id)}/${encodeURIComponent(pick.title_id)}`;
  const answer = get(`${path}?generation=${pick.generation}`);
  kept.set(key, answer);
  answer.catch(() => kept.delete(key));
  const oldest = kept.keys().next().value;
  if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
  return answer;
}
