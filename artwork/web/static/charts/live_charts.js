// The charts that move every second: times against the limit, picks by source, events that wait.

import { sourceWords } from "../app/words.js";
import { CursorGroup, xyChart } from "./xy.js";
import { clock, count, milliseconds, percent, seconds, short } from "./scales.js";
import { onSeries } from "./series.js";

/** @typedef {import("./series.js").Point} Point */
/** @typedef {import("../app/types.js").Live} Live */

export const LIMIT_MS = 5;
const SOURCES = ["personalized", "segment", "popularity", "default"];

/** Live charts share their cursor and the minutes that they show. */
export const liveCursor = new CursorGroup();
let windowMs = 120_000;

/** @param {number} minutes */
export function showMinutes(minutes) {
  windowMs = minutes * 60_000;
}

/**
 * @param {(points: Point[], live: Live, x: number[], common: {domain: [number, number],
 *   marks: import("./xy.js").ChartMark[]}) => void} update
 */
function follow(update) {
  onSeries((all, live) => {
    const last = all[all.length - 1].at;
    const from = Math.max(last - windowMs, all.length > 1 ? Math.min(all[0].at, last - 20_000) : last - 20_000);
    const points = all.filter((point) => point.at >= from);
    const marks = live.marks.map((mark) => ({ id: mark.id, x: Date.parse(mark.at), words: mark.words }));
    update(
      points,
      live,
      points.map((point) => point.at),
      { domain: [from, last], marks },
    );
  });
}

/** p50 and p99 of look-ups against 5 ms. @param {number} [level] */
export function latencyChart(level) {
  const chart = xyChart({
    title: "How long a look-up takes",
    words: "Times of the last ten seconds, measured by the service itself.",
    xName: "Time",
    showX: clock,
    showY: milliseconds,
    showTick: (value) => `${value} ms`,
    limit: { value: LIMIT_MS, words: "limit of the 99th percentile: 5 ms" },
    least: 6,
    group: liveCursor,
    empty: "No look-up was timed yet.",
    level,
  });
  follow((points, live, x, common) => {
    const { p99_ms: p99 } = live.service;
    chart.say(
      p99 === null
        ? "No look-ups now."
        : `99 of 100 look-ups took less than ${milliseconds(p99)}: ${p99 < LIMIT_MS ? "within" : "over"} the limit.`,
    );
    chart.update({
      ...common,
      x,
      series: [
        { name: "p99", tone: "tone-1", kind: "line", values: points.map((point) => point.p99_ms) },
        { name: "p50", tone: "tone-2", kind: "dash", values: points.map((point) => point.p50_ms) },
      ],
    });
  });
  return chart;
}

/** Where answers came from, as shares: so that a source is seen however many ask. @param {number} [level] */
export function sourcesChart(level) {
  const chart = xyChart({
    title: "Where the picks come from",
    words: "Share of picks by source.",
    xName: "Time",
    showX: clock,
    showY: (value) => percent(value),
    showTick: (value) => percent(value, 0),
    top: 1,
    group: liveCursor,
    empty: "No pick was served yet.",
    level,
  });
  follow((points, live, x, common) => {
    chart.say(sourceSentence(live));
    const totals = points.map(({ by_source: rates }) => Object.values(rates).reduce((sum, rate) => sum + rate, 0));
    chart.update({
      ...common,
      x,
      series: SOURCES.map((source) => ({
        name: source,
        tone: `tone-${source}`,
        kind: "area",
        values: points.map((point, at) => (totals[at] > 0 ? (point.by_source[source] ?? 0) / totals[at] : null)),
      })),
    });
  });
  return chart;
}

/** @param {Live} live */
function sourceSentence(live) {
  const rates = Object.entries(live.service.by_source);
  const all = rates.reduce((sum, [, rate]) => sum + rate, 0);
  if (!all) return "Nobody asks just now.";
  const [source, rate] = rates.reduce((most, one) => (one[1] > most[1] ? one : most));
  return `${percent(rate / all)} of ${count(all)} picks/s are ${source}: ${sourceWords(source).toLowerCase()}.`;
}

/** How far the log is behind. @param {number} [level] */
export function ingestChart(level) {
  const chart = xyChart({
    title: "What waits to be logged",
    words: "Entries of the stream that the log has not taken yet.",
    xName: "Time",
    showX: clock,
    showY: (value) => count(value),
    showTick: short,
    least: 10,
    height: 130,
    group: liveCursor,
    empty: "No events yet.",
    level,
  });
  follow((points, live, x, common) => {
    const { waiting, lag_seconds: lag } = live.ingest;
    chart.say(
      lag === null
        ? `${count(waiting)} entries wait.`
        : `${count(waiting)} entries wait, the oldest for ${seconds(lag)}.`,
    );
    chart.update({
      ...common,
      x,
      series: [{ name: "waiting entries", tone: "tone-5", kind: "line", values: points.map((point) => point.waiting) }],
    });
  });
  return chart;
}
