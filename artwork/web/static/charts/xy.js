// Lines over time or days: one or more series, a limit line, marks of what was pressed, and a cursor that reads values.

import { svg } from "../app/dom.js";
import { frame } from "./frame.js";
import { linear, pathThrough, roundUp, ticks } from "./scales.js";

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} tone
 * @property {"line" | "dash" | "dots" | "area"} kind `area` series are stacked upon one another, first at the bottom
 * @property {(number | null)[]} values
 */

/**
 * @typedef {object} ChartMark
 * @property {string | number} id
 * @property {number} x
 * @property {string} words
 */

/**
 * @typedef {object} XYData
 * @property {number[]} x ascending
 * @property {Series[]} series
 * @property {ChartMark[]} [marks]
 * @property {[number, number]} [domain] of x; from its first to its last without
 */

/**
 * @typedef {object} XYOptions
 * @property {string} title
 * @property {string} [words]
 * @property {string} xName
 * @property {(x: number) => string} showX
 * @property {(y: number | null) => string} showY
 * @property {(y: number) => string} [showTick]
 * @property {{value: number, words: string}} [limit]
 * @property {number} [height]
 * @property {number} [low] lowest y
 * @property {number} [top] highest y; else a round value above all others
 * @property {number} [least] the axis reaches at least to here
 * @property {boolean} [fit] the axis need not begin at `low`: it fits the values
 * @property {string} [empty] what is said while there are no values
 * @property {CursorGroup} [group] charts of a group share their cursor
 * @property {number} [level] of the heading
 */

/** Charts over the same x, whose cursors move together. */
export class CursorGroup {
  constructor() {
    /** @type {Set<(x: number | null) => void>} */
    this.listeners = new Set();
    /** @type {number | null} a place that stays when the pointer leaves */
    this.pinned = null;
  }

  /** @param {number | null} x */
  move(x) {
    for (const listener of this.listeners) listener(x ?? this.pinned);
  }

  /** @param {number | null} x */
  pin(x) {
    this.pinned = x;
    this.move(x);
  }
}

const MARGIN = { top: 22, right: 14, bottom: 24, left: 48 };

/**
 * @param {XYOptions} options
 * @returns {{node: HTMLElement, update: (data: XYData) => void, say: (text: string) => void}}
 */
export function xyChart(options) {
  const view = frame(options);
  const group = options.group ?? new CursorGroup();
  /** @type {XYData} */
  let data = { x: [], series: [] };
  let size = { width: 0, height: 0 };
  let cursorX = /** @type {number | null} */ (null);
  const cursor = svg("g", { class: "chart-cursor" });
  let place = { x: linear([0, 1], [0, 1]), y: linear([0, 1], [0, 1]) };

  view.plot.setAttribute("role", "slider");
  view.plot.setAttribute("tabindex", "0");
  view.plot.setAttribute("aria-label", `${options.title}. Arrow keys read the values.`);
  view.plot.setAttribute("aria-orientation", "horizontal");
  for (const name of ["valuemin", "valuemax", "valuenow"]) view.plot.setAttribute(`aria-${name}`, "0");
  view.plot.setAttribute("aria-valuetext", "no values yet");

  const draw = () => {
    if (!size.width || !data.x.length) return;
    place = render(view.picture, cursor, data, options, size);
    drawCursor();
  };
  const drawCursor = () => {
    const at = cursorX === null ? data.x.length - 1 : nearest(data.x, cursorX);
    view.legend(readings(data, at, options));
    const words = readAloud(data, at, options);
    for (const [name, value] of [
      ["valuemin", 0],
      ["valuemax", Math.max(0, data.x.length - 1)],
      ["valuenow", Math.max(0, at)],
      ["valuetext", words],
    ]) {
      view.plot.setAttribute(`aria-${name}`, String(value));
    }
    const column = cursorX === null || at < 0 ? [] : cursorMarks(data, at, options, place, size);
    cursor.replaceChildren(...column);
  };

  group.listeners.add((x) => {
    cursorX = x;
    drawCursor();
  });
  view.plot.addEventListener("pointermove", (event) => {
    const left = view.plot.getBoundingClientRect().left;
    const at = nearestPixel(data.x, place.x, event.clientX - left);
    if (at >= 0) group.move(data.x[at]);
  });
  view.plot.addEventListener("pointerleave", () => group.move(null));
  view.plot.addEventListener("blur", () => group.move(null));
  view.plot.addEventListener("keydown", (event) => {
    const last = data.x.length - 1;
    const at = cursorX === null ? last : nearest(data.x, cursorX);
    const step = Math.max(1, Math.round(data.x.length / 60));
    const to = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    group.move(data.x[Math.min(last, Math.max(0, to))]);
  });
  view.onSize((width, height) => {
    size = { width, height };
    draw();
  });

  return {
    node: view.node,
    say: view.say,
    update(next) {
      data = next;
      view.fill(data.x.length > 0);
      view.table(() => ({
        columns: [options.xName, ...data.series.map((one) => one.name)],
        rows: data.x.map((x, at) => [
          options.showX(x),
          ...data.series.map((one) => options.showY(one.values[at] ?? null)),
        ]),
      }));
      draw();
    },
  };
}

