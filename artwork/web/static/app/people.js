// Whom the page shows artwork to: their names, faces and signals in words, and the ways to choose another.

import { get } from "./api.js";
import { el, fill, icon, say, svg } from "./dom.js";

/** @typedef {import("./types.js").User} User */

const COUNTRIES = { US: "United States", BR: "Brazil", GB: "United Kingdom", DE: "Germany", IN: "India", JP: "Japan" };
const DEVICES = { tv: "TV", mobile: "phone", web: "computer", tablet: "tablet" };

/** @param {string | null} country */
const countryWords = (country) =>
  country ? (COUNTRIES[/** @type {keyof typeof COUNTRIES} */ (country)] ?? country) : null;
/** @param {string | null} device */
const deviceWords = (device) => (device ? (DEVICES[/** @type {keyof typeof DEVICES} */ (device)] ?? device) : null);

/** @param {User} user */
export function signalWords(user) {
  const sessions = user.known ? `${user.sessions} ${user.sessions === 1 ? "session" : "sessions"}` : "new here";
  return [countryWords(user.country), deviceWords(user.device), sessions].filter(Boolean).join(" · ");
}

/** @param {User} user */
export function likeWords(user) {
  if (!user.likes.length) return user.known ? "No taste known yet" : "Nothing is known of this person";
  return `Likes ${listed(user.likes.map((like) => like.words))}`;
}

/** @param {string[]} words */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

/**
 * A face that the id decides, without a name of its own: the id stands beside it.
 *
 * @param {User} user
 */
export function face(user) {
  const hash = [...user.user_id].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0, 7);
  const hue = (hash * 47) % 360;
  return svg(
    "svg",
    { class: "face", viewBox: "0 0 48 48", "aria-hidden": "true", style: { "--hue": hue } },
    svg("rect", { class: "face-ground", width: 48, height: 48 }),
    svg("circle", { class: "face-light", cx: 24 + ((hash >> 5) % 17) - 8, cy: 20, r: 15 }),
    svg("path", { class: "face-body", d: "M4 52c0-14 8-18 20-18s20 4 20 18z" }),
    svg("ellipse", { class: "face-body", cx: 24, cy: 21, rx: 9, ry: 11 }),
  );
}

/** @returns {Promise<User>} */
export const randomUser = () => get("/users/random");

/**
 * The person of an id, or a new one of that id where the workspace has none.
 *
 * @param {string} userId
 * @param {{country?: string, device?: string}} [signals] of a new one
 * @returns {Promise<User>}
 */
export async function userOf(userId, signals = {}) {
  if (userId.startsWith("new-")) return stranger(userId, signals.country ?? "DE", signals.device ?? "tv");
  return get(`/users/${encodeURIComponent(userId)}`);
}

/**
 * @param {string} userId
 * @param {string} country
 * @param {string} device
 * @returns {User}
 */
function stranger(userId, country, device) {
  return { user_id: userId, country, device, campaign: null, sessions: 0, likes: [], known: false };
}

/**
 * A box that finds people by their id: type, arrow keys, Enter.
 *
 * @param {string} name unique on the page
 * @param {(user: User) => void} choose
 */
export function finder(name, choose) {
  const list = el("ul", {
    class: "finder-list",
    id: `${name}-list`,
    role: "listbox",
    "aria-label": "People",
    hidden: true,
  });
  const input = /** @type {HTMLInputElement} */ (
    el("input", {
      class: "field finder-field",
      type: "text",
      role: "combobox",
      placeholder: "Find a person by id",
      "aria-label": "Find a person by id",
      "aria-expanded": "false",
      "aria-controls": list.id,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    })
  );
  /** @type {User[]} */
  let users = [];
  let at = -1;
  /** @type {AbortController | null} */
  let asking = null;

  const close = () => {
    asking?.abort();
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  /** @param {number} place */
  const pick = (place) => {
    const user = users[place];
    if (!user) return;
    input.value = "";
    close();
    choose(user);
  };
  const mark = () => {
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `${name}-${at}`);
      list.children[at]?.scrollIntoView({ block: "nearest" });
    }
  };
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    try {
      const { users: answer } = await get(
        `/users?limit=12&search=${encodeURIComponent(input.value.trim())}`,
        asking.signal,
      );
      users = answer;
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return;
      users = [];
    }
    at = -1;
    fill(
      list,
      users.map((user, place) =>
        el(
          "li",
          {
            id: `${name}-${place}`,
            role: "option",
            "aria-selected": "false",
            class: "finder-option",
            on: {
              pointerdown: (/** @type {Event} */ event) => event.preventDefault(),
              click: () => pick(place),
            },
          },
          face(user),
          el("span", {}, el("b", {}, user.user_id), el("span", { class: "quiet small" }, likeWords(user))),
        ),
      ),
      users.length
        ? null
        : el(
            "li",
            { class: "finder-option quiet", role: "option", "aria-selected": "false", "aria-disabled": "true" },
            "Nobody has such an id",
          ),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    say(`${users.length} people`);
  };
  input.addEventListener("input", ask);
  input.addEventListener("focus", () => list.hidden && ask());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) ask();
      else if (users.length) at = (at + (event.key === "ArrowDown" ? 1 : users.length)) % users.length;
      mark();
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault();
      pick(Math.max(at, 0));
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
  return el("div", { class: "finder" }, icon("search"), input, list);
}

/**
 * A small form for somebody whom nobody knows: where from, on what.
 *
 * @param {(user: User) => void} choose
 */
export function newPerson(choose) {
  const country = options("From", COUNTRIES, "DE");
  const device = options("On", DEVICES, "tv");
  const menu = el("details", { class: "menu" });
  const make = () => {
    const letters = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    menu.removeAttribute("open");
    choose(stranger(`new-${letters}`, country.value, device.value));
  };
  menu.append(
    el("summary", { class: "button" }, icon("plus"), "New person"),
    el(
      "div",
      { class: "menu-body panel" },
      el(
        "p",
        { class: "quiet small" },
        "Somebody without a history: the service knows where they are and on what, and nothing else.",
      ),
      el("label", { class: "menu-field" }, "From", country),
      el("label", { class: "menu-field" }, "On", device),
      el("button", { type: "button", class: "button main", on: { click: make } }, "Show what they see"),
    ),
  );
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.hasAttribute("open")) {
      event.stopPropagation();
      menu.removeAttribute("open");
      /** @type {HTMLElement} */ (menu.firstElementChild).focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
  });
  return menu;
}

/**
 * @param {string} name
 * @param {Record<string, string>} words
 * @param {string} first
 */
function options(name, words, first) {
  return /** @type {HTMLSelectElement} */ (
    el(
      "select",
      { class: "field", "aria-label": name },
      Object.entries(words).map(([value, shown]) => el("option", { value, selected: value === first }, shown)),
    )
  );
}
