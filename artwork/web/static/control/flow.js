// The flow as a picture: eight boxes on a loop, what passes between them, and the figures of the box that is open.

import { el, fill, svg } from "../app/dom.js";
import { onLive } from "../app/live.js";
import { bytes, count, milliseconds, percent, seconds, short } from "../charts/scales.js";
import { LIMIT_MS } from "../charts/live_charts.js";

/** @typedef {import("../app/types.js").Live} Live */
/** @typedef {{picks: number | null}} Extra what a generation came to */
/**
 * @typedef {object} Box
 * @property {string} name
 * @property {string} title
 * @property {string} about
 * @property {string[]} steps of a night that happen here
 * @property {(live: Live) => [string, string]} figure the one that stands in the box, and its unit
 * @property {(live: Live) => [string, string][]} figures all of them
 * @property {(live: Live) => string | null} [trouble]
 */

/** Letters of a figure that stands below its name. */
const LONG = 24;
/** @type {Record<string, string>} */
const STORE_TROUBLE = {
  stopped: "its process is gone",
  frozen: "it says nothing",
  slow: "its answers come late",
  away: "it does not answer",
};
const STORE_WORDS = { up: "up", stopped: "stopped", frozen: "frozen", slow: "slowed down", away: "away" };

/** @type {Box[]} */
const BOXES = [
  {
    name: "visits",
    title: "Visits",
    about: "People open rows of titles. Each row is one page call, and what they see and play comes back as events.",
    steps: [],
    figure: (live) => [short(live.service.per_second), "picks/s"],
    figures: (live) => [
      ["Picks asked for", `${count(live.service.per_second)} /s`],
      ["Simulated time", live.now.slice(0, 16).replace("T", " ")],
      ["Take rate of the last day", percent(live.days.at(-1)?.take_rate)],
      ["Played in the last day", percent(live.days.at(-1)?.click_through_rate)],
    ],
  },
  {
    name: "log",
    title: "Log",
    about:
      "Events go into a stream and from there into files. Plays are joined to what was shown, with the " +
      "propensity it was shown with.",
    steps: ["ingest", "join"],
    figure: (live) => [short(live.service.events_per_second), "events/s"],
    figures: (live) => [
      ["Events accepted", `${count(live.service.events_per_second)} /s`],
      ["Events refused", count(live.service.events_refused)],
      ["Waiting in the stream", count(live.ingest.waiting)],
      ["Oldest waits for", seconds(live.ingest.lag_seconds)],
      ["Not learned yet", count(live.learned.since)],
      ...night(live, ["ingest", "join"]),
    ],
    trouble: (live) =>
      ["stopped", "frozen", "away"].includes(live.store.state) ? "refuses events, to be sent again" : null,
  },
  {
    name: "train",
    title: "Train",
    about: "Impressions with their rewards move the posterior of every artwork: what it believes, and how sure it is.",
    steps: ["train"],
    figure: (live) => [short(live.learned.impressions), "impressions"],
    figures: (live) => [
      ["Impressions learned", count(live.learned.impressions)],
      ["Plays learned", count(live.learned.plays)],
      ...night(live, ["train"]),
    ],
  },
  {
    name: "draw",
    title: "Draw",
    about:
      "For every user and title the policy turns scores into chances, and the user's hash draws one artwork: the pick.",
    steps: ["draw"],
    figure: (live) => [seconds(live.nights.at(-1)?.steps.draw), "last night"],
    figures: (live) => [
      ["Nights", count(live.nights.length)],
      ["Last night in all", seconds(live.nights.at(-1)?.seconds)],
      ...night(live, ["draw"]),
    ],
  },
  {
    name: "gate",
    title: "Gate",
    about:
      "Before a row is written the new picks are held against what is served: swapped arms, a posterior that is " +
      "no number or exploration that ended stop here.",
    steps: [],
    figure: (live) => [count(live.marks.filter((mark) => mark.kind === "publish-broken").length), "broken ones sent"],
    figures: (live) => [
      ["Broken generations sent", count(live.marks.filter((mark) => mark.kind === "publish-broken").length)],
      ["What it said last", live.marks.findLast((mark) => mark.kind === "publish-broken")?.effect ?? "nothing yet"],
    ],
  },
  {
    name: "publish",
    title: "Publish",
    about:
      "Rows are written beside those that are served, read back and counted; then one key flips. A publisher " +
      "that dies leaves the old generation serving.",
    steps: ["publish"],
    figure: (live) => [live.generation === null ? "–" : String(live.generation), "generation"],
    figures: (live) => [
      ["Served now", live.generation === null ? "none yet" : `generation ${live.generation}`],
      ["One flip away", live.previous === null ? "none" : `generation ${live.previous}`],
      ["Catalogue's revision", count(live.revision)],
      ...night(live, ["publish"]),
    ],
  },
  {
    name: "store",
    title: "Store",
    about: "Valkey holds one packed row per user: three bytes a pick. It may die: the service answers without it.",
    steps: [],
    figure: (live) =>
      live.store.state === "up" ? [bytes(live.store.memory_bytes), "in memory"] : [STORE_WORDS[live.store.state], ""],
    figures: (live) => [
      ["State", STORE_WORDS[live.store.state] ?? live.store.state],
      ["Memory", bytes(live.store.memory_bytes)],
    ],
    trouble: (live) => STORE_TROUBLE[live.store.state] ?? null,
  },
  {
    name: "service",
    title: "Service",
    about:
      "A look-up reads one row, or answers by segment or popularity from its own memory. It never fails because the store does.",
    steps: [],
    figure: (live) => [milliseconds(live.service.p99_ms), "p99"],
    figures: (live) => [
      ["p50", milliseconds(live.service.p50_ms)],
      ["p99", milliseconds(live.service.p99_ms)],
      ["Ready", live.service.ready ? "yes" : "no"],
      ["Degraded", live.service.degraded.join(", ") || "nothing"],
    ],
    trouble: (live) => {
      if (!live.service.up) return "does not answer";
      if (live.service.degraded.length) return "answers without the store";
      return (live.service.p99_ms ?? 0) > LIMIT_MS ? "over 5 ms" : null;
    },
  },
];

