// One person's row, asked for again and again: what people still get while something is broken.

import { get, lookUp } from "../app/api.js";
import { artworkWords, picture, titleWords } from "../app/artworks.js";
import { el, fill, say } from "../app/dom.js";

/** @typedef {import("../app/types.js").Title} Title */
/** @typedef {import("../app/types.js").User} User */
/** @typedef {import("../app/types.js").Pick} Pick */

const EVERY_MS = 1500;
const TITLES = 6;

/**
 * @param {string} service
 * @param {Title[]} titles
 * @param {number} [level] of the heading
 */
export function watchedRow(service, titles, level = 2) {
  const several = titles.filter((title) => title.artworks.length > 1);
  const row = (several.length ? several : titles).slice(0, TITLES);
  const words = el("p", { class: "small quiet watched-words" }, "Asking the service …");
  const list = el("ul", { class: "watched-row" }, row.map(emptyPlace));
  const other = el("button", { type: "button", class: "button", on: { click: () => change() } }, "Somebody else");
  /** @type {User | null} */
  let user = null;
  let sources = "";
  const node = el(
    "section",
    { class: "panel watched", "aria-labelledby": "watched-title" },
    el(
      "div",
      { class: "section-head" },
      el(`h${level}`, { id: "watched-title" }, "What one person is shown meanwhile"),
      other,
    ),
    list,
    words,
  );
  async function change() {
    user = null;
    await ask();
  }
  async function ask() {
    try {
      user ??= /** @type {User} */ (await get("/users/random"));
      const { page, ms } = await lookUp(
        service,
        user,
        row.map((title) => title.title_id),
      );
      page.picks.forEach((pick, at) => show(list.children[at], row[at], pick));
      const now = counted(page.picks);
      words.textContent = `${user.user_id}: ${now}. Asked every ${EVERY_MS / 1000} s; this answer took ${ms.toFixed(1)} ms.`;
      if (sources && now !== sources) say(`Picks are now ${now}`);
      sources = now;
    } catch (error) {
      words.textContent = /** @type {Error} */ (error).message;
    }
  }
  const again = async () => {
    if (node.isConnected && !document.hidden) await ask();
    setTimeout(again, EVERY_MS);
  };
  setTimeout(again);
  return { node };
}

function emptyPlace() {
  return el(
    "li",
    {},
    el("div", { class: "watched-poster" }),
    el(
      "span",
      { class: "small", data: { source: "" } },
      el("span", { class: "sign", "aria-hidden": "true" }),
      el("span", { class: "watched-source" }, "…"),
    ),
  );
}

/** @param {Element} place @param {Title} title @param {Pick} pick */
function show(place, title, pick) {
  const box = /** @type {HTMLElement} */ (place.firstElementChild);
  if (box.dataset.artwork !== String(pick.artwork_id)) {
    box.dataset.artwork = String(pick.artwork_id);
    const artwork = title.artworks.find((one) => one.artwork_id === pick.artwork_id);
    fill(
      box,
      picture(artwork, { eager: true }),
      el("span", { class: "unseen" }, `${titleWords(title)}: ${artwork ? artworkWords(artwork) : "no artwork"}`),
    );
  }
  const source = pick.source ?? "unknown";
  const label = /** @type {HTMLElement} */ (place.lastElementChild);
  label.dataset.source = source;
  /** @type {HTMLElement} */ (label.lastElementChild).textContent = source;
}

/** @param {Pick[]} picks */
function counted(picks) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { source } of picks) counts.set(source ?? "unknown", (counts.get(source ?? "unknown") ?? 0) + 1);
  return [...counts].map(([source, many]) => `${many} ${source}`).join(", ");
}
