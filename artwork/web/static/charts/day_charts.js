// The charts that grow by the day: take rate against uniform and the true best, one title's arms, calibration.

import { get } from "../app/api.js";
import { artworkWords, picture, titleWords } from "../app/artworks.js";
import { el, fill } from "../app/dom.js";
import { onLive } from "../app/live.js";
import { calibrationChart } from "./calibration.js";
import { CursorGroup, xyChart } from "./xy.js";
import { count, percent } from "./scales.js";
import { toneOf } from "./strip.js";

/** @typedef {import("../app/types.js").Live} Live */
/** @typedef {import("../app/types.js").Day} Day */
/** @typedef {import("../app/types.js").Title} Title */
/** @typedef {import("../app/types.js").Artwork} Artwork */
/** @typedef {import("../app/types.js").HistoryDay} HistoryDay */

const TONES = 8;

export const dayCursor = new CursorGroup();

/**
 * What comes with a new day or generation; `change` is called at once and whenever one of them differs.
 * @param {(live: Live) => void} change
 */
export function onNewDay(change) {
  let seen = "";
  onLive((live) => {
    const key = JSON.stringify([live.days.length, live.generation, live.marks.length, live.revision]);
    if (key === seen) return;
    seen = key;
    change(live);
  });
}

/** Take rate by day. @param {number} [level] */
export function takeRateChart(level) {
  const chart = xyChart({
    title: "What people take, day by day",
    words: "Takes per impression, beside what the simulated world expects on the same visits.",
    xName: "Day",
    showX: (day) => `day ${day}`,
    showY: (value) => percent(value),
    showTick: (value) => percent(value, Math.abs(value * 100 - Math.round(value * 100)) < 1e-9 ? 0 : 1),
    fit: true,
    height: 240,
    group: dayCursor,
    empty: "The first day is not over yet: its line appears when it ends.",
    level,
  });
  onNewDay((live) => {
    chart.say(daysSentence(live.days));
    const { days } = live;
    const knows = days.some((day) => day.best !== null);
    chart.update({
      x: days.map((day) => day.day),
      marks: dayMarks(live),
      series: [
        { name: "taken", tone: "tone-1", kind: "line", values: days.map((day) => day.take_rate) },
        ...(knows
          ? /** @type {import("./xy.js").Series[]} */ ([
              { name: "true best", tone: "tone-truth", kind: "dash", values: days.map((day) => day.best) },
              { name: "uniform", tone: "tone-quiet", kind: "dots", values: days.map((day) => day.uniform) },
            ])
          : []),
        ...policies(days),
      ],
    });
  });
  return chart;
}

/**
 * A line per policy, on days with more than one.
 * @param {Day[]} days
 * @returns {import("./xy.js").Series[]}
 */
function policies(days) {
  const beside = days.filter((day) => Object.keys(day.rates).length > 1);
  const names = [...new Set(beside.flatMap((day) => Object.keys(day.rates)))].slice(0, 4);
  return names.map((name, at) => ({
    name,
    tone: ["tone-2", "tone-4", "tone-5", "tone-6"][at],
    kind: "dash",
    values: days.map((day) => (Object.keys(day.rates).length > 1 ? (day.rates[name] ?? null) : null)),
  }));
}

/** @param {Live} live @returns {import("./xy.js").ChartMark[]} */
function dayMarks({ marks }) {
  return marks.flatMap((mark) => (mark.day === null ? [] : [{ id: mark.id, x: mark.day, words: mark.words }]));
}

/** @param {Day[]} days */
export function daysSentence(days) {
  const last = days[days.length - 1];
  if (!last) return "Takes per impression, a point a day.";
  if (last.closed === null) return `${percent(last.take_rate)} of impressions were taken on day ${last.day}.`;
  return `Day ${last.day} came ${percent(Math.max(0, last.closed), 0)} of the way from uniform to the true best.`;
}

/**
 * How often each artwork of one title was shown, day by day, with a choice of the title.
 * @param {Title[]} titles
 * @param {string | null} chosen
 * @param {(titleId: string) => void} onChoice
 */
