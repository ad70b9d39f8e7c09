// Bars that lie, one row each: a value, the whisker of its uncertainty, a tick for the truth. Values may be negative.

import { svg } from "../app/dom.js";
import { frame } from "./frame.js";
import { linear, roundUp, ticks } from "./scales.js";

/**
 * @typedef {object} Bar
 * @property {string} name
 * @property {number} value
 * @property {[number, number]} [whisker] lower and upper end
 * @property {number | null} [truth]
 * @property {boolean} [chosen] the one that the sentence speaks of
 */

/**
 * @typedef {object} BarsOptions
 * @property {string} title
 * @property {string} [words]
 * @property {string} valueName
 * @property {string} [whiskerName]
 * @property {string} [truthName]
 * @property {string} nameName what a row is, the first column of the table
 * @property {(value: number | null) => string} show
 * @property {(value: number) => string} [showTick]
 * @property {string} [tone]
 * @property {string} [empty]
 * @property {number} [rows] rows that room is kept for, so that nothing jumps when they arrive
 * @property {number} [level] of the heading
 */

const ROW = 34;
const FOOT = 22;

/**
 * @param {BarsOptions} options
 * @returns {{node: HTMLElement, update: (bars: Bar[]) => void, say: (text: string) => void}}
 */
export function barsChart(options) {
  const view = frame({ ...options, height: (options.rows ?? 4) * ROW + FOOT });
  /** @type {Bar[]} */
  let bars = [];
  let width = 0;
  const draw = () => {
    if (width && bars.length) render(view.picture, bars, options, width);
  };
  view.describe(options.title);
  view.onSize((next) => {
    width = next;
    draw();
  });
  return {
    node: view.node,
    say: view.say,
    update(next) {
      bars = next;
      view.fill(bars.length > 0);
      if (bars.length > (options.rows ?? 4)) {
        view.plot.style.setProperty("--plot-height", `${bars.length * ROW + FOOT}px`);
      }
      view.describe(spoken(bars, options));
      view.legend(legendOf(bars, options));
      view.table(() => tableOf(bars, options));
      draw();
    },
  };
}

/**
 * @param {SVGElement} picture
 * @param {Bar[]} bars
 * @param {BarsOptions} options
 * @param {number} width
 */
function render(picture, bars, options, width) {
  const left = Math.min(220, Math.max(84, width * 0.3));
  const right = 64;
  const [low, high] = extent(bars);
  const x = linear([low, high], [left, width - right]);
  const height = bars.length * ROW + FOOT;
  const children = ticks(low, high, width < 480 ? 2 : 4).flatMap((value) => [
    svg("path", { class: value === 0 ? "grid zero" : "grid", d: `M${x(value).toFixed(1)} 2V${height - FOOT}` }),
    svg("text", { class: "tick", x: x(value), y: height - 6, "text-anchor": "middle" }, [
      (options.showTick ?? options.show)(value),
    ]),
  ]);
  bars.forEach((bar, at) => children.push(row(bar, at * ROW, x, left, width, options)));
  picture.setAttribute("viewBox", `0 0 ${width} ${Math.max(height, (options.rows ?? 4) * ROW + FOOT)}`);
  picture.replaceChildren(...children);
}

/**
 * @param {Bar} bar
 * @param {number} top
 * @param {(value: number) => number} x
 * @param {number} left
 * @param {number} width
 * @param {BarsOptions} options
 */
