// Gated experiments: which share of the users has the new policy, what was decided last, and why.

import { get } from "../app/api.js";
import { el, fill } from "../app/dom.js";
import { onNewDay } from "../charts/day_charts.js";
import { table } from "../charts/table.js";

/**
 * @typedef {{experiment: string, state: string, control: string, treatment: string, shares: number[], step: number,
 *   share: number, action: string, day: string | null, reasons: string[],
 *   nights: {day: string, action: string, share: number}[]}} Gate
 */

/** @type {Record<string, string>} */
const WORDS = {
  START: "nothing was read yet",
  STAY: "the share stays",
  WIDEN: "the share was widened",
  SHIP: "it was better: everybody has it",
  "ROLL BACK": "it was worse: nobody has it any more",
  END: "time was over without a result: nobody has it any more",
};

/** Hidden while the workspace has none. */
export function gatePanel() {
  const list = el("div", {});
  const node = el(
    "section",
    { class: "panel gates", hidden: true, "aria-labelledby": "gates-title" },
    el("h2", { id: "gates-title" }, "Gated deployment"),
    list,
  );
  onNewDay(async () => {
    try {
      /** @type {Gate[]} */
      const gates = (await get("/gates")).gates;
      node.hidden = gates.length === 0;
      fill(list, gates.map(item));
    } catch (error) {
      fill(list, el("p", { class: "small bad" }, /** @type {Error} */ (error).message));
    }
  });
  return { node };
}

/** @param {Gate} gate */
function item(gate) {
  return el(
    "article",
    { class: "gate", "aria-label": `Gate of ${gate.experiment}` },
    el("h3", {}, gate.experiment),
    el(
      "p",
      { class: "gate-words" },
      `${share(gate.share)} of users have ${gate.treatment}, the others ${gate.control}: ${WORDS[gate.action] ?? gate.action}` +
        `${gate.day ? ` on the data until ${gate.day}` : ""}.`,
    ),
    el(
      "ol",
      { class: "gate-steps" },
      gate.shares.map((one, at) =>
        el(
          "li",
          { class: at === gate.step ? "gate-step here" : "gate-step", "aria-current": at === gate.step ? "step" : null },
          share(one),
        ),
      ),
    ),
    el("ul", { class: "small quiet" }, gate.reasons.map((reason) => el("li", {}, reason))),
    gate.nights.length
      ? el(
          "details",
          { class: "chart-table" },
          el("summary", {}, "Every decision"),
          el(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": `Decisions of ${gate.experiment}` },
            table(`Decisions of ${gate.experiment}`, {
              columns: ["Data until", "Decision", "Share"],
              rows: gate.nights.map((night) => [night.day, night.action, share(night.share)]),
            }),
          ),
        )
      : null,
  );
}

/** @param {number} value */
const share = (value) => `${Number((100 * value).toPrecision(3))} %`;