/**
 * @param {SVGElement} picture
 * @param {SVGElement} cursor
 * @param {XYData} data
 * @param {XYOptions} options
 * @param {{width: number, height: number}} size
 */
function render(picture, cursor, data, options, { width, height }) {
  const layers = stacked(data);
  const [low, high] = extent(layers, options);
  const [first, last] = data.domain ?? [data.x[0], data.x[data.x.length - 1]];
  const x = linear([first, last === first ? first + 1 : last], [MARGIN.left, width - MARGIN.right]);
  const y = linear([low, high], [height - MARGIN.bottom, MARGIN.top]);
  const children = [...grid(low, high, x, y, first, last, options, width, height)];
  layers.forEach((layer) => children.push(...shapes(layer, data.x, x, y)));
  if (options.limit && options.limit.value <= high) children.push(limitLine(options.limit, y, width));
  children.push(
    ...(data.marks ?? []).filter((mark) => mark.x >= first && mark.x <= last).map((mark) => flag(mark, x, height)),
  );
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.replaceChildren(...children, cursor);
  return { x, y };
}

/**
 * Each series with the base that it stands on.
 * @param {XYData} data
 */
function stacked(data) {
  const sums = data.x.map(() => 0);
  return data.series.map((one) => {
    if (one.kind !== "area") return { ...one, base: null, tops: one.values };
    const base = [...sums];
    one.values.forEach((value, at) => {
      sums[at] += value ?? 0;
    });
    return { ...one, base, tops: [...sums] };
  });
}

/**
 * @param {{tops: (number | null)[]}[]} layers
 * @param {XYOptions} options
 * @returns {[number, number]}
 */
function extent(layers, options) {
  const values = layers
    .flatMap((layer) => layer.tops)
    .flatMap((value) => (Number.isFinite(value) ? [Number(value)] : []));
  const most = values.reduce((a, b) => Math.max(a, b), options.least ?? 0);
  if (options.fit && values.length) {
    const least = values.reduce((a, b) => Math.min(a, b), Infinity);
    const room = (most - least) * 0.12 || 0.01;
    return [Math.max(0, least - room), most + room];
  }
  return [options.low ?? 0, options.top ?? roundUp(most * 1.05)];
}

/**
 * @param {number} low
 * @param {number} high
 * @param {(value: number) => number} x
 * @param {(value: number) => number} y
 * @param {number} first
 * @param {number} last
 * @param {XYOptions} options
 * @param {number} width
 * @param {number} height
 */