function row(bar, top, x, left, width, options) {
  const middle = top + ROW / 2;
  const [from, to] = [Math.min(x(0), x(bar.value)), Math.max(x(0), x(bar.value))];
  const children = [
    svg("title", {}, [sentence(bar, options)]),
    svg("text", { class: "bar-name", x: left - 10, y: middle + 4, "text-anchor": "end" }, [
      fitted(bar.name, left - 14),
    ]),
    svg("rect", { class: "fill", x: from, y: middle - 8, width: Math.max(1, to - from), height: 16, rx: 3 }),
  ];
  if (bar.whisker) {
    const [lower, upper] = bar.whisker.map((value) => x(value).toFixed(1));
    children.push(
      svg("path", {
        class: "whisker",
        d: `M${lower} ${middle}H${upper}M${lower} ${middle - 4}v8M${upper} ${middle - 4}v8`,
      }),
    );
  }
  if (typeof bar.truth === "number") {
    children.push(svg("path", { class: "truth", d: `M${x(bar.truth).toFixed(1)} ${middle - 11}v22` }));
  }
  children.push(
    svg("text", { class: "bar-value", x: width - 6, y: middle + 4, "text-anchor": "end" }, [options.show(bar.value)]),
  );
  return svg("g", { class: `bar-row ${options.tone ?? "tone-1"}${bar.chosen ? " chosen" : ""}` }, children);
}

/** @param {Bar[]} bars @returns {[number, number]} */
function extent(bars) {
  const ends = bars.flatMap((bar) => [
    bar.value,
    ...(bar.whisker ?? []),
    ...(typeof bar.truth === "number" ? [bar.truth] : []),
  ]);
  const most = Math.max(0, ...ends);
  const least = Math.min(0, ...ends);
  return [least < 0 ? -roundUp(-least) : 0, most > 0 ? roundUp(most) : 0.0001];
}

/** @param {string} name @param {number} room in pixels */
function fitted(name, room) {
  const most = Math.max(4, Math.floor(room / 7));
  const letters = [...name];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : name;
}

/** @param {Bar} bar @param {BarsOptions} options */
function sentence(bar, options) {
  const parts = [`${bar.name}: ${options.valueName} ${options.show(bar.value)}`];
  if (bar.whisker)
    parts.push(`${options.whiskerName} ${options.show(bar.whisker[0])} to ${options.show(bar.whisker[1])}`);
  if (typeof bar.truth === "number") parts.push(`${options.truthName} ${options.show(bar.truth)}`);
  return parts.join(", ") + (bar.chosen ? ", chosen" : "");
}

/** @param {Bar[]} bars @param {BarsOptions} options */
function spoken(bars, options) {
  return `${options.title}. ${bars.map((bar) => sentence(bar, options)).join(". ")}`;
}

/** @param {Bar[]} bars @param {BarsOptions} options @returns {import("./frame.js").LegendItem[]} */
function legendOf(bars, options) {
  const tone = options.tone ?? "tone-1";
  /** @type {import("./frame.js").LegendItem[]} */
  const items = [{ name: options.valueName, tone, kind: "bar" }];
  if (bars.some((bar) => bar.whisker))
    items.push({ name: options.whiskerName ?? "interval", tone: "tone-ink", kind: "line" });
  if (bars.some((bar) => typeof bar.truth === "number")) {
    items.push({ name: options.truthName ?? "truth", tone: "tone-truth", kind: "tick" });
  }
  return items;
}

/** @param {Bar[]} bars @param {BarsOptions} options @returns {import("./table.js").TableData} */
function tableOf(bars, options) {
  const hasWhisker = bars.some((bar) => bar.whisker);
  const hasTruth = bars.some((bar) => typeof bar.truth === "number");
  return {
    columns: [
      options.nameName,
      options.valueName,
      ...(hasWhisker ? [`${options.whiskerName}, lower`, `${options.whiskerName}, upper`] : []),
      ...(hasTruth ? [options.truthName ?? "truth"] : []),
    ],
    rows: bars.map((bar) => [
      bar.chosen ? `${bar.name} (chosen)` : bar.name,
      options.show(bar.value),
      ...(hasWhisker ? (bar.whisker ?? [null, null]).map((value) => options.show(value)) : []),
      ...(hasTruth ? [options.show(bar.truth ?? null)] : []),
    ]),
  };
}
