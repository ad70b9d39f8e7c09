// What was predicted against what came: dots with whiskers beside the diagonal on which a calibrated posterior lies.

import { svg } from "../app/dom.js";
import { frame } from "./frame.js";
import { count, linear, percent, roundUp, ticks } from "./scales.js";

/** @typedef {{predicted: number, observed: number, lower: number, upper: number, impressions: number}} Bin */

const MARGIN = { top: 12, right: 14, bottom: 38, left: 52 };

/**
 * @param {{title: string, words?: string, height?: number, empty?: string, level?: number}} options
 * @returns {{node: HTMLElement, update: (bins: Bin[]) => void, say: (text: string) => void}}
 */
export function calibrationChart(options) {
  const view = frame({ height: 240, ...options });
  /** @type {Bin[]} */
  let bins = [];
  let size = { width: 0, height: 0 };
  const draw = () => {
    if (size.width && bins.length) render(view.picture, bins, size);
  };
  view.describe(options.title);
  view.legend([
    { name: "observed take rate, 95 % interval", tone: "tone-1", kind: "line" },
    { name: "predicted = observed", tone: "tone-2", kind: "dash" },
  ]);
  view.onSize((width, height) => {
    size = { width, height };
    draw();
  });
  return {
    node: view.node,
    say: view.say,
    update(next) {
      bins = next;
      view.fill(bins.length > 0);
      view.describe(`${options.title}. ${bins.map(sentence).join(". ")}`);
      view.table(() => ({
        columns: ["Predicted", "Observed", "Lower", "Upper", "Impressions"],
        rows: bins.map((bin) => [
          ...[bin.predicted, bin.observed, bin.lower, bin.upper].map((value) => percent(value)),
          count(bin.impressions),
        ]),
      }));
      draw();
    },
  };
}

/**
 * @param {SVGElement} picture
 * @param {Bin[]} bins
 * @param {{width: number, height: number}} size
 */
function render(picture, bins, { width, height }) {
  const top = roundUp(bins.reduce((most, bin) => Math.max(most, bin.predicted, bin.observed), 0) * 1.1);
  const x = linear([0, top], [MARGIN.left, width - MARGIN.right]);
  const y = linear([0, top], [height - MARGIN.bottom, MARGIN.top]);
  const most = bins.reduce((largest, bin) => Math.max(largest, bin.impressions), 1);
  const lines = ticks(0, top, 4).flatMap((value) => [
    svg("path", { class: "grid", d: `M${MARGIN.left} ${y(value).toFixed(1)}H${width - MARGIN.right}` }),
    svg("text", { class: "tick", x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, [percent(value, 0)]),
    svg("text", { class: "tick", x: x(value), y: height - 20, "text-anchor": "middle" }, [percent(value, 0)]),
  ]);
  const middle = (MARGIN.left + width - MARGIN.right) / 2;
  const diagonal = svg("g", { class: "layer tone-2" }, [
    svg("path", { class: "stroke dash", d: `M${x(0)} ${y(0)}L${x(top)} ${y(top)}` }),
  ]);
  const dots = bins.map((bin) => dot(bin, x, y, 3 + 4 * Math.sqrt(bin.impressions / most), top));
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.replaceChildren(
    ...lines,
    svg("text", { class: "tick", x: middle, y: height - 4, "text-anchor": "middle" }, ["predicted by the posterior"]),
    diagonal,
    svg("g", { class: "layer tone-1" }, dots),
  );
}

/**
 * @param {Bin} bin
 * @param {(value: number) => number} x
 * @param {(value: number) => number} y
 * @param {number} radius
 * @param {number} top
 */
function dot(bin, x, y, radius, top) {
  const at = x(bin.predicted).toFixed(1);
  return svg("g", {}, [
    svg("title", {}, [sentence(bin)]),
    svg("path", { class: "whisker", d: `M${at} ${y(bin.lower).toFixed(1)}V${y(Math.min(top, bin.upper)).toFixed(1)}` }),
    svg("circle", { class: "fill", cx: at, cy: y(bin.observed).toFixed(1), r: radius.toFixed(1) }),
  ]);
}

/** @param {Bin} bin */
function sentence(bin) {
  const interval = `${percent(bin.lower)} to ${percent(bin.upper)}`;
  return (
    `predicted ${percent(bin.predicted)}, observed ${percent(bin.observed)} (${interval}) in ` +
    `${count(bin.impressions)} impressions`
  );
}
