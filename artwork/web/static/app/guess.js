// Guess the best artwork for a person, against the bandit: ten rounds, judged by the truth of the simulated world.

import { get } from "./api.js";
import { artworkWords, picture, titleWords } from "./artworks.js";
import { el, fill, icon, say } from "./dom.js";
import { explain } from "./explain.js";
import { face, likeWords, randomUser, signalWords } from "./people.js";
import { percent } from "./words.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Title} Title */
/** @typedef {import("./types.js").User} User */
/** @typedef {import("./artworks.js").Titles} Titles */
/** @typedef {{user: User, title: Title, explanation: Explanation, shown: string[]}} Round */
/** @typedef {{you: number, bandit: number, youBest: boolean, banditBest: boolean}} Result */

const ROUNDS = 10;
const MOST_SHOWN = 9;
const TRIES = 12;

/** The game, in a dialog over the whole page. */
export class Guess {
  constructor() {
    this.body = el("div", { class: "guess-body" });
    this.score = el("p", { class: "guess-score" });
    this.element = /** @type {HTMLDialogElement} */ (
      el(
        "dialog",
        { class: "guess", "aria-labelledby": "guess-title" },
        el(
          "header",
          { class: "guess-head" },
          el("h2", { id: "guess-title" }, "Guess the best artwork"),
          this.score,
          el(
            "button",
            {
              type: "button",
              class: "button icon",
              "aria-label": "Close the game",
              on: { click: () => this.element.close() },
            },
            icon("close"),
          ),
        ),
        this.body,
      )
    );
    this.element.addEventListener("keydown", (event) => this.key(event));
    /** @type {HTMLElement[]} */
    this.choices = [];
    /** @type {Result[]} */
    this.results = [];
    /** @type {Titles | null} */
    this.titles = null;
    /** @type {Promise<Round> | null} */
    this.coming = null;
  }

  /** @param {Titles} titles */
  open(titles) {
    this.titles = titles;
    if (!this.element.isConnected) document.body.append(this.element);
    this.element.showModal();
    this.begin();
  }

  begin() {
    this.results = [];
    this.coming = this.draw();
    this.next();
  }