function* grid(low, high, x, y, first, last, options, width, height) {
  const show = options.showTick ?? options.showY;
  for (const value of ticks(low, high, height < 140 ? 2 : 4)) {
    yield svg("path", { class: "grid", d: `M${MARGIN.left} ${y(value).toFixed(1)}H${width - MARGIN.right}` });
    yield svg("text", { class: "tick", x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, [show(value)]);
  }
  const places = last - first < 2 ? [first, last] : [first, Math.round((first + last) / 2), last];
  const seen = new Set();
  for (const [at, value] of places.entries()) {
    const words = options.showX(value);
    if (seen.has(words)) continue;
    seen.add(words);
    const anchor = at === 0 ? "start" : at === places.length - 1 ? "end" : "middle";
    yield svg("text", { class: "tick", x: x(value), y: height - 6, "text-anchor": anchor }, [words]);
  }
}

/**
 * @param {Series & {base: number[] | null, tops: (number | null)[]}} layer
 * @param {number[]} xs
 * @param {(value: number) => number} x
 * @param {(value: number) => number} y
 * @returns {SVGElement[]}
 */
function shapes(layer, xs, x, y) {
  const points = xs.map(
    (value, at) =>
      /** @type {[number, number | null]} */ ([
        x(value),
        layer.tops[at] === null || layer.tops[at] === undefined ? null : y(/** @type {number} */ (layer.tops[at])),
      ]),
  );
  const edge = svg("path", { class: `stroke ${layer.kind}`, d: pathThrough(points) });
  if (!layer.base) {
    const dots =
      xs.length > 40
        ? []
        : points
            .filter(([, at]) => at !== null)
            .map(([px, py]) =>
              svg("circle", {
                class: "fill",
                cx: px,
                cy: /** @type {number} */ (py),
                r: layer.kind === "line" ? 3 : 2,
              }),
            );
    return [svg("g", { class: `layer ${layer.tone}` }, [edge, ...dots])];
  }
  const back = xs
    .map((value, at) => /** @type {[number, number]} */ ([x(value), y(/** @type {number[]} */ (layer.base)[at])]))
    .reverse();
  const area = `${pathThrough(points)}${pathThrough(back).replace("M", "L")}Z`;
  return [svg("g", { class: `layer ${layer.tone}` }, [svg("path", { class: "fill area", d: area }), edge])];
}

/**
 * @param {{value: number, words: string}} limit
 * @param {(value: number) => number} y
 * @param {number} width
 */
function limitLine(limit, y, width) {
  const at = y(limit.value).toFixed(1);
  return svg("g", { class: "chart-limit" }, [
    svg("path", { d: `M${MARGIN.left} ${at}H${width - MARGIN.right}` }),
    svg("text", { x: MARGIN.left + 6, y: Number(at) - 5 }, [limit.words]),
  ]);
}

/**
 * @param {ChartMark} mark
 * @param {(value: number) => number} x
 * @param {number} height
 */
function flag(mark, x, height) {
  const at = x(mark.x);
  const label = String(mark.id);
  const wide = 10 + 6.5 * label.length;
  return svg("g", { class: "chart-mark" }, [
    svg("title", {}, [`${label}: ${mark.words}`]),
    svg("path", { d: `M${at.toFixed(1)} 16V${height - MARGIN.bottom}` }),
    svg("rect", { x: at - wide / 2, y: 1, width: wide, height: 16, rx: 8 }),
    svg("text", { x: at, y: 13, "text-anchor": "middle" }, [label]),
  ]);
}

/**
 * @param {XYData} data
 * @param {number} at
 * @param {XYOptions} options
 * @returns {import("./frame.js").LegendItem[]}
 */
function readings(data, at, options) {
  return data.series.map((one) => ({
    name: one.name,
    tone: one.tone,
    kind: one.kind,
    value: at < 0 ? "–" : options.showY(one.values[at] ?? null),
  }));
}

/**
 * @param {XYData} data
 * @param {number} at
 * @param {XYOptions} options
 */
function readAloud(data, at, options) {
  if (at < 0) return "no values yet";
  const values = data.series.map((one) => `${one.name} ${options.showY(one.values[at] ?? null)}`);
  return `${options.showX(data.x[at])}: ${values.join(", ")}`;
}

/**
 * @param {XYData} data
 * @param {number} at
 * @param {XYOptions} options
 * @param {{x: (value: number) => number}} place
 * @param {{width: number, height: number}} size
 */
function cursorMarks(data, at, options, place, { width, height }) {
  const x = place.x(data.x[at]);
  const left = x > width / 2;
  return [
    svg("path", { d: `M${x.toFixed(1)} ${MARGIN.top}V${height - MARGIN.bottom}` }),
    svg("text", { x: x + (left ? -6 : 6), y: MARGIN.top + 10, "text-anchor": left ? "end" : "start" }, [
      options.showX(data.x[at]),
    ]),
  ];
}

/**
 * @param {number[]} xs ascending
 * @param {number} x
 */
function nearest(xs, x) {
  let best = -1;
  for (const [at, value] of xs.entries()) {
    if (best < 0 || Math.abs(value - x) < Math.abs(xs[best] - x)) best = at;
  }
  return best;
}

/**
 * @param {number[]} xs
 * @param {(value: number) => number} scale
 * @param {number} pixel
 */
function nearestPixel(xs, scale, pixel) {
  let best = -1;
  for (const [at, value] of xs.entries()) {
    if (best < 0 || Math.abs(scale(value) - pixel) < Math.abs(scale(xs[best]) - pixel)) best = at;
  }
  return best;
}