export function armsChart(titles, chosen, onChoice) {
  const chart = xyChart({
    title: "One title's artworks",
    words: "Share of the title's impressions that each artwork got.",
    xName: "Day",
    showX: (day) => shortDay(days[day]?.day ?? ""),
    showY: (value) => percent(value, 0),
    top: 1,
    height: 240,
    empty: "This title was not shown on a whole day yet.",
  });
  /** @type {import("../app/types.js").HistoryDay[]} */
  let days = [];
  let title = titles.find((one) => one.title_id === chosen) ?? titles[0];
  const select = /** @type {HTMLSelectElement} */ (el("select", { class: "field", "aria-label": "Title" }));
  const offer = (/** @type {Title[]} */ next) => {
    titles = next;
    title = titles.find((one) => one.title_id === title?.title_id) ?? titles[0];
    const options = titles.map((one) => el("option", { value: one.title_id }, titleWords(one) || one.title_id));
    fill(select, options);
    select.value = title?.title_id ?? "";
  };
  offer(titles);
  const pictures = el("ul", { class: "arms-posters" });
  const show = async () => {
    if (!title) return;
    const asked = title;
    fill(
      pictures,
      asked.artworks.map((artwork, at) =>
        el("li", { class: toneOf(asked.artworks.length > TONES ? Math.min(at, TONES - 1) : at) }, small(artwork)),
      ),
    );
    try {
      const answer = await get(`/title/${encodeURIComponent(asked.title_id)}/history`);
      if (asked !== title) return;
      days = answer.days;
      chart.say("Share of the title's impressions that each artwork got.");
      chart.update({
        x: days.map((_, at) => at),
        series: shares(asked, days),
      });
    } catch (error) {
      chart.say(/** @type {Error} */ (error).message);
    }
  };
  select.addEventListener("change", () => {
    title = titles.find((one) => one.title_id === select.value) ?? title;
    onChoice(select.value);
    show();
  });
  onNewDay(show);
  return {
    node: el("div", { class: "arms" }, el("div", { class: "arms-head" }, select), chart.node, pictures),
    /** @param {Title[]} next titles to choose from, after some came or went */
    offer(next) {
      offer(next);
      show();
    },
  };
}

/**
 * A series for each artwork; those beyond the tones are one.
 * @param {Title} title
 * @param {import("../app/types.js").HistoryDay[]} days
 * @returns {import("./xy.js").Series[]}
 */
function shares(title, days) {
  const named = title.artworks.length > TONES ? title.artworks.slice(0, TONES - 1) : title.artworks;
  const rest = title.artworks.slice(named.length);
  const share = (/** @type {HistoryDay} */ day, /** @type {Artwork} */ one) => day.artworks[one.artwork_id]?.share ?? 0;
  /** @type {import("./xy.js").Series[]} */
  const series = named.map((artwork, at) => ({
    name: `${at + 1}: ${artworkWords(artwork)}`,
    tone: toneOf(at),
    kind: "area",
    values: days.map((day) => share(day, artwork)),
  }));
  if (rest.length) {
    const values = days.map((day) => rest.reduce((sum, artwork) => sum + share(day, artwork), 0));
    series.push({ name: `${rest.length} others`, tone: toneOf(TONES - 1), kind: "area", values });
  }
  return series;
}

/** @param {import("../app/types.js").Artwork} artwork */
function small(artwork) {
  const words = `${artworkWords(artwork)}${artwork.retired ? ", retired" : ""}`;
  return el("span", { class: "arms-poster", role: "img", "aria-label": words, title: words }, picture(artwork));
}

/** @param {string} day an ISO date */
function shortDay(day) {
  const date = new Date(`${day.slice(0, 10)}T00:00:00Z`);
  return Number.isNaN(date.getTime())
    ? day
    : date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

/** Prediction against what came, last whole day. @param {number} [level] */
export function calibration(level) {
  const chart = calibrationChart({
    title: "Does it know what it does not know?",
    words: "Take rate that the posterior predicted for what it showed, against what came.",
    empty: "Needs a generation and one whole day after it.",
    level,
  });
  onNewDay(async () => {
    try {
      /** @type {{bins: import("./calibration.js").Bin[], generation: number | null}} */
      const { bins, generation } = await get("/calibration");
      chart.update(bins);
      if (bins.length) {
        const within = bins.filter((bin) => bin.lower <= bin.predicted && bin.predicted <= bin.upper).length;
        chart.say(
          `Generation ${generation}: ${count(within)} of ${count(bins.length)} predictions lie in the interval ` +
            "of what came.",
        );
      }
    } catch (error) {
      chart.say(/** @type {Error} */ (error).message);
    }
  });
  return chart;
}
