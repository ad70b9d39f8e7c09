// The browse page: who is watching, rows of titles as they see them, what the system has learned since.

import { catalogue, press, Refused, session } from "./api.js";
import { Titles } from "./artworks.js";
import { el, fill, icon, say } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Guess } from "./guess.js";
import { lastLive, onLive } from "./live.js";
import { face, finder, likeWords, newPerson, randomUser, signalWords, userOf } from "./people.js";
import { Player } from "./player.js";
import { Rows } from "./rows.js";
import { mountShell } from "./shell.js";
import { whole } from "./words.js";

/** @typedef {import("./types.js").User} User */
/** @typedef {import("./types.js").Pick} Pick */
/** @typedef {import("./types.js").Live} Live */
/** @typedef {import("./types.js").Session} Session */

const AGAIN_MS = 1500;

const main = /** @type {HTMLElement} */ (document.querySelector("main"));

class Browse {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    /** @type {User[]} */
    this.people = [];
    this.titles = new Titles({ generation: null, revision: 0, titles: [] });
    this.place = 0;
    this.rows = new Rows((error) => this.trouble(error));
    this.player = new Player(session.service, session.now, () => this.tellEvents());
    this.drawer = new Drawer(() => this.remember());
    this.guess = new Guess();
    this.audience = el("section", { class: "audience", "aria-label": "Who is watching" });
    this.notice = el("div", { class: "notices", role: "status" });
    this.learned = el("p", { class: "learned-words" });
    this.progress = el("div", { class: "bar learned-bar", hidden: true }, el("span", {}));
    this.learn = el(
      "button",
      { type: "button", class: "button", on: { click: () => this.learnNow() } },
      icon("learn"),
      "Learn now",
    );
    this.learn.hidden = !session.controls.includes("learn-now");
    this.events = 0;
    /** @type {Live | null} */
    this.live = null;
    /** What the notices say of service and store, so that they are drawn anew only when that changes. */
    this.told = "";
    this.troubleWords = "";
    /** @type {HTMLElement | null} */
    this.troubleNotice = null;
    this.actions = {
      titles: this.titles,
      play: (/** @type {Pick} */ pick) => this.player.play(pick, this.titles),
      why: (/** @type {Pick} */ pick) => this.why(pick),
    };
    const game = el(
      "button",
      { type: "button", class: "button", on: { click: () => this.guess.open(this.titles) } },
      icon("target"),
      "Guess the best",
    );
    game.hidden = !session.truth;
    fill(
      main,
      this.audience,
      el(
        "section",
        { class: "learned", "aria-label": "What the system has learned" },
        el("div", { class: "learned-text" }, this.learned, this.progress),
        el("div", { class: "learned-buttons" }, this.learn, game),
      ),
      this.notice,
      this.rows.element,
      this.player.element,
    );
  }

  async start() {
    await this.loadTitles();
    onLive((live) => this.hear(live));
    await this.followAddress();
    addEventListener("hashchange", () => this.attempt(() => this.followAddress()));
  }

  /** Show whom the address names, and the drawer that it has open. */
  async followAddress() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const first = await this.named(hash.get("user"), hash);
    const second = hash.get("with") ? await this.named(hash.get("with"), hash) : null;
    await this.choose(second ? [first, second] : [first]);
    const why = hash.get("why");
    if (why) await this.whyTitle(why);
  }

  /**
   * @param {string | null} id
   * @param {URLSearchParams} hash
   */
  async named(id, hash) {
    if (!id) return randomUser();
    try {
      return await userOf(id, { country: hash.get("country") ?? undefined, device: hash.get("device") ?? undefined });
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return randomUser();
      throw error;
    }
  }

  async loadTitles() {
    this.titles = new Titles(await catalogue());
    if (!this.titles.byId.size) throw new Refused("No titles", "The workspace has no titles yet.", 404);
    this.actions.titles = this.titles;
  }

  /** @param {User[]} people one or two */
  async choose(people) {
    const hadFocus = this.audience.contains(document.activeElement);
    this.people = people;
    this.drawAudience();
    this.remember();
    if (hadFocus) /** @type {HTMLElement | null} */ (this.audience.querySelector("h1"))?.focus();
    say(`Showing what ${people.map((user) => user.user_id).join(" and ")} see${people.length === 1 ? "s" : ""}`);
    try {
      await this.rows.show(people, this.actions, this.session.service);
      this.trouble(null);
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") this.trouble(error);
    }
  }

  /** @param {User} user the one who takes the place of the person that the buttons speak of */
  replace(user) {
    const people = [...this.people];
    people[this.place] = user;
    this.choose(people);
  }

  drawAudience() {
    const two = this.people.length > 1;
    this.place = Math.min(this.place, this.people.length - 1);
    const another = el(
      "button",
      {
        type: "button",
        class: "button",
        on: { click: async () => this.attempt(async () => this.replace(await randomUser())) },
      },
      icon("dice"),
      "Another person",
    );
    const beside = el(
      "button",
      {
        type: "button",
        class: "button",
        "aria-pressed": String(two),
        on: { click: () => (two ? this.choose(this.people.slice(0, 1)) : this.attempt(() => this.addSecond())) },
      },
      icon("two"),
      "Side by side",
    );
    fill(
      this.audience,
      two
        ? el(
            "h1",
            { class: "unseen", tabindex: -1 },
            `As seen by ${this.people.map((user) => user.user_id).join(" and ")}`,
          )
        : null,
      el(
        "div",
        { class: two ? "people two" : "people" },
        this.people.map((user, place) => this.person(user, place, two)),
      ),
      el(
        "div",
        { class: "audience-tools" },
        another,
        finder("finder", (user) => this.replace(user)),
        newPerson((user) => this.replace(user)),
        beside,
      ),
    );
  }

  /**
   * @param {User} user
   * @param {number} place
   * @param {boolean} two
   */
  person(user, place, two) {
    const letter = "AB"[place] ?? "";
    const words = el(
      "div",
      { class: "person-words" },
      el(
        two ? "h2" : "h1",
        { tabindex: -1, class: "person-name" },
        el("span", { class: "quiet" }, two ? `${letter} · ` : "As seen by "),
        user.user_id,
      ),
      el("p", { class: "quiet small" }, signalWords(user)),
      el("p", { class: "small" }, likeWords(user)),
    );
    if (!two) return el("div", { class: "person" }, face(user), words);
    const chosen = place === this.place;
    return el(
      "div",
      { class: chosen ? "person chosen" : "person" },
      face(user),
      words,
      el(
        "button",
        {
          type: "button",
          class: "button small-button",
          "aria-pressed": String(chosen),
          "aria-label": `The buttons change person ${letter}`,
          on: {
            click: () => {
              this.place = place;
              this.drawAudience();
            },
          },
        },
        chosen ? "Changing" : "Change",
      ),
    );
  }

  async addSecond() {
    const first = /** @type {User} */ (this.people[0]);
    let second = await randomUser();
    for (let attempt = 0; attempt < 5 && second.user_id === first.user_id; attempt += 1) second = await randomUser();
    this.place = 1;
    await this.choose([first, second]);
  }

  /** @param {() => Promise<void>} act */
  async attempt(act) {
    try {
      await act();
    } catch (error) {
      this.trouble(error);
    }
  }

  /** @param {Pick} pick */
  why(pick) {
    this.remember(pick);
    this.drawer.open(pick, this.titles);
  }

  /** @param {string} titleId */
  async whyTitle(titleId) {
    for (const row of this.rows.rows) {
      const pick = row.cards.find((card) => card.title.title_id === titleId)?.posters[0]?.pick;
      if (pick) {
        this.why(pick);
        return;
      }
    }
  }

  /** @param {Pick} [pick] that a drawer explains */
  remember(pick) {
    const hash = new URLSearchParams();
    const [first, second] = this.people;
    if (first) hash.set("user", first.user_id);
    if (second) hash.set("with", second.user_id);
    const stranger = this.people.find((user) => !user.known);
    if (stranger) {
      hash.set("country", stranger.country ?? "");
      hash.set("device", stranger.device ?? "");
    }
    if (pick) hash.set("why", pick.title_id);
    history.replaceState(null, "", `#${hash}`);
  }

  /** @param {Live} live */
  hear(live) {
    const before = this.live;
    this.live = live;
    this.tellLearned(live);
    this.tellStore(live);
    if (!before) return;
    const isNew = live.generation !== before.generation || live.revision !== before.revision;
    if (isNew) {
      this.attempt(async () => {
        const known = this.titles.byId.size;
        await this.loadTitles();
        // Rows change only when titles come or go: whoever is about to click finds things where they were.
        if (this.titles.byId.size === known) await this.rows.refresh();
        else if (this.people.length) await this.rows.show(this.people, this.actions, this.session.service);
      });
      if (live.generation !== before.generation) say(`Generation ${live.generation} is served`);
    } else if (live.store.state !== before.store.state || live.service.up !== before.service.up) {
      this.rows.refresh();
    }
  }

  /** @param {Live} live */
  tellLearned(live) {
    const night = live.phase === "night" && live.step;
    const waiting = live.learned.since;
    const played = `Learned from ${whole(live.learned.impressions)} impressions and ${whole(live.learned.plays)} plays`;
    fill(
      this.learned,
      night ? `The night: ${live.step?.name}` : played,
      el("span", { class: "quiet" }, night ? " · the page keeps answering from the generation before" : " · "),
      night ? null : el("b", { class: "learned-since", data: { since: waiting } }, whole(waiting)),
      night
        ? null
        : el(
            "span",
            { class: "quiet" },
            waiting === 1 ? " event waits for the next night" : " events wait for the next night",
          ),
    );
    this.progress.hidden = !night;
    if (night && live.step) {
      /** @type {HTMLElement} */ (this.progress.firstElementChild).style.setProperty(
        "--share",
        String(live.step.done / Math.max(live.step.total, 1)),
      );
    }
    this.learn.toggleAttribute("disabled", live.phase === "night" || live.phase === "starting");
  }

  /** @param {Live} live */
  tellStore(live) {
    const words = {
      up: null,
      stopped: "The store is stopped.",
      frozen: "The store is frozen: it takes connections and answers nothing.",
      slow: "The store is slow.",
      away: "The store does not answer.",
    }[live.store.state];
    const state = `${live.service.up} ${live.store.state} ${live.phase}`;
    if (state === this.told) return;
    this.told = state;
    const back =
      this.session.controls.includes("store-back") && live.store.state !== "up" && live.store.state !== "away";
    fill(
      this.notice,
      live.phase === "starting" ? startingNotice(live) : null,
      words
        ? el(
            "div",
            { class: "notice" },
            el(
              "p",
              {},
              el("b", {}, words),
              " Nothing on this page is missing: what cannot be read in time is drawn for people alike, or from what is popular.",
            ),
            back
              ? el(
                  "button",
                  {
                    type: "button",
                    class: "button",
                    on: { click: () => this.attempt(async () => void (await press("store-back"))) },
                  },
                  "Bring it back",
                )
              : null,
          )
        : null,
    );
  }

  tellEvents() {
    this.events += 1;
    main.dataset.events = String(this.events);
  }

  async learnNow() {
    this.learn.setAttribute("disabled", "");
    await this.attempt(async () => {
      const mark = await press("learn-now");
      say(mark.words);
    });
  }

  /** @param {unknown} error what failed, null where all is well again */
  trouble(error) {
    const words = error === null ? "" : /** @type {Error} */ (error).message;
    if (words === this.troubleWords) return;
    this.troubleWords = words;
    this.troubleNotice?.remove();
    if (error === null) return;
    const title = error instanceof Refused ? error.title : "Something is wrong with this page";
    this.troubleNotice = el(
      "div",
      { class: "notice bad", role: "alert" },
      el("p", {}, el("b", {}, title), ` ${words}`),
      el("button", { type: "button", class: "button", on: { click: () => this.choose(this.people) } }, "Try again"),
    );
    this.notice.after(this.troubleNotice);
  }
}

