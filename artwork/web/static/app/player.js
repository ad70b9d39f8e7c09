// Playing a title: an impression when it begins, a play when it ends, and what the system has learned since.

import { send } from "./api.js";
import { artworkWords, picture, titleWords } from "./artworks.js";
import { el, fill, icon, say } from "./dom.js";
import { lastLive } from "./live.js";
import { percent } from "./words.js";

/** @typedef {import("./types.js").Pick} Pick */
/** @typedef {import("./artworks.js").Titles} Titles */

const WATCHING_MS = 5000;
const THANKS_MS = 7000;
/** From this share on a play counts as a take, as the job's default reward says. */
const ENGAGED = 0.7;

/** The bar at the bottom that plays a title in five seconds. */
export class Player {
  /**
   * @param {string} service
   * @param {string} now the time where figures bring none
   * @param {() => void} sent is told when events were stored
   */
  constructor(service, now, sent) {
    this.service = service;
    this.now = now;
    this.sent = sent;
    this.element = el("section", { class: "player", "aria-label": "Player", hidden: true });
    /** @type {{pick: Pick, name: string, began: number, bar: HTMLElement, words: HTMLElement, frame: number} | null} */
    this.playing = null;
    addEventListener("pagehide", () => this.leave());
  }

  /**
   * @param {Pick} pick
   * @param {Titles} titles
   */
  async play(pick, titles) {
    if (this.playing) await this.stop();
    clearTimeout(this.thanks);
    const title = titles.of(pick.title_id);
    if (!title || !pick.artwork_id || !pick.source) return;
    const artwork = titles.artwork(pick.title_id, pick.artwork_id);
    const name = titleWords(title);
    const bar = el("span", { style: { "--share": 0 } });
    const words = el("span", { class: "quiet small" }, "An impression was sent");
    const stop = el("button", { type: "button", class: "button", on: { click: () => this.stop() } }, "Stop here");
    fill(
      this.element,
      picture(artwork, { class: "thumb", eager: true }),
      el("div", { class: "player-words" }, el("b", {}, `Playing ${name}`), words, el("div", { class: "bar" }, bar)),
      stop,
    );
    this.element.hidden = false;
    document.body.classList.add("with-player");
    say(`Playing ${name}, artwork ${artwork ? artworkWords(artwork) : pick.artwork_id}`);
    const playing = { pick, name, began: performance.now(), bar, words, frame: 0 };
    this.playing = playing;
    this.tick();
    try {
      await send(this.service, [this.event(pick, "impression")]);
      this.sent();
    } catch (error) {
      if (this.playing === playing) this.fail(error);
    }
  }

  tick() {
    const { playing } = this;
    if (!playing) return;
    const share = this.watched();
    playing.bar.style.setProperty("--share", String(share));
    if (share >= 1) this.stop();
    else playing.frame = requestAnimationFrame(() => this.tick());
  }

  watched() {
    return this.playing ? Math.min((performance.now() - this.playing.began) / WATCHING_MS, 1) : 0;
  }

  /** End the play that runs, and send it. */
  async stop() {
    const { playing } = this;
    if (!playing) return;
    const share = this.watched();
    this.playing = null;
    cancelAnimationFrame(playing.frame);
    try {
      await send(this.service, [this.event(playing.pick, "play", share)]);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.sent();
    const counts =
      share >= ENGAGED ? "It counts as a take." : `Under ${percent(ENGAGED, 0)} it counts as a click, not as a take.`;
    const words = `One impression and one play went back. ${counts} The next night learns from it.`;
    if (!this.playing) {
      fill(
        this.element,
        el("span", { class: "player-done" }, icon("check")),
        el(
          "div",
          { class: "player-words" },
          el("b", {}, `${playing.name}: watched ${percent(share, 0)}`),
          el("span", { class: "quiet small" }, words),
        ),
        this.closer(),
      );
      this.thanks = setTimeout(() => this.close(), THANKS_MS);
    }
    say(`${playing.name}: watched ${percent(share, 0)}. ${words}`);
  }

  /** @param {unknown} error */
  fail(error) {
    if (this.playing) cancelAnimationFrame(this.playing.frame);
    this.playing = null;
    fill(
      this.element,
      el(
        "div",
        { class: "player-words" },
        el("b", {}, "The event was not stored"),
        el("span", { class: "quiet small" }, /** @type {Error} */ (error).message),
      ),
      this.closer(),
    );
    say(`The event was not stored. ${/** @type {Error} */ (error).message}`);
  }

  closer() {
    return el(
      "button",
      {
        type: "button",
        class: "button icon plain",
        "aria-label": "Close the player",
        on: { click: () => this.close() },
      },
      icon("close"),
    );
  }

  close() {
    clearTimeout(this.thanks);
    this.element.hidden = true;
    document.body.classList.remove("with-player");
  }

  /** A page that goes away sends what was watched as a beacon. */
  leave() {
    if (!this.playing) return;
    const play = this.event(this.playing.pick, "play", this.watched());
    navigator.sendBeacon(`${this.service}/v1/events`, JSON.stringify([play]));
    this.playing = null;
  }

  /**
   * @param {Pick} pick
   * @param {"impression" | "play"} type
   * @param {number} [share]
   * @returns {import("./types.js").UserEvent}
   */
  event(pick, type, share) {
    return {
      event_id: crypto.randomUUID(),
      type,
      user_id: pick.user_id,
      title_id: pick.title_id,
      artwork_id: /** @type {string} */ (pick.artwork_id),
      generation: pick.generation,
      revision: pick.revision,
      source: /** @type {import("./types.js").Source} */ (pick.source),
      segment: pick.segment,
      occurred_at: lastLive()?.now ?? this.now,
      ...(share === undefined ? {} : { watch_fraction: Number(share.toFixed(4)) }),
    };
  }
}
