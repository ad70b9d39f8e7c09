// What was pressed, newest first: its number, its words, what came of it, and the press that takes it back.

import { el, fill } from "../app/dom.js";
import { onLive } from "../app/live.js";
import { clock } from "../charts/scales.js";
import { pressAndTell } from "./presses.js";

/** @typedef {import("../app/types.js").Mark} Mark */

const SHOWN = 4;

/** @param {string[]} controls */
export function markFeed(controls) {
  const list = el("ol", { class: "marks" });
  const empty = el(
    "p",
    { class: "quiet small" },
    "Nothing was pressed yet. Stop the store, and watch where the picks come from.",
  );
  const older = el("ol", { class: "marks" });
  const rest = el("details", { hidden: true }, el("summary", {}, "Older ones"), older);
  let shown = "";
  onLive((live) => {
    const key = JSON.stringify(live.marks);
    if (key === shown) return;
    shown = key;
    const marks = [...live.marks].reverse();
    empty.hidden = marks.length > 0;
    fill(
      list,
      marks.slice(0, SHOWN).map((mark, at) => item(mark, controls, at === 0)),
    );
    fill(
      older,
      marks.slice(SHOWN).map((mark) => item(mark, controls, false)),
    );
    rest.hidden = marks.length <= SHOWN;
  });
  return {
    node: el(
      "section",
      { class: "panel feed", "aria-labelledby": "marks-title" },
      el("h2", { id: "marks-title" }, "What was pressed, and what came of it"),
      empty,
      list,
      rest,
    ),
  };
}

/** @param {Mark} mark @param {string[]} controls @param {boolean} newest */
function item(mark, controls, newest) {
  const outcome = el("span", { class: "small quiet" });
  const { undo } = mark;
  const back =
    newest && undo !== null && controls.includes(undo)
      ? el(
          "button",
          { type: "button", class: "button", on: { click: () => pressAndTell(undo, {}, outcome) } },
          "Take it back",
        )
      : null;
  const when = mark.day === null ? clock(Date.parse(mark.at)) : `${clock(Date.parse(mark.at))}, day ${mark.day}`;
  return el(
    "li",
    { class: "mark-item" },
    el("span", { class: "mark" }, String(mark.id)),
    el(
      "div",
      { class: "mark-words" },
      el("p", {}, el("strong", {}, mark.words), " ", el("span", { class: "small quiet" }, when)),
      el("p", { class: "mark-effect" }, mark.effect ?? "Its effect is being measured …"),
      outcome,
    ),
    back,
  );
}
