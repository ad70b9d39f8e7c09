// The bar over every page: its name, the pages, what the demo is doing, and the theme.

import { dress, el, fill, icon, svg } from "./dom.js";
import { onConnection, onLive } from "./live.js";
import { phaseWords } from "./words.js";

const PAGES = /** @type {const} */ ([
  ["browse", "/", "Browse"],
  ["control", "/control", "Control room"],
  ["tour", "/tour", "Tour"],
]);

/** Fill the bar of this page. */
export function mountShell() {
  const bar = /** @type {HTMLElement} */ (document.querySelector(".shell"));
  const now = el("span", { class: "shell-now" });
  const theme = el("button", { type: "button", class: "button icon plain", on: { click: () => turn(theme) } });
  label(theme);
  fill(
    bar,
    el(
      "a",
      { class: "shell-name", href: "/", "aria-label": "artwork-bandit, to the titles" },
      logo(),
      el("span", {}, "artwork-bandit"),
    ),
    el(
      "nav",
      { class: "shell-pages", "aria-label": "Pages" },
      PAGES.map(([name, href, words]) =>
        el("a", { href, "aria-current": name === bar.dataset.page ? "page" : null }, words),
      ),
    ),
    el("div", { class: "shell-live" }, now, theme),
  );
  let lost = false;
  onLive((live) => {
    if (!lost) now.textContent = phaseWords(live);
  });
  onConnection((connected) => {
    lost = !connected;
    if (lost) now.textContent = "No connection to the demo";
  });
}

function logo() {
  return svg(
    "svg",
    { viewBox: "0 0 26 26", "aria-hidden": "true" },
    svg("rect", { x: 1, y: 2, width: 11, height: 22, rx: 2.5, fill: "var(--series-2)" }),
    svg("rect", { x: 14, y: 2, width: 11, height: 10, rx: 2.5, fill: "var(--series-1)" }),
    svg("rect", { x: 14, y: 14, width: 11, height: 10, rx: 2.5, fill: "var(--series-3)" }),
  );
}

/** @returns {"dark" | "light"} */
function themeNow() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** @param {HTMLElement} button */
function turn(button) {
  const theme = themeNow() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It then lasts as long as the page.
  }
  label(button);
}

/** @param {HTMLElement} button */
function label(button) {
  const other = themeNow() === "dark" ? "light" : "dark";
  dress(button, { "aria-label": `Use the ${other} theme`, title: `Use the ${other} theme` });
  fill(button, icon(other === "light" ? "sun" : "moon"));
}
