// Figures of this machine: a look-up timed from here, the last night's steps, and what all of it comes to at full size.

import { get, lookUp } from "../app/api.js";
import { el, fill } from "../app/dom.js";
import { onLive } from "../app/live.js";
import { barsChart } from "../charts/bars.js";
import { bytes, count, milliseconds, seconds, short } from "../charts/scales.js";
import { onSeries } from "../charts/series.js";
import { table } from "../charts/table.js";
import { action, part, somePeople } from "./people.js";

/** @typedef {import("../app/types.js").Live} Live */
/** @typedef {import("../app/types.js").Title} Title */

const LOOK_UPS = 100;
const MEMBERS = 260e6;
const TITLES = 15_000;
const SHORTLIST = 200;
const PEAK = 20e6;

/** Catalogue, picks and pace of this machine in four figures. @param {Title[]} titles */
export function scaleFigures(titles) {
  const artworks = titles.reduce((sum, title) => sum + title.artworks.length, 0);
  const picks = stat("picks in this generation", "–");
  const rate = stat("picks served per second", "–");
  get("/generations").then(
    ({ generations, current }) => {
      picks.value.textContent = count(
        generations.find((/** @type {{generation: number}} */ one) => one.generation === current)?.picks,
      );
    },
    () => undefined,
  );
  onLive((live) => {
    rate.value.textContent = count(live.service.per_second);
  });
  return el(
    "dl",
    { class: "stats" },
    stat("titles", count(titles.length)).node,
    stat("artworks", count(artworks)).node,
    picks.node,
    rate.node,
  );
}

/** @param {string} name @param {string} text */
function stat(name, text) {
  const value = el("dd", {}, text);
  return { value, node: el("div", { class: "stat" }, el("dt", {}, name), value) };
}

/** Times look-ups from this page. @param {string} service @param {Title[]} titles */
export function timedHere(service, titles) {
  const words = el(
    "p",
    { class: "part-words", role: "status" },
    `${LOOK_UPS} look-ups one after the other, as this page sees them: browser and network included.`,
  );
  const run = async () => {
    try {
      const [user] = await somePeople(1);
      /** @type {number[]} */
      const times = [];
      const began = performance.now();
      for (let at = 0; at < LOOK_UPS; at += 1) {
        const { ms } = await lookUp(service, user, [titles[at % titles.length].title_id]);
        times.push(ms);
      }
      times.sort((a, b) => a - b);
      const all = seconds((performance.now() - began) / 1000);
      words.textContent =
        `${LOOK_UPS} look-ups in ${all}: half of them within ` +
        `${milliseconds(times[LOOK_UPS / 2])}, 99 within ${milliseconds(times[98])}, as this ` +
        "page sees it.";
    } catch (error) {
      words.textContent = /** @type {Error} */ (error).message;
    }
  };
  return part("Time it from here", words, el("div"), [action(`Time ${LOOK_UPS} look-ups`, run)]);
}

/** The steps of the last night. */
export function nightChart() {
  const chart = barsChart({
    title: "The last night, step by step",
    words: "Seconds of each step, from the log to the flip.",
    nameName: "Step",
    valueName: "seconds",
    show: (value) => seconds(value),
    empty: "No night has passed yet.",
    tone: "tone-2",
    rows: 6,
    level: 4,
  });
  let shown = -1;
  onLive((live) => {
    const night = live.nights.at(-1);
    if (!night || night.generation === shown) return;
    shown = night.generation;
    chart.say(`Generation ${night.generation} took ${seconds(night.seconds)} in all.`);
    chart.update(
      Object.entries(night.steps).map(([name, took]) => ({
        name: name.replaceAll("_", " "),
        value: took,
        chosen: true,
      })),
    );
  });
  return chart.node;
}

/** What it costs here, and at 260 million members by the same figures. */
export function costTable() {
  const box = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table: what it costs" });
  const words = el("p", { class: "part-words" }, "Measured here, multiplied: a first estimate, not a promise.");
  /** @type {number | null} */
  let picks = null;
  let shown = "";
  const read = async () => {
    try {
      const { generations, current } = await get("/generations");
      picks = generations.find((/** @type {{generation: number}} */ one) => one.generation === current)?.picks ?? null;
    } catch {
      picks = null;
    }
  };
  read();
  onSeries((points, live) => {
    const busiest = points.reduce((most, point) => Math.max(most, point.per_second), 0);
    const rows = costs(live, picks, busiest);
    if (JSON.stringify(rows) === shown) return;
    shown = JSON.stringify(rows);
    fill(box, table("What it costs", { columns: ["", "Here", "At 260 million members"], rows }));
  });
  return part("The bill", words, box, []);
}

/** @param {Live} live @param {number | null} picks @param {number} busiest @returns {string[][]} */
function costs(live, picks, busiest) {
  const night = live.nights.at(-1);
  const size = live.store.memory_bytes && picks ? live.store.memory_bytes / picks : null;
  const rate = night && picks ? picks / night.seconds : null;
  const all = MEMBERS * SHORTLIST;
  return [
    [
      "Picks of a generation",
      count(picks),
      `${short(all)} with ${SHORTLIST} titles each; ${short(MEMBERS * TITLES)} for all`,
    ],
    ["Picks in rows, 3 bytes each", bytes(picks === null ? null : 3 * picks), bytes(3 * all)],
    ["Store with all it holds, per pick", bytes(size), size === null ? "–" : `at most ${bytes(all * size)}`],
    [
      "Night, picks per second",
      short(rate),
      rate === null ? "–" : `${short(all / rate / 3600)} hours of such a machine`,
    ],
    [
      "Busiest second, picks",
      count(busiest),
      busiest ? `${short(PEAK / busiest)} such machines for a peak of ${short(PEAK)} /s` : "–",
    ],
  ];
}
