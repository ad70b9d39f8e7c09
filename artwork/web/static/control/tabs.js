// Tabs over panels: arrow keys go from one to the next, and the one that is open is in the address.

import { dress, el } from "../app/dom.js";
import { fragment, remember } from "./moment.js";

/**
 * @typedef {{name: string, words: string, panel: HTMLElement, open?: () => void}} Tab
 * `open` is called whenever the tab is opened.
 */

/**
 * @param {string} label
 * @param {Tab[]} tabs of which the first is open unless the address names another
 */
export function tabList(label, tabs) {
  const buttons = tabs.map((tab) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        class: "tab",
        id: `tab-${tab.name}`,
        "aria-controls": `panel-${tab.name}`,
        on: { click: () => open(tab) },
      },
      tab.words,
    ),
  );
  for (const tab of tabs) {
    dress(tab.panel, { role: "tabpanel", id: `panel-${tab.name}`, "aria-labelledby": `tab-${tab.name}`, tabindex: 0 });
  }
  const list = el("div", { class: "tabs", role: "tablist", "aria-label": label, on: { keydown: step } }, buttons);

  /** @param {Event} event */
  function step(event) {
    const at = buttons.indexOf(/** @type {HTMLElement} */ (event.target));
    const last = buttons.length - 1;
    /** @type {Record<string, number>} */
    const places = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last };
    const next = places[/** @type {KeyboardEvent} */ (event).key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    open(tabs[next]);
    buttons[next].focus();
  }

  /** @param {Tab} chosen */
  function show(chosen) {
    tabs.forEach((tab, at) => {
      const is = tab === chosen;
      tab.panel.hidden = !is;
      dress(buttons[at], { "aria-selected": String(is), tabindex: is ? 0 : -1 });
    });
    chosen.open?.();
  }

  /** @param {Tab} chosen */
  function open(chosen) {
    remember("tab", chosen.name);
    show(chosen);
  }

  const asked = fragment().get("tab");
  show(tabs.find((tab) => tab.name === asked) ?? tabs[0]);
  return list;
}
