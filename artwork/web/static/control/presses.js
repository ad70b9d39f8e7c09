// The buttons: what can be done to the demo, each with its values, and what came of a press.

import { press } from "../app/api.js";
import { artworkWords, titleWords } from "../app/artworks.js";
import { el, fill, say } from "../app/dom.js";

/** @typedef {import("../app/types.js").Mark} Mark */
/** @typedef {import("../app/types.js").Title} Title */
/** @typedef {HTMLInputElement | HTMLSelectElement} Control */
/** @typedef {{name: string, control: Control, unit?: string, value: () => unknown}} Field */
/** @typedef {{action: string, words: string, danger?: boolean, fields?: Field[]}} Action */

/** @type {[string, string][]} */
const FAULTS = [
  ["nan", "no numbers"],
  ["swapped", "swapped artworks"],
  ["collapsed", "no exploration"],
];
/** @type {[string, string][]} what half of the users get; without one the first policy has everybody again */
const POLICIES = [
  ["epsilon_greedy:epsilon=0.1", "epsilon greedy, 10 %"],
  ["greedy", "greedy"],
  ["uniform", "uniform"],
  ["softmax:temperature=0.02", "softmax"],
  ["thompson", "Thompson sampling"],
  ["", "none any more"],
];

/**
 * @param {string[]} controls actions that may be pressed here
 * @param {Title[]} titles
 */
export function pressPanel(controls, titles) {
  const retired = retiring();
  const groups = groupsOf(retired.fields)
    .map((group) => ({ ...group, actions: group.actions.filter((one) => controls.includes(one.action)) }))
    .filter(({ actions }) => actions.length);
  retired.offer(titles);
  return {
    node: el(
      "section",
      { class: "presses panel", "aria-labelledby": "presses-title" },
      el("h2", { id: "presses-title" }, "Break it, change it"),
      el("p", { class: "quiet small" }, "Each press leaves a numbered mark in every live chart."),
      groups.map(pressGroup),
    ),
    /** Titles whose artworks can be retired. */
    offer: retired.offer,
  };
}

/**
 * Press a control; whoever pressed it learns what came of it in words.
 * @param {string} action
 * @param {Record<string, unknown>} values
 * @param {HTMLElement} outcome
 */
export async function pressAndTell(action, values, outcome) {
  outcome.classList.remove("bad");
  try {
    const mark = await press(action, values);
    outcome.textContent = `${mark.id}: ${mark.words}`;
    say(mark.words);
    document.dispatchEvent(new CustomEvent("pressed", { detail: mark }));
    return true;
  } catch (error) {
    outcome.classList.add("bad");
    outcome.textContent = /** @type {Error} */ (error).message;
    say(outcome.textContent);
    return false;
  }
}

/** @param {{title: string, about: string, actions: Action[]}} group */
function pressGroup({ title, about, actions }) {
  const outcome = el("p", { class: "press-outcome small quiet" }, about);
  return el(
    "div",
    { class: "press-group" },
    el("h3", {}, title),
    el(
      "div",
      { class: "press-rows" },
      actions.map((action) => pressRow(action, outcome)),
    ),
    outcome,
  );
}

/** @param {Action} action @param {HTMLElement} outcome */
function pressRow({ action, words, danger, fields = [] }, outcome) {
  const button = el("button", { type: "button", class: danger ? "button danger" : "button", data: { action } }, words);
  button.addEventListener("click", async () => {
    button.setAttribute("aria-busy", "true");
    await pressAndTell(action, Object.fromEntries(fields.map((field) => [field.name, field.value()])), outcome);
    button.removeAttribute("aria-busy");
  });
  const shown = fields.map((field) => el("label", { class: "press-field" }, field.control, field.unit ?? null));
  return el(
    "div",
    { class: fields.length ? "press wide" : "press", role: "group", "aria-label": words },
    button,
    shown,
  );
}

/** @param {Field[]} retired @returns {{title: string, about: string, actions: Action[]}[]} */
function groupsOf(retired) {
  return [
    {
      title: "The store",
      about: "Kill it, let it hang, or delay it: the service goes on without it.",
      actions: [
        { action: "store-stop", words: "Stop", danger: true },
        { action: "store-freeze", words: "Freeze", danger: true },
        { action: "store-back", words: "Bring it back" },
        {
          action: "store-slow",
          words: "Slow down",
          danger: true,
          fields: [number("ms", "by milliseconds", 50, 1, 2000, "ms")],
        },
      ],
    },
    {
      title: "A night",
      about: "A broken generation should stop at the gate. A policy begins with the next night.",
      actions: [
        {
          action: "publish-broken",
          words: "Publish broken",
          danger: true,
          fields: [choice("fault", "broken by", FAULTS)],
        },
        {
          action: "other-policy",
          words: "Other policy",
          fields: [choice("policy", "policy of half of the users", POLICIES)],
        },
        { action: "roll-back", words: "Roll back" },
      ],
    },
    {
      title: "The world",
      about: "What the system cannot know beforehand.",
      actions: [
        { action: "launch-title", words: "Launch artwork" },
        { action: "shift-taste", words: "Shift taste" },
        { action: "retire-artwork", words: "Retire", fields: retired },
        {
          action: "load-burst",
          words: "Burst",
          fields: [
            number("per_second", "look-ups per second", 2000, 1, 50_000, "/s"),
            number("seconds", "for seconds", 10, 1, 60, "s"),
          ],
        },
      ],
    },
  ];
}

/** A title, and one of its artworks that is still shown. */
function retiring() {
  const title = choice("title_id", "title", []);
  const artwork = choice("artwork_id", "artwork", []);
  /** @type {Title[]} */
  let candidates = [];
  const follow = () => {
    const shown = candidates.find((one) => one.title_id === title.control.value)?.artworks ?? [];
    offerOptions(
      artwork.control,
      shown.filter((one) => !one.retired).map((one) => [one.artwork_id, `${one.artwork_id}: ${artworkWords(one)}`]),
    );
  };
  title.control.addEventListener("change", follow);
  return {
    fields: [title, artwork],
    /** @param {Title[]} titles */
    offer(titles) {
      candidates = titles.filter((one) => one.artworks.filter((own) => !own.retired).length > 1);
      offerOptions(
        title.control,
        candidates.map((one) => [one.title_id, titleWords(one) || one.title_id]),
      );
      follow();
    },
  };
}

/**
 * Other options of a list; what is chosen stays if it is still among them.
 * @param {Control} control
 * @param {[string, string][]} options
 */
function offerOptions(control, options) {
  const before = control.value;
  fill(
    control,
    options.map(([value, words]) => el("option", { value }, words)),
  );
  if (options.some(([value]) => value === before)) control.value = before;
}

/** @param {string} name @param {string} label @param {[string, string][]} options @returns {Field} */
export function choice(name, label, options) {
  const control = /** @type {HTMLSelectElement} */ (
    el(
      "select",
      { class: "field", name, "aria-label": label },
      options.map(([value, words]) => el("option", { value }, words)),
    )
  );
  return { name, control, value: () => control.value };
}

/**
 * @param {string} name
 * @param {string} label
 * @param {number} value
 * @param {number} least
 * @param {number} most
 * @param {string} unit
 * @returns {Field}
 */
function number(name, label, value, least, most, unit) {
  const attributes = {
    class: "field",
    type: "number",
    name,
    "aria-label": label,
    value,
    min: least,
    max: most,
    step: 1,
  };
  const control = /** @type {HTMLInputElement} */ (el("input", attributes));
  return {
    name,
    control,
    unit,
    value: () => Math.min(most, Math.max(least, Math.round(Number(control.value)) || value)),
  };
}
