// Rows of titles: each asks the service once per person, follows new generations, and is moved through with the arrow keys.

import { get, lookUp, Refused } from "./api.js";
import { titleWords } from "./artworks.js";
import { Card } from "./cards.js";
import { el, fill, icon, say } from "./dom.js";
import { lastLive } from "./live.js";
import { milliseconds } from "./words.js";

/** @typedef {import("./types.js").User} User */
/** @typedef {import("./types.js").Row} RowData */
/** @typedef {import("./cards.js").Actions} Actions */

const REFRESH_MS = 4000;
const SKELETONS = 10;
const EAGER_CARDS = 9;
const ONCE_MORE_MS = 120;

/** One row: its titles never change, its artworks do. */
class Row {
  /**
   * @param {RowData} data
   * @param {User[]} people
   * @param {Actions} actions
   * @param {string} service
   * @param {boolean} isFirst
   */
  constructor(data, people, actions, service, isFirst) {
    this.people = people;
    this.service = service;
    this.seen = isFirst;
    this.cards = data.title_ids
      .map((titleId) => actions.titles.of(titleId))
      .filter((title) => title !== undefined)
      .map((title, place) => new Card(title, people, actions, isFirst && place < EAGER_CARDS));
    this.time = el("span", { class: "row-time quiet small" });
    this.rail = el(
      "ul",
      { class: "rail", "aria-label": data.heading },
      this.cards.map((card) => card.element),
    );
    this.element = el(
      "section",
      { class: "row", "aria-label": data.heading },
      el("div", { class: "row-head" }, el("h2", {}, data.heading), this.time, this.turners()),
      this.rail,
    );
  }

  turners() {
    /**
     * @param {-1 | 1} way
     * @param {"left" | "right"} name
     */
    const turner = (way, name) =>
      el(
        "button",
        {
          type: "button",
          class: "button icon plain",
          tabindex: -1,
          "aria-hidden": "true",
          on: { click: () => this.rail.scrollBy({ left: way * this.rail.clientWidth * 0.85, behavior: "smooth" }) },
        },
        icon(name),
      );
    return el("div", { class: "row-turners" }, turner(-1, "left"), turner(1, "right"));
  }

  /**
   * One page call. Where a row that is there came too late, as on a machine that is busy with the demo itself, it is asked for
   * once more; not while the store is known to be away, since then the fallback is what there is to see.
   *
   * @param {User} user
   * @param {string[]} ids
   * @param {AbortSignal} [signal]
   */
  async ask(user, ids, signal) {
    const answer = await lookUp(this.service, user, ids, signal);
    const late = user.known && !answer.page.picks.some((pick) => pick.source === "personalized");
    const live = lastLive();
    if (!late || (live && live.store.state !== "up")) return answer;
    await new Promise((resolve) => setTimeout(resolve, ONCE_MORE_MS));
    return lookUp(this.service, user, ids, signal);
  }

  /**
   * Ask for every person's picks and show them.
   *
   * @param {AbortSignal} [signal]
   */
  async refresh(signal) {
    const ids = this.cards.map((card) => card.title.title_id);
    if (!ids.length) return;
    const answers = await Promise.all(this.people.map((user) => this.ask(user, ids, signal)));
    answers.forEach(({ page }, person) =>
      page.picks.forEach((pick, place) =>
        this.cards[place]?.posters[person]?.show({
          ...pick,
          user_id: page.user_id,
          generation: pick.generation ?? page.generation,
        }),
      ),
    );
    const differing = this.cards.filter((card) => card.compare()).length;
    const times = listedTimes(answers.map((answer) => answer.ms));
    const calls = answers.length === 1 ? "one call" : `${answers.length} calls`;
    this.time.textContent =
      this.people.length > 1 ? `${differing} of ${ids.length} differ · ${calls}, ${times}` : `${calls}, ${times}`;
  }
}

/** @param {number[]} times */
const listedTimes = (times) => times.map((ms) => milliseconds(ms)).join(" and ");

/** All rows of the people on the page. */
export class Rows {
  /** @param {(error: unknown) => void} trouble is told what failed, and null once it works again */
  constructor(trouble) {
    this.trouble = trouble;
    this.element = el("div", { class: "rows", "aria-busy": "true" });
    /** @type {Row[]} */
    this.rows = [];
    /** @type {AbortController} */
    this.asking = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.watcher = new IntersectionObserver((entries) => this.notice(entries), { rootMargin: "200px 0px" });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusin", (event) => this.rove(/** @type {HTMLElement} */ (event.target)));
    document.addEventListener("visibilitychange", () => !document.hidden && this.refresh());
    this.skeleton();
  }

  skeleton() {
    fill(
      this.element,
      [1, 2, 3].map(() =>
        el(
          "section",
          { class: "row", "aria-hidden": "true" },
          el("div", { class: "row-head" }, el("span", { class: "bone bone-heading" })),
          el(
            "ul",
            { class: "rail" },
            Array.from({ length: SKELETONS }, () =>
              el("li", { class: "card" }, el("div", { class: "card-arts bone" }), el("div", { class: "card-foot" })),
            ),
          ),
        ),
      ),
    );
  }

