// People and what they are shown: the same title for several of them, and one row for somebody new.

import { get, lookUp } from "../app/api.js";
import { artworkWords, picture, titleWords } from "../app/artworks.js";
import { el, fill } from "../app/dom.js";
import { percent } from "../charts/scales.js";

/** @typedef {import("../app/types.js").User} User */
/** @typedef {import("../app/types.js").Title} Title */
/** @typedef {import("../app/types.js").Pick} Pick */

/** @param {number} many @returns {Promise<User[]>} somebody else each time */
export function somePeople(many) {
  return Promise.all(Array.from({ length: many }, () => get("/users/random")));
}

/** What a person likes, in a few words. @param {User} user */
export function likes(user) {
  const words = user.likes
    .slice(0, 2)
    .map((like) => like.words)
    .join(", ");
  return words || [user.country, user.device].filter(Boolean).join(", ") || "nothing known";
}

/**
 * A poster with what stands below it.
 * @param {Title} title
 * @param {Pick} pick
 * @param {string} heading
 * @param {string} below
 */
export function face(title, pick, heading, below) {
  const artwork = title.artworks.find((one) => one.artwork_id === pick.artwork_id);
  return el(
    "li",
    { class: "face" },
    el("div", { class: "face-poster" }, picture(artwork, { eager: true })),
    el("p", { class: "face-name" }, heading),
    el("p", { class: "unseen" }, artwork ? artworkWords(artwork) : "no artwork"),
    el("p", { class: "small quiet" }, below),
    el(
      "p",
      { class: "face-source small", data: { source: pick.source ?? "default" } },
      el("span", { class: "sign", "aria-hidden": "true" }),
      pick.source ?? "unknown",
    ),
    el("p", { class: "small quiet" }, `chance ${percent(pick.propensity, 0)}`),
  );
}

/**
 * One title, six people.
 * @param {string} service
 * @param {Title[]} titles
 */
export function sameTitle(service, titles) {
  const list = el("ul", { class: "faces" });
  const words = el("p", { class: "part-words", role: "status" }, "Asking the service …");
  const candidates = titles.filter((title) => title.artworks.length >= 4);
  const show = async () => {
    try {
      const people = await somePeople(6);
      const title = pickOf(candidates.length ? candidates : titles);
      const pages = await Promise.all(people.map((user) => lookUp(service, user, [title.title_id])));
      const picks = pages.map(({ page }) => page.picks[0]);
      const different = new Set(picks.map((pick) => pick.artwork_id)).size;
      words.textContent =
        `“${titleWords(title) || title.title_id}” has ${title.artworks.length} artworks. These ` +
        `${people.length} people see ${different} of them.`;
      fill(
        list,
        picks.map((pick, at) => face(title, pick, people[at].user_id, likes(people[at]))),
      );
    } catch (error) {
      words.textContent = /** @type {Error} */ (error).message;
    }
  };
  show();
  return part("One title, six people", words, list, [action("Other people, another title", show)]);
}

/**
 * A row for somebody whom nobody knows.
 * @param {string} service
 * @param {Title[]} titles
 */
export function newPerson(service, titles) {
  const list = el("ul", { class: "faces" });
  const words = el("p", { class: "part-words", role: "status" }, "Asking the service …");
  const country = select("Country", ["US", "BR", "DE", "JP", "IN", "SE"]);
  const device = select("Device", ["tv", "phone", "tablet", "web"]);
  const row = titles.slice(0, 6);
  const show = async () => {
    const user = {
      user_id: `new-${crypto.randomUUID().slice(0, 8)}`,
      country: country.value,
      device: device.value,
      campaign: null,
      sessions: 0,
      likes: [],
      known: false,
    };
    try {
      const { page, ms } = await lookUp(
        service,
        user,
        row.map((title) => title.title_id),
      );
      const sources = [...new Set(page.picks.map((pick) => pick.source))].join(" and ");
      words.textContent =
        `${user.user_id} has never been here. ${page.picks.length} picks in ${ms.toFixed(1)} ` + `ms, by ${sources}.`;
      fill(
        list,
        page.picks.map((pick, at) =>
          face(
            row[at],
            pick,
            titleWords(row[at]) || row[at].title_id,
            pick.segment ? `as others of ${pick.segment}` : "as everybody",
          ),
        ),
      );
    } catch (error) {
      words.textContent = /** @type {Error} */ (error).message;
    }
  };
  country.addEventListener("change", show);
  device.addEventListener("change", show);
  show();
  return part("Somebody new", words, list, [
    labelled("Country", country),
    labelled("Device", device),
    action("Another new person", show),
  ]);
}

/** @param {string} title @param {Node} words @param {Node} body @param {Node[]} actions */
export function part(title, words, body, actions) {
  return el("div", { class: "part" }, el("h3", {}, title), words, body, el("div", { class: "part-actions" }, actions));
}

/** @param {string} words @param {() => void} click */
export function action(words, click) {
  return el("button", { type: "button", class: "button", on: { click } }, words);
}

/** @template T @param {T[]} values @returns {T} */
export function pickOf(values) {
  return values[Math.floor(Math.random() * values.length)];
}

/** @param {string} words @param {Node} control */
function labelled(words, control) {
  return el("label", { class: "labelled" }, el("span", { class: "small quiet" }, words), control);
}

/** @param {string} name @param {string[]} values @returns {HTMLSelectElement} */
function select(name, values) {
  return /** @type {HTMLSelectElement} */ (
    el(
      "select",
      { class: "field", name: name.toLowerCase() },
      values.map((value) => el("option", { value }, value)),
    )
  );
}
