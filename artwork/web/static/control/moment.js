// A moment as an address: what the figures were is in the fragment, so that it can be shown to others later.

import { el, fill } from "../app/dom.js";
import { lastLive } from "../app/live.js";
import { clock, milliseconds, percent } from "../charts/scales.js";
import { liveCursor } from "../charts/live_charts.js";

/**
 * What of the page is in its address.
 * @typedef {{box?: string, title?: string, minutes?: string, tab?: string}} ViewState
 */

const KEPT = ["box", "title", "minutes", "tab"];

/** @returns {URLSearchParams} */
export const fragment = () => new URLSearchParams(location.hash.slice(1));

/** Keep a choice in the address, without a new entry in the history. @param {string} name @param {string} value */
export function remember(name, value) {
  const state = fragment();
  state.set(name, value);
  history.replaceState(null, "", `#${state}`);
}

/** The address of what is seen now. @returns {string} */
export function addressOfNow() {
  const state = new URLSearchParams([...fragment()].filter(([name]) => KEPT.includes(name)));
  const live = lastLive();
  if (live) {
    const all = Object.values(live.service.by_source).reduce((sum, rate) => sum + rate, 0);
    const day = live.days.at(-1);
    /** @type {Record<string, unknown>} */
    const facts = {
      moment: live.at,
      now: live.now,
      day: live.day,
      generation: live.generation,
      p99: live.service.p99_ms?.toFixed(3),
      personalized: all ? ((live.service.by_source.personalized ?? 0) / all).toFixed(4) : null,
      closed: day?.closed?.toFixed(4),
      mark: live.marks.at(-1)?.id,
    };
    for (const [name, value] of Object.entries(facts))
      if (value !== null && value !== undefined) state.set(name, String(value));
  }
  return `${location.origin}${location.pathname}#${state}`;
}

/** The button, the address that it makes, and the moment that the page was opened with. */
export function momentBar() {
  const address = /** @type {HTMLInputElement} */ (
    el("input", { class: "field", readonly: true, "aria-label": "Address of this moment" })
  );
  const copied = el("span", { class: "small quiet", role: "status" });
  const result = el("div", { class: "moment-address", hidden: true }, address, copied);
  const button = el("button", { type: "button", class: "button", on: { click: share } }, "Share this moment");
  async function share() {
    address.value = addressOfNow();
    result.hidden = false;
    address.select();
    try {
      await navigator.clipboard.writeText(address.value);
      copied.textContent = "Copied. It opens on this machine, after the address that the command printed.";
    } catch {
      copied.textContent = "Copy this address.";
    }
  }
  return { button, result, shared: sharedMoment() };
}

/** What the address says of the moment it was made in; null without one. */
function sharedMoment() {
  const state = fragment();
  const at = Date.parse(state.get("moment") ?? "");
  if (Number.isNaN(at)) return null;
  const box = el("div", { class: "notice shared" });
  const close = () => {
    liveCursor.pin(null);
    history.replaceState(null, "", `#${new URLSearchParams([...fragment()].filter(([name]) => KEPT.includes(name)))}`);
    box.remove();
  };
  fill(
    box,
    el("p", {}, el("strong", {}, "A shared moment, "), sentence(state, at)),
    el("button", { type: "button", class: "button", on: { click: close } }, "Back to now"),
  );
  liveCursor.pin(at);
  return box;
}

/** @param {URLSearchParams} state @param {number} at */
function sentence(state, at) {
  const value = (/** @type {string} */ name) => (state.has(name) ? Number(state.get(name)) : null);
  const is = (/** @type {number | null} */ one) => one !== null && Number.isFinite(one);
  const parts = [`${new Date(at).toLocaleDateString("en-GB")} ${clock(at)}`];
  if (is(value("day"))) parts.push(`day ${value("day")}`);
  if (is(value("generation"))) parts.push(`generation ${value("generation")}`);
  if (is(value("p99"))) parts.push(`p99 ${milliseconds(value("p99"))}`);
  if (is(value("personalized"))) parts.push(`${percent(value("personalized"))} personalized`);
  if (is(value("closed"))) parts.push(`${percent(value("closed"), 0)} of the way to the true best`);
  if (is(value("mark"))) parts.push(`after press ${value("mark")}`);
  return `${parts.join(" · ")}.`;
}
