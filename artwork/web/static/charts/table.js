// The table behind a chart: the same values as text, for whoever cannot or will not read the picture.

import { el } from "../app/dom.js";

/**
 * @typedef {object} TableData
 * @property {string[]} columns
 * @property {string[][]} rows the first cell of a row is its heading
 */

/**
 * A table that opens below its chart; rows are built only while it is open.
 * @param {string} title
 * @returns {{node: HTMLElement, update: (read: () => TableData) => void}}
 */
export function tableBehind(title) {
  const box = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${title}` });
  const node = el("details", { class: "chart-table" }, [el("summary", {}, ["Show as a table"]), box]);
  let read = /** @type {(() => TableData) | null} */ (null);
  const render = () => {
    if (read && /** @type {HTMLDetailsElement} */ (node).open) box.replaceChildren(table(title, read()));
  };
  node.addEventListener("toggle", render);
  return {
    node,
    update(next) {
      read = next;
      render();
    },
  };
}

/**
 * @param {string} title
 * @param {TableData} data
 * @returns {HTMLElement}
 */
export function table(title, { columns, rows }) {
  const header = columns.map((name) => el("th", { scope: "col" }, [name]));
  const body = rows.map(([heading, ...cells]) =>
    el("tr", {}, [el("th", { scope: "row" }, [heading]), ...cells.map((cell) => el("td", {}, [cell]))]),
  );
  return el("table", { class: "table" }, [
    el("caption", { class: "unseen" }, [title]),
    el("thead", {}, [el("tr", {}, header)]),
    el("tbody", {}, body),
  ]);
}