/**
 * Seconds of some of the last night's steps.
 * @param {Live} live
 * @param {string[]} names
 * @returns {[string, string][]}
 */
function night(live, names) {
  const steps = Object.entries(live.nights.at(-1)?.steps ?? {});
  return steps.filter(([name]) => names.includes(name)).map(([name, took]) => [`Last night: ${name}`, seconds(took)]);
}

/**
 * @param {string | null} open
 * @param {(name: string) => void} onOpen
 */
export function flowPicture(open, onOpen) {
  let chosen = BOXES.find((box) => box.name === open) ?? BOXES[7];
  const lines = svg("svg", { class: "flow-lines", "aria-hidden": "true", focusable: "false" });
  const panel = el("div", { class: "flow-panel", id: "flow-panel", "aria-live": "off" });
  const boxes = BOXES.map((box) => boxButton(box, () => choose(box)));
  const grid = el(
    "ol",
    { class: "flow-boxes" },
    boxes.map(({ button, box }) => el("li", { class: `flow-${box.name}` }, button)),
  );
  const stage = el(
    "div",
    { class: "flow-stage" },
    el("p", { class: "flow-side flow-day" }, "every moment"),
    el("p", { class: "flow-side flow-night" }, "once a night"),
    lines,
    grid,
  );
  /** @type {Live | null} */
  let latest = null;
  const choose = (/** @type {Box} */ box) => {
    chosen = box;
    show();
    onOpen(box.name);
  };
  const show = () => {
    for (const { button, box } of boxes) button.setAttribute("aria-expanded", String(box === chosen));
    if (latest) fillPanel(panel, chosen, latest);
  };
  new ResizeObserver(() =>
    drawLines(
      lines,
      stage,
      boxes.map(({ button }) => button),
    ),
  ).observe(stage);
  onLive((live) => {
    latest = live;
    for (const { box, update } of boxes) update(live, isAt(box, live));
    for (const [at, edge] of [...lines.querySelectorAll(".edge")].entries())
      edge.setAttribute("class", `edge ${edgeState(at, live)}`);
    show();
  });
  return { node: el("div", { class: "flow" }, stage, panel) };
}

/** @param {Box} box @param {() => void} open */
function boxButton(box, open) {
  const value = el("span", { class: "flow-value" }, "–");
  const unit = el("span", { class: "flow-unit" });
  const state = el("span", { class: "flow-state" });
  const button = el(
    "button",
    { type: "button", class: "flow-box", "aria-expanded": "false", "aria-controls": "flow-panel", on: { click: open } },
    el("span", { class: "flow-name" }, box.title),
    el("span", { class: "flow-figure" }, value, unit),
    state,
  );
  return {
    box,
    button,
    /** @param {Live} live @param {boolean} busy */
    update(live, busy) {
      const [figure, name] = box.figure(live);
      const trouble = box.trouble?.(live) ?? null;
      value.textContent = figure;
      unit.textContent = name;
      state.textContent = trouble ?? (busy ? progress(live) : "");
      button.classList.toggle("trouble", trouble !== null);
      button.classList.toggle("busy", busy && trouble === null);
    },
  };
}

