// Play, pause, the next day, learn now, and the pace.

import { el, fill, icon } from "../app/dom.js";
import { onLive } from "../app/live.js";
import { phaseWords } from "../app/words.js";
import { choice, pressAndTell } from "./presses.js";

/** @type {[string, string][]} */
const PACES = [
  ["", "as it was started"],
  ["0", "as fast as it can"],
  ["12", "12 s a day"],
  ["24", "24 s a day"],
  ["60", "1 min a day"],
  ["180", "3 min a day"],
];

/** @param {string[]} controls */
export function transport(controls) {
  const words = el("p", { class: "transport-phase" }, "Listening for the first figures …");
  const outcome = el("p", { class: "small quiet transport-outcome", role: "status" });
  const bar = el("progress", { class: "transport-progress", max: 1, value: 0, "aria-label": "Progress of this step" });
  const may = (/** @type {string} */ action) => controls.includes(action);
  const send = (/** @type {string} */ action, values = {}) => pressAndTell(action, values, outcome);
  let paused = false;
  const toggle = el("button", {
    type: "button",
    class: "button main",
    on: { click: () => send(paused ? "play" : "pause") },
  });
  const label = () => fill(toggle, icon(paused ? "play" : "pause"), paused ? "Play" : "Pause");
  label();
  const pace = choice("seconds_per_day", "pace", PACES);
  pace.control.addEventListener("change", () => {
    if (pace.control.value) send("pace", { seconds_per_day: Number(pace.control.value) });
  });
  onLive((live) => {
    words.textContent = phaseWords(live);
    const { step } = live;
    /** @type {HTMLProgressElement} */ (bar).value = step && step.total ? step.done / step.total : 0;
    bar.setAttribute("aria-valuetext", step ? `${step.name}: ${step.done} of ${step.total}` : "no step");
    const now = live.phase === "paused";
    if (now !== paused) {
      paused = now;
      label();
    }
  });
  return {
    node: el(
      "div",
      { class: "transport" },
      el("div", { class: "transport-now" }, words, bar),
      el(
        "div",
        { class: "transport-buttons" },
        may("play") && may("pause") ? toggle : null,
        may("next-day") ? button("next", "Next day", () => send("next-day")) : null,
        may("learn-now") ? button("learn", "Learn now", () => send("learn-now")) : null,
        may("pace")
          ? el("label", { class: "press-field" }, el("span", { class: "small quiet" }, "Pace"), pace.control)
          : null,
      ),
      outcome,
    ),
  };
}

/** @param {"next" | "learn"} sign @param {string} words @param {() => void} click */
function button(sign, words, click) {
  return el("button", { type: "button", class: "button", on: { click } }, icon(sign), words);
}
