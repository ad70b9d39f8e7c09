// What every chart has: a heading, one sentence, a legend that reads values, a picture, a table behind it.

import { el, svg } from "../app/dom.js";
import { tableBehind } from "./table.js";

/**
 * @typedef {object} LegendItem
 * @property {string} name
 * @property {string} tone a class of charts.css
 * @property {"line" | "dash" | "dots" | "area" | "bar" | "tick"} kind how it is drawn: colour never stands alone
 * @property {string} [value]
 */

/**
 * @typedef {object} Frame
 * @property {HTMLElement} node
 * @property {HTMLElement} plot
 * @property {SVGElement} picture
 * @property {(items: LegendItem[]) => void} legend
 * @property {(text: string) => void} say the sentence below the heading
 * @property {(read: () => import("./table.js").TableData) => void} table
 * @property {(draw: (width: number, height: number) => void) => void} onSize now and whenever it changes
 * @property {(isFilled: boolean) => void} fill shows the picture, or a text instead, as at first
 * @property {(words: string) => void} describe makes the picture one image, said in words
 */

/**
 * @param {{title: string, words?: string, empty?: string, height?: number, className?: string, level?: number}} options
 * @returns {Frame}
 */
export function frame({ title, words = "", empty = "Nothing to show yet.", height = 200, className = "", level = 3 }) {
  const sentence = el("p", { class: "chart-words" }, [words]);
  const legendList = el("ul", { class: "chart-legend" });
  const picture = svg("svg", { class: "chart-picture unshown", "aria-hidden": "true", focusable: "false" });
  const notice = el("p", { class: "chart-empty" }, [empty]);
  const plot = el("div", { class: "chart-plot" }, [picture, notice]);
  plot.style.setProperty("--plot-height", `${height}px`);
  const behind = tableBehind(title);
  const node = el("figure", { class: `chart ${className}`.trim() }, [
    el("figcaption", { class: "chart-head" }, [el(`h${level}`, { class: "chart-title" }, [title]), sentence]),
    legendList,
    plot,
    behind.node,
  ]);
  let shown = "";
  return {
    node,
    plot,
    picture,
    legend(items) {
      const key = JSON.stringify(items);
      if (key === shown) return;
      shown = key;
      legendList.replaceChildren(...items.map(legendItem));
    },
    say(text) {
      if (sentence.textContent !== text) sentence.textContent = text;
    },
    table: behind.update,
    onSize(draw) {
      const observer = new ResizeObserver(() => {
        if (plot.clientWidth) draw(plot.clientWidth, plot.clientHeight);
      });
      observer.observe(plot);
    },
    fill(isFilled) {
      notice.hidden = isFilled;
      notice.textContent = isFilled ? "" : empty;
      picture.classList.toggle("unshown", !isFilled);
    },
    describe(words) {
      picture.setAttribute("role", "img");
      picture.removeAttribute("aria-hidden");
      picture.setAttribute("aria-label", words);
    },
  };
}

/** @param {LegendItem} item */
function legendItem({ name, tone, kind, value }) {
  const swatch = svg("svg", { class: `swatch ${tone}`, width: 22, height: 12, "aria-hidden": "true" }, [
    swatchOf(kind),
  ]);
  const children = [swatch, el("span", { class: "legend-name" }, [name])];
  if (value !== undefined) children.push(el("span", { class: "legend-value" }, [value]));
  return el("li", {}, children);
}

/** @param {LegendItem["kind"]} kind */
function swatchOf(kind) {
  if (kind === "area" || kind === "bar")
    return svg("rect", { class: "fill", x: 3, y: 1, width: 16, height: 10, rx: 2 });
  if (kind === "tick") return svg("path", { class: "stroke", d: "M11 0V12" });
  return svg("path", { class: `stroke ${kind}`, d: "M1 6H21" });
}
