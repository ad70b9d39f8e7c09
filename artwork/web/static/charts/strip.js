// One draw as a picture: the weights laid end to end, and the point at which the user's hash falls.

import { svg } from "../app/dom.js";
import { frame } from "./frame.js";
import { count, percent } from "./scales.js";

/** @typedef {{name: string, weight: number, chosen: boolean}} Part */

/**
 * @param {{title: string, words?: string, empty?: string, level?: number}} options
 * @returns {{node: HTMLElement, update: (parts: Part[], draw: {hash: string, total: number, point: number}) => void,
 *   say: (text: string) => void}}
 */
export function drawStrip(options) {
  const view = frame({ ...options, height: 96 });
  /** @type {Part[]} */
  let parts = [];
  let draw = { hash: "", total: 1, point: 0 };
  let width = 0;
  const render = () => {
    if (width && parts.length) picture(view.picture, parts, draw, width);
  };
  view.describe(options.title);
  view.onSize((next) => {
    width = next;
    render();
  });
  return {
    node: view.node,
    say: view.say,
    update(next, nextDraw) {
      parts = next;
      draw = nextDraw;
      view.fill(parts.length > 0);
      view.legend(
        parts.map((part, at) => ({
          name: part.chosen ? `${part.name} (drawn)` : part.name,
          tone: toneOf(at),
          kind: "bar",
          value: percent(part.weight / draw.total),
        })),
      );
      view.describe(spoken(options.title, parts, draw));
      view.table(() => ({
        columns: ["Artwork", "Weight", "Propensity", "Drawn"],
        rows: parts.map((part) => [
          part.name,
          count(part.weight),
          percent(part.weight / draw.total, 2),
          part.chosen ? "yes" : "no",
        ]),
      }));
      render();
    },
  };
}

/** @param {number} at */
export const toneOf = (at) => `tone-${(at % 8) + 1}`;

/**
 * @param {string} title
 * @param {Part[]} parts
 * @param {{total: number, point: number}} draw
 */
function spoken(title, parts, draw) {
  const shares = parts.map((part) => `${part.name} ${percent(part.weight / draw.total)}`).join(", ");
  const chosen = parts.find((part) => part.chosen);
  return (
    `${title}. ${shares}. The point ${count(draw.point)} of ${count(draw.total)} falls on ` +
    `${chosen?.name ?? "none"}.`
  );
}

/**
 * @param {SVGElement} target
 * @param {Part[]} parts
 * @param {{hash: string, total: number, point: number}} draw
 * @param {number} width
 */
function picture(target, parts, draw, width) {
  const room = width - 4;
  let before = 0;
  const boxes = parts.map((part, at) => {
    const from = 2 + (before / draw.total) * room;
    const wide = (part.weight / draw.total) * room;
    before += part.weight;
    const label =
      wide > 64
        ? [svg("text", { class: "strip-name", x: from + 8, y: 53 }, [percent(part.weight / draw.total, 0)])]
        : [];
    return svg("g", { class: `${toneOf(at)} strip-part${part.chosen ? " chosen" : ""}` }, [
      svg("title", {}, [`${part.name}: ${percent(part.weight / draw.total, 2)}`]),
      svg("rect", {
        class: "fill",
        x: from.toFixed(1),
        y: 34,
        width: Math.max(1, wide - 1).toFixed(1),
        height: 30,
        rx: 3,
      }),
      ...label,
    ]);
  });
  const at = 2 + ((draw.point + 0.5) / draw.total) * room;
  const anchor = at < 120 ? "start" : at > width - 120 ? "end" : "middle";
  const pointer = svg("g", { class: "strip-point" }, [
    svg("path", { d: `M${at.toFixed(1)} 70V30l-6 -8h12l-6 8` }),
    svg("text", { x: at, y: 14, "text-anchor": anchor }, [`hash → ${count(draw.point)}`]),
  ]);
  const ends = [
    svg("text", { class: "tick", x: 2, y: 84 }, ["0"]),
    svg("text", { class: "tick", x: width - 2, y: 84, "text-anchor": "end" }, [count(draw.total)]),
  ];
  target.setAttribute("viewBox", `0 0 ${width} 96`);
  target.replaceChildren(...boxes, pointer, ...ends);
}