  /**
   * Show people: the rows are the first one's.
   *
   * @param {User[]} people
   * @param {Actions} actions
   * @param {string} service
   */
  async show(people, actions, service) {
    this.stop();
    const { signal } = this.asking;
    this.element.setAttribute("aria-busy", "true");
    const { rows } = await get(`/rows/${encodeURIComponent(/** @type {User} */ (people[0]).user_id)}`, signal);
    if (signal.aborted) return;
    const made = rows.map(
      (/** @type {RowData} */ data, /** @type {number} */ place) =>
        new Row(data, people, actions, service, place === 0),
    );
    this.rows = made.filter((/** @type {Row} */ row) => row.cards.length);
    // The first row's artworks come before it is shown, so that no empty frame is seen; the others ask when they are near.
    await this.rows[0]?.refresh(signal).catch((error) => this.trouble(error));
    if (signal.aborted) return;
    fill(
      this.element,
      this.rows.map((row) => row.element),
      this.rows.length ? null : el("p", { class: "notice" }, "There are no titles to show for this person."),
    );
    this.element.setAttribute("aria-busy", "false");
    for (const row of this.rows) this.watcher.observe(row.element);
    for (const {
      cards: [first],
    } of this.rows)
      if (first) this.stopAt(first);
    this.again();
  }

  stop() {
    this.asking.abort();
    this.asking = new AbortController();
    this.watcher.disconnect();
    clearTimeout(this.timer);
  }

  again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), REFRESH_MS);
  }

  /** Ask again for all rows that are near the screen. */
  async refresh() {
    const { signal } = this.asking;
    clearTimeout(this.timer);
    if (document.hidden || !this.rows.length) return;
    try {
      for (const row of this.rows.filter((row) => row.seen)) await row.refresh(signal);
      this.trouble(null);
    } catch (error) {
      if (signal.aborted) return;
      this.trouble(error);
    }
    if (!signal.aborted) this.again();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  async notice(entries) {
    const { signal } = this.asking;
    for (const entry of entries) {
      const row = this.rows.find((row) => row.element === entry.target);
      if (!row) continue;
      const isNew = entry.isIntersecting && !row.seen;
      row.seen = entry.isIntersecting;
      if (isNew) {
        await row.refresh(signal).catch((error) => {
          if (!signal.aborted && error instanceof Refused) this.trouble(error);
        });
      }
    }
  }

  /** @returns {HTMLElement[][]} what can have the focus, row by row */
  grid() {
    return this.rows.map((row) => row.cards.flatMap((card) => card.posters.map((poster) => poster.button)));
  }

  /**
   * Every row has one place that Tab reaches, so that it can be scrolled by key: a poster, and the question beside it.
   *
   * @param {Card} card
   * @param {HTMLElement} [button] of its posters; the first where none is given
   */
  stopAt(card, button) {
    const row = this.rows.find((row) => row.cards.includes(card));
    for (const other of row?.cards ?? []) {
      for (const poster of other.posters) poster.button.tabIndex = -1;
      other.why.tabIndex = -1;
    }
    const poster = card.posters.find((poster) => poster.button === button) ?? card.posters[0];
    if (poster) poster.button.tabIndex = 0;
    card.why.tabIndex = 0;
  }

  /** @param {HTMLElement} target */
  rove(target) {
    const card = this.rows.flatMap((row) => row.cards).find((card) => card.element.contains(target));
    if (card) this.stopAt(card, target);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const grid = this.grid();
    const target = /** @type {HTMLElement} */ (event.target);
    const y = grid.findIndex((row) =>
      row.some((button) => button === target || button.closest(".card")?.contains(target)),
    );
    if (y < 0) return;
    const row = /** @type {HTMLElement[]} */ (grid[y]);
    const x = row.findIndex((button) => button === target || button.closest(".card")?.contains(target));
    const card = this.rows[y]?.cards.find((card) => card.element.contains(target));
    /** @type {Record<string, () => HTMLElement | undefined>} */
    const moves = {
      ArrowRight: () => row[Math.min(x + 1, row.length - 1)],
      ArrowLeft: () => row[Math.max(x - 1, 0)],
      ArrowDown: () => grid[y + 1]?.[Math.min(x, (grid[y + 1]?.length ?? 1) - 1)],
      ArrowUp: () => grid[y - 1]?.[Math.min(x, (grid[y - 1]?.length ?? 1) - 1)],
      Home: () => row[0],
      End: () => row[row.length - 1],
    };
    if (event.key === "w" && card) {
      event.preventDefault();
      const poster = card.posters.find((poster) => poster.button === target) ?? card.posters[0];
      if (poster?.pick) poster.actions.why(poster.pick);
      return;
    }
    const next = /^[1-9]$/.test(event.key)
      ? this.rows[y]?.cards[Number(event.key) - 1]?.posters[0]?.button
      : moves[event.key]?.();
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (/^[1-9]$/.test(event.key))
      say(titleWords(/** @type {import("./types.js").Title} */ (this.rows[y]?.cards[Number(event.key) - 1]?.title)));
  }
}
