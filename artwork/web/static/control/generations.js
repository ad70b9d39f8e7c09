// The generations on a line, the one that is served, and the way back.

import { get } from "../app/api.js";
import { el, fill } from "../app/dom.js";
import { count, seconds } from "../charts/scales.js";
import { table } from "../charts/table.js";
import { onNewDay } from "../charts/day_charts.js";

/**
 * @typedef {{generation: number, made_at: string, policy: string, posterior: string, parent: number | null,
 *   picks: number | null, state: string, seconds: number | null}} Generation
 */

const WIDTH = 112;
/** @type {Record<string, string>} */
const STATES = { current: "served", previous: "one flip away", made: "on disk", unfinished: "never published" };

/**
 * @param {((generation: number) => void) | null} rollBack null where nothing may be pressed
 */
export function generationLine(rollBack) {
  const list = el("ol", { class: "generations" });
  const sentence = el("p", { class: "chart-words" }, "The generation that is served, and those before it.");
  const rows = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table: generations" });
  const node = el(
    "section",
    { class: "chart generations-box", "aria-labelledby": "generations-title" },
    el(
      "div",
      { class: "chart-head" },
      el("h3", { class: "chart-title", id: "generations-title" }, "Generations"),
      sentence,
    ),
    list,
    el("details", { class: "chart-table" }, el("summary", {}, "Show as a table"), rows),
  );
  onNewDay(async () => {
    try {
      const answer = await get("/generations");
      /** @type {Generation[]} */
      const generations = answer.generations;
      if (!generations.length) {
        sentence.textContent = "No generation is published yet: picks are drawn uniformly until the first night.";
      } else if (answer.current === null) {
        sentence.textContent = "None of these is served now: neither the service nor the store answers.";
      } else {
        sentence.textContent = `Generation ${answer.current} is served. A roll-back is one flip of one key.`;
      }
      fill(
        list,
        newest(generations, answer.current, Math.max(2, Math.floor(list.clientWidth / WIDTH))).map((one) =>
          item(one, answer.current, rollBack),
        ),
      );
      fill(
        rows,
        table("Generations", {
          columns: ["Generation", "Made at", "Policy", "Posterior", "Parent", "Picks", "Seconds", "State"],
          rows: generations.map((one) => [
            String(one.generation),
            time(one.made_at),
            one.policy,
            one.posterior,
            String(one.parent ?? "–"),
            count(one.picks),
            seconds(one.seconds),
            one.state,
          ]),
        }),
      );
    } catch (error) {
      sentence.textContent = /** @type {Error} */ (error).message;
    }
  });
  return { node };
}

/**
 * As many of the newest as there is room for; the one that is served and the one before it are always among them.
 * @param {Generation[]} generations
 * @param {number | null} current
 * @param {number} room
 */
function newest(generations, current, room) {
  const needed = generations.filter((one) => one.generation === current || one.state === "previous");
  const others = generations.filter((one) => !needed.includes(one));
  const shown = [...needed, ...others.slice(Math.max(0, others.length - Math.max(0, room - needed.length)))];
  return shown.sort((a, b) => a.generation - b.generation);
}

/**
 * @param {Generation} one
 * @param {number | null} current
 * @param {((generation: number) => void) | null} rollBack
 */
function item(one, current, rollBack) {
  const isCurrent = one.generation === current;
  const words = isCurrent ? "served" : (STATES[one.state] ?? one.state);
  const back = rollBack && one.state === "previous" && !isCurrent;
  return el(
    "li",
    { class: isCurrent ? "generation here" : "generation", "aria-current": isCurrent ? "true" : null },
    el("span", { class: "generation-dot", "aria-hidden": "true" }),
    el("span", { class: "generation-number" }, `${one.generation}`),
    el("span", { class: "small" }, one.policy.replaceAll("_", " ")),
    el("span", { class: "small quiet" }, words),
    back
      ? el(
          "button",
          {
            type: "button",
            class: "button",
            "aria-label": `Roll back to generation ${one.generation}`,
            on: { click: () => rollBack(one.generation) },
          },
          "Roll back",
        )
      : null,
  );
}

/** @param {string} at */
function time(at) {
  return at.slice(0, 16).replace("T", " ");
}