/** @param {Live} live */
function progress({ step }) {
  if (!step) return "at work";
  return step.total > 1 ? `${step.name}: ${percent(step.done / step.total, 0)}` : step.name;
}

/** Whether the night is at this box. @param {Box} box @param {Live} live */
function isAt(box, live) {
  return live.phase === "night" && live.step !== null && box.steps.includes(live.step.name);
}

/**
 * An edge goes from the box of its number to the next; the last one closes the loop.
 * @param {number} at
 * @param {Live} live
 */
function edgeState(at, live) {
  const away = ["stopped", "frozen", "away"].includes(live.store.state);
  const moving =
    at === 0
      ? live.service.events_per_second > 0
      : at === 7
        ? live.service.per_second > 0
        : at === 6 && live.service.per_second > 0;
  if (at === 6 || at === 0 || at === 5) {
    if (away) return "cut";
    if (live.store.state === "slow" && at === 6) return "slow";
  }
  if (at >= 1 && at <= 5) return live.phase === "night" ? "moving" : "";
  return moving ? "moving" : "";
}

/** @param {HTMLElement} panel @param {Box} box @param {Live} live */
function fillPanel(panel, box, live) {
  const figures = box.figures(live);
  const key = JSON.stringify([box.name, figures]);
  if (panel.dataset.key === key) return;
  panel.dataset.key = key;
  fill(
    panel,
    el("h3", {}, box.title),
    el("p", { class: "quiet small" }, box.about),
    el(
      "dl",
      { class: "figures" },
      figures.map(([name, value]) =>
        el("div", { class: value.length > LONG ? "long" : null }, el("dt", {}, name), el("dd", {}, value)),
      ),
    ),
  );
}

/**
 * Lines between neighbours, from the side of one box to the side of the next.
 * @param {SVGElement} lines
 * @param {HTMLElement} stage
 * @param {HTMLElement[]} buttons
 */
function drawLines(lines, stage, buttons) {
  const origin = stage.getBoundingClientRect();
  const places = buttons.map((button) => button.getBoundingClientRect());
  const states = [...lines.querySelectorAll(".edge")].map((edge) => edge.getAttribute("class"));
  lines.setAttribute("viewBox", `0 0 ${origin.width} ${origin.height}`);
  fill(
    lines,
    arrowHead(),
    places.map((from, at) => {
      const [a, b] = ends(from, places[(at + 1) % places.length]);
      const [ax, ay, bx, by] = [a[0] - origin.left, a[1] - origin.top, b[0] - origin.left, b[1] - origin.top];
      const path = `M${ax.toFixed(1)} ${ay.toFixed(1)}L${bx.toFixed(1)} ${by.toFixed(1)}`;
      const cross = `M${((ax + bx) / 2 - 5).toFixed(1)} ${((ay + by) / 2 - 5).toFixed(1)}l10 10m0 -10l-10 10`;
      return svg(
        "g",
        { class: states[at] ?? "edge" },
        svg("path", { class: "edge-line", d: path, "marker-end": "url(#flow-arrow)" }),
        svg("path", { class: "edge-pulse", d: path }),
        svg("path", { class: "edge-cross", d: cross }),
      );
    }),
  );
}

function arrowHead() {
  return svg(
    "defs",
    {},
    svg(
      "marker",
      { id: "flow-arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
      svg("path", { class: "edge-head", d: "M0 0L8 4L0 8z" }),
    ),
  );
}

/**
 * @param {DOMRect} from
 * @param {DOMRect} to
 * @returns {[[number, number], [number, number]]}
 */
function ends(from, to) {
  const middle = (/** @type {DOMRect} */ box) =>
    /** @type {[number, number]} */ ([box.left + box.width / 2, box.top + box.height / 2]);
  const [fx, fy] = middle(from);
  const [tx, ty] = middle(to);
  if (Math.abs(fy - ty) < Math.min(from.height, to.height) / 2) {
    const right = tx > fx;
    return [
      [right ? from.right + 3 : from.left - 3, fy],
      [right ? to.left - 3 : to.right + 3, fy],
    ];
  }
  const down = ty > fy;
  return [
    [fx, down ? from.bottom + 3 : from.top - 3],
    [fx, down ? to.top - 3 : to.bottom + 3],
  ];
}