/** @param {Live} live */
function startingNotice(live) {
  return el(
    "div",
    { class: "notice" },
    `The demo is starting: ${live.step?.name ?? "it makes its people and titles"}.`,
  );
}

/** What is seen before there is anything to see. */
function drawStart() {
  const rows = new Rows(() => {});
  const words = el("p", { class: "learned-words quiet", role: "status" }, "Asking the demo …");
  fill(
    main,
    el("h1", { class: "unseen" }, "What people see"),
    el("div", { class: "audience bone-audience" }, el("span", { class: "bone" })),
    el("div", { class: "learned" }, words),
    rows.element,
  );
  return words;
}

async function begin() {
  const words = drawStart();
  for (;;) {
    try {
      const current = await session();
      if (!current.service) throw new Refused("Starting", "The service is being started.", 503);
      const page = new Browse(current);
      await page.start();
      return;
    } catch (error) {
      const refused = error instanceof Refused ? error : null;
      if (!refused) throw error;
      const live = lastLive();
      if (!words.isConnected) fill(main, words);
      words.classList.toggle("bad", refused.status === 0 || refused.status === 401);
      words.textContent =
        live?.phase === "starting"
          ? `The demo is starting: ${live.step?.name ?? "making its people and titles"} …`
          : refused.message;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

mountShell();
begin();