  /** @returns {Promise<Round>} a person and a title of whose artworks the truth is known */
  async draw() {
    const titles = /** @type {Titles} */ (this.titles);
    let trouble = new Error("No title was found of which the truth is known.");
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      try {
        const user = await randomUser();
        const { rows } = await get(`/rows/${encodeURIComponent(user.user_id)}`);
        const ids = rows.flatMap((/** @type {import("./types.js").Row} */ row) => row.title_ids);
        const title = titles.of(ids[Math.floor(Math.random() * ids.length)]);
        if (!title || title.artworks.length < 3) continue;
        const explanation = await explain({
          user_id: user.user_id,
          title_id: title.title_id,
          generation: titles.generation ?? 0,
          revision: titles.revision,
          artwork_id: null,
          source: null,
          policy: null,
          propensity: null,
          segment: null,
        });
        if (!explanation.truth || !explanation.best) continue;
        return { user, title, explanation, shown: shownOf(explanation) };
      } catch (error) {
        trouble = /** @type {Error} */ (error);
      }
    }
    throw trouble;
  }

  async next() {
    if (this.results.length === ROUNDS) {
      this.end();
      return;
    }
    fill(this.body, el("p", { class: "quiet", role: "status" }, "Choosing a person and a title …"));
    try {
      const round = await (this.coming ?? this.draw());
      this.coming = this.results.length + 1 < ROUNDS ? this.draw() : null;
      this.coming?.catch(() => (this.coming = null));
      this.ask(round);
    } catch (error) {
      this.coming = null;
      fill(
        this.body,
        el("p", { class: "notice bad" }, /** @type {Error} */ (error).message),
        el("button", { type: "button", class: "button", on: { click: () => this.next() } }, "Try again"),
      );
    }
  }

  /** @param {Round} round */
  ask(round) {
    const { user, title } = round;
    this.choices = round.shown.map((id, place) => {
      const artwork = title.artworks.find((one) => one.artwork_id === id);
      return el(
        "button",
        {
          type: "button",
          class: "choice",
          data: { artwork: id },
          "aria-label": `${place + 1}: ${artwork ? artworkWords(artwork) : id}`,
          on: { click: () => this.answer(round, id) },
        },
        picture(artwork, { eager: true }),
        el("span", { class: "choice-foot" }, el("span", { "aria-hidden": "true" }, String(place + 1))),
      );
    });
    fill(
      this.body,
      el(
        "div",
        { class: "guess-question" },
        el(
          "div",
          { class: "guess-person" },
          face(user),
          el(
            "div",
            {},
            el("b", {}, user.user_id),
            el("p", { class: "small quiet" }, signalWords(user)),
            el("p", { class: "small" }, likeWords(user)),
          ),
        ),
        el("h3", {}, `Which artwork of ${titleWords(title)} makes this person watch?`),
      ),
      el(
        "div",
        {
          class: "choices",
          role: "group",
          "aria-label": "Artworks",
          style: { "--columns": columnsOf(this.choices.length) },
        },
        this.choices,
      ),
      el(
        "p",
        { class: "quiet small guess-hint" },
        `Click one, or press 1 to ${this.choices.length}. Theme and mood of a poster are what the bandit knows of it, too.`,
      ),
    );
    this.tell();
    this.element.scrollTop = 0;
    this.choices[0]?.focus({ preventScroll: true });
    say(
      `Round ${this.results.length + 1} of ${ROUNDS}. ${user.user_id}. ${likeWords(user)}. Which artwork of ${titleWords(title)}?`,
    );
  }

  /**
   * @param {Round} round
   * @param {string} chosen
   */
  answer(round, chosen) {
    const { explanation, title } = round;
    const truth = /** @type {Record<string, number>} */ (explanation.truth);
    const best = /** @type {string} */ (explanation.best);
    const rate = (/** @type {string} */ id) => truth[id] ?? 0;
    const result = {
      you: rate(chosen) / (rate(best) || 1),
      bandit: rate(explanation.shown) / (rate(best) || 1),
      youBest: chosen === best,
      banditBest: explanation.shown === best,
    };
    this.results.push(result);
    this.choices = [];
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (this.body.querySelectorAll(".choice"))) {
      const id = /** @type {string} */ (button.dataset.artwork);
      const marks = [
        id === best ? "best" : null,
        id === chosen ? "you" : null,
        id === explanation.shown ? "bandit" : null,
      ].filter(Boolean);
      button.disabled = true;
      button.classList.toggle("best", id === best);
      button.classList.toggle("chosen", id === chosen);
      button.lastElementChild?.append(
        el("span", { class: "bar" }, el("span", { style: { "--share": rate(id) / (rate(best) || 1) } })),
        el("span", {}, percent(rate(id))),
      );
      button.append(
        marks.length
          ? el(
              "span",
              { class: "choice-marks" },
              marks.map((mark) => el("span", { class: "mark", data: { who: mark } }, mark)),
            )
          : "",
      );
    }
    this.tell();
    const words = result.youBest
      ? "That is the best one."
      : `Of 1,000 showings, yours brings ${Math.round(rate(chosen) * 1000)} takes and the best one ${Math.round(rate(best) * 1000)}.`;
    const banditWords =
      explanation.shown === chosen
        ? "The bandit chose the same."
        : result.banditBest
          ? "The bandit had it."
          : "The bandit missed it, too.";
    const both = `${words} ${result.youBest && !result.banditBest ? "The bandit did not." : banditWords}`;
    const last = this.results.length === ROUNDS;
    const next = el(
      "button",
      { type: "button", class: "button main", on: { click: () => this.next() } },
      last ? "See the result" : "Next",
    );
    this.body.querySelector(".guess-hint")?.replaceWith(el("div", { class: "guess-answer" }, el("p", {}, both), next));
    next.focus();
    say(`${both} ${titleWords(title)}`);
  }

  tell() {
    const { you, bandit } = sums(this.results);
    const round = Math.min(this.results.length + (this.choices.length ? 1 : 0), ROUNDS);
    fill(
      this.score,
      el("span", {}, `Round ${round} of ${ROUNDS}`),
      el("span", {}, "You ", el("b", { data: { score: "you" } }, String(you))),
      el("span", {}, "Bandit ", el("b", { data: { score: "bandit" } }, String(bandit))),
    );
  }

  end() {
    const { you, bandit, yourShare, banditShare } = sums(this.results);
    const verdict = you > bandit ? "You beat the bandit." : you < bandit ? "The bandit was better." : "A draw.";
    fill(
      this.score,
      el("span", {}, `${ROUNDS} rounds`),
      el("span", {}, "You ", el("b", { data: { score: "you" } }, String(you))),
      el("span", {}, "Bandit ", el("b", { data: { score: "bandit" } }, String(bandit))),
    );
    const again = el(
      "button",
      { type: "button", class: "button main", on: { click: () => this.begin() } },
      "Play again",
    );
    fill(
      this.body,
      el(
        "div",
        { class: "guess-end" },
        el("h3", {}, verdict),
        el(
          "dl",
          { class: "guess-sums" },
          sumOf("Best artworks found", `you ${you}, bandit ${bandit}`),
          sumOf("Share of the possible takes", `you ${percent(yourShare, 0)}, bandit ${percent(banditShare, 0)}`),
        ),
        el(
          "p",
          { class: "quiet" },
          "The bandit also shows what it is not sure of, to learn: that costs it a few rounds, and is why it gets better every night.",
        ),
        again,
      ),
    );
    again.focus();
    say(verdict);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.choices.length) return;
    const at = this.choices.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (/^[1-9]$/.test(event.key)) this.choices[Number(event.key) - 1]?.click();
    else if (event.key === "ArrowRight") this.choices[(at + 1) % this.choices.length]?.focus();
    else if (event.key === "ArrowLeft") this.choices[(at + this.choices.length - 1) % this.choices.length]?.focus();
    else return;
    event.preventDefault();
  }
}

/**
 * At most nine of a title's artworks: the best, the bandit's, and others in the title's order.
 *
 * @param {Explanation} explanation
 */
function shownOf(explanation) {
  const ids = explanation.artworks
    .map((artwork) => artwork.artwork_id)
    .filter((id) => !explanation.retired.includes(id));
  const wanted = new Set([explanation.best, explanation.shown]);
  const others = ids.filter((id) => !wanted.has(id)).slice(0, MOST_SHOWN - wanted.size);
  return ids.filter((id) => wanted.has(id) || others.includes(id));
}

/**
 * One line of up to five, else two lines of about as many.
 *
 * @param {number} count
 */
const columnsOf = (count) => (count <= 5 ? count : Math.ceil(count / 2));

/** @param {Result[]} results */
function sums(results) {
  const count = Math.max(results.length, 1);
  return {
    you: results.filter((result) => result.youBest).length,
    bandit: results.filter((result) => result.banditBest).length,
    yourShare: results.reduce((sum, result) => sum + result.you, 0) / count,
    banditShare: results.reduce((sum, result) => sum + result.bandit, 0) / count,
  };
}

/**
 * @param {string} name
 * @param {string} value
 */
const sumOf = (name, value) => el("div", { class: "stat" }, el("dt", {}, name), el("dd", {}, value));
