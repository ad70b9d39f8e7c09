// One title as one person (or each of two) sees it, and what a card tells on hover, focus or long press.

import { artworkWords, picture, titleWords } from "./artworks.js";
import { dress, el, fill, icon } from "./dom.js";
import { explain } from "./explain.js";
import { percent, sourceWords } from "./words.js";

/** @typedef {import("./types.js").Title} Title */
/** @typedef {import("./types.js").Pick} Pick */
/** @typedef {import("./types.js").User} User */
/** @typedef {import("./artworks.js").Titles} Titles */
/**
 * @typedef {{titles: Titles, play: (pick: Pick) => void, why: (pick: Pick) => void}} Actions
 */

const HOVER_MS = 260;
const LEAVE_MS = 180;
const LONG_PRESS_MS = 450;
const NEWS_MS = 6000;

/** A poster that can be played: its picture follows the person's pick. */
export class Poster {
  /**
   * @param {Title} title
   * @param {User} user
   * @param {Actions} actions
   * @param {{eager: boolean, letter?: string}} options
   */
  constructor(title, user, actions, options) {
    this.title = title;
    this.user = user;
    this.actions = actions;
    this.eager = options.eager;
    this.letter = options.letter ?? "";
    /** @type {Pick | null} */
    this.pick = null;
    this.frame = el("span", { class: "card-frame" });
    this.news = el("span", { class: "mark card-news", hidden: true }, "new pick");
    this.button = el(
      "button",
      { type: "button", class: "card-art", tabindex: -1, "aria-label": titleWords(title) },
      this.frame,
      this.news,
    );
    this.button.addEventListener("click", () => this.pick?.artwork_id && actions.play(this.pick));
    this.source = el("span", { class: "card-source" });
    peek.watch(this);
  }

  /** @param {Pick} pick */
  show(pick) {
    const before = this.pick;
    this.pick = pick;
    this.title = this.actions.titles.of(pick.title_id) ?? this.title;
    if (before?.artwork_id !== pick.artwork_id || !this.frame.firstChild) this.swap(before);
    const artwork = this.actions.titles.artwork(pick.title_id, pick.artwork_id);
    const chance = pick.propensity === null ? "" : `chance ${percent(pick.propensity, 0)}`;
    dress(this.button, {
      "aria-label": [
        this.letter ? `${titleWords(this.title)} for ${this.user.user_id}` : titleWords(this.title),
        artwork ? `artwork ${artworkWords(artwork)}` : "no artwork",
        sourceWords(pick.source),
        chance,
        "Play",
      ]
        .filter(Boolean)
        .join(". "),
    });
    fill(
      this.source,
      this.letter ? el("b", { class: "letter" }, this.letter) : null,
      el("i", { class: "sign" }),
      el("span", {}, percent(pick.propensity, 0)),
    );
    dress(this.source, { data: { source: pick.source ?? "none" }, title: sourceWords(pick.source) });
    dress(this.button, { data: { artwork: pick.artwork_id ?? "", user: pick.user_id, source: pick.source ?? "none" } });
    if (before && (before.generation !== pick.generation || before.artwork_id !== pick.artwork_id)) peek.follow(this);
  }

  /** @param {Pick | null} before what was shown */
  swap(before) {
    const pick = /** @type {Pick} */ (this.pick);
    const image = picture(this.actions.titles.artwork(pick.title_id, pick.artwork_id), {
      eager: this.eager || before !== null,
    });
    if (before === null) {
      this.frame.replaceChildren(image);
      return;
    }
    image.classList.add("coming");
    const old = [...this.frame.children];
    const done = () => old.forEach((picture_) => picture_.remove());
    image.addEventListener("animationend", done, { once: true });
    image.addEventListener("error", done, { once: true });
    this.frame.append(image);
    this.news.textContent = newsWords(before, pick, this.actions.titles);
    this.news.hidden = false;
    clearTimeout(this.newsTimer);
    this.newsTimer = setTimeout(() => (this.news.hidden = true), NEWS_MS);
  }
}

/**
 * Why another artwork is shown than before.
 *
 * @param {Pick} before
 * @param {Pick} pick
 * @param {Titles} titles
 */
function newsWords(before, pick, titles) {
  if (titles.artwork(pick.title_id, before.artwork_id)?.retired) return "other was retired";
  if (before.generation !== pick.generation) return "new pick";
  if (before.source === pick.source) return "changed";
  return pick.source === "personalized" ? "own pick again" : "fallback";
}

/** A title in a row. With two people both posters stand side by side, and it says where they differ. */
export class Card {
  /**
   * @param {Title} title
   * @param {User[]} people one or two
   * @param {Actions} actions
   * @param {boolean} eager
   */
  constructor(title, people, actions, eager) {
    this.title = title;
    this.posters = people.map(
      (user, place) => new Poster(title, user, actions, { eager, letter: people.length > 1 ? "AB"[place] : "" }),
    );
    this.differs = people.length > 1 ? el("span", { class: "card-differs" }) : null;
    const why = el(
      "button",
      {
        type: "button",
        class: "button icon plain card-why",
        tabindex: -1,
        "aria-label": `Why this artwork of ${titleWords(title)}`,
        title: "Why this one?",
        on: { click: () => this.posters[0]?.pick && actions.why(this.posters[0].pick) },
      },
      icon("why"),
    );
    this.why = why;
    this.element = el(
      "li",
      { class: people.length > 1 ? "card pair" : "card", data: { title: title.title_id } },
      el(
        "div",
        { class: "card-arts" },
        this.posters.map((poster) => poster.button),
      ),
      people.length > 1
        ? el(
            "div",
            { class: "pair-sources" },
            this.posters.map((poster) => poster.source),
          )
        : null,
      el(
        "div",
        { class: "card-foot" },
        el(
          "div",
          { class: "card-words" },
          el("span", { class: "card-name", title: titleWords(title) }, titleWords(title)),
          el("span", { class: "card-sources" }, this.differs ?? this.posters.map((poster) => poster.source)),
        ),
        why,
      ),
    );
  }

  /** Say whether two people see another artwork; whether they do. */
  compare() {
    const [first, second] = this.posters;
    if (!first?.pick || !second?.pick || !this.differs) return false;
    const differs = first.pick.artwork_id !== second.pick.artwork_id;
    this.element.classList.toggle("differs", differs);
    fill(this.differs, differs ? "differs" : "same");
    return differs;
  }
}

/** What a card tells of its pick. There is one, and it goes where it is needed. */
class Peek {
  constructor() {
    this.body = el("div", { class: "peek-body" });
    this.element = el(
      "div",
      { class: "peek", role: "group", "aria-label": "About this pick", popover: "manual" },
      this.body,
    );
    /** @type {Poster | null} */
    this.poster = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.element.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.element.addEventListener("pointerleave", () => this.later(() => this.hide(), LEAVE_MS));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.poster) {
        event.preventDefault();
        this.hide();
      }
    });
    addEventListener("scroll", () => this.hide(), { passive: true, capture: true });
    addEventListener("resize", () => this.hide());
    document.addEventListener("pointerdown", (event) => {
      if (!this.element.contains(/** @type {Node} */ (event.target))) this.hide();
    });
  }

  /** @param {Poster} poster */
  watch(poster) {
    const { button } = poster;
    let pressed = false;
    button.addEventListener("pointerenter", (event) => {
      if (/** @type {PointerEvent} */ (event).pointerType === "mouse") this.later(() => this.show(poster), HOVER_MS);
    });
    button.addEventListener("pointerleave", () => this.later(() => this.hide(), LEAVE_MS));
    button.addEventListener("focus", () => {
      if (button.matches(":focus-visible")) this.later(() => this.show(poster), HOVER_MS);
    });
    button.addEventListener("blur", () => this.later(() => this.hide(), LEAVE_MS));
    button.addEventListener("pointerdown", (event) => {
      pressed = false;
      if (/** @type {PointerEvent} */ (event).pointerType === "mouse") return;
      this.later(() => {
        pressed = true;
        this.show(poster);
      }, LONG_PRESS_MS);
    });
    button.addEventListener("pointerup", () => !pressed && clearTimeout(this.timer));
    button.addEventListener("contextmenu", (event) => pressed && event.preventDefault());
    button.addEventListener(
      "click",
      (event) => {
        clearTimeout(this.timer);
        if (pressed) event.stopImmediatePropagation();
        else this.hide();
        pressed = false;
      },
      { capture: true },
    );
  }

  /**
   * @param {() => void} act
   * @param {number} ms
   */
  later(act, ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(act, ms);
  }

  /** @param {Poster} poster */
  async show(poster) {
    const { pick } = poster;
    if (!pick?.artwork_id || !poster.button.isConnected) return;
    if (!this.element.isConnected) document.body.append(this.element);
    this.poster = poster;
    const chances = el(
      "div",
      { class: "peek-chances" },
      el("p", { class: "quiet small" }, "Asking for the other artworks …"),
    );
    fill(this.body, head(poster, pick), facts(pick), chances, this.buttons(poster, pick));
    if (!this.element.matches(":popover-open")) this.element.showPopover();
    this.place(poster.button.getBoundingClientRect());
    try {
      const explanation = await explain(pick);
      if (this.poster !== poster) return;
      const own = explanation.source === pick.source;
      fill(
        chances,
        el(
          "h4",
          {},
          own ? "Chance of each artwork" : "Chance of each artwork in this person's own pick, which came too late",
        ),
        bars(poster, explanation, pick),
      );
    } catch (error) {
      if (this.poster !== poster) return;
      fill(chances, el("p", { class: "quiet small" }, /** @type {Error} */ (error).message));
    }
    this.place(poster.button.getBoundingClientRect());
  }

  /** @param {Poster} poster whose pick has changed */
  follow(poster) {
    if (this.poster === poster) this.show(poster);
  }

  /**
   * @param {Poster} poster
   * @param {Pick} pick
   */
  buttons(poster, pick) {
    const { play, why } = poster.actions;
    /** @param {(pick: Pick) => void} act */
    const then = (act) => () => {
      this.hide();
      act(pick);
    };
    return el(
      "div",
      { class: "peek-buttons" },
      el("button", { type: "button", class: "button main", on: { click: then(play) } }, icon("play"), "Play"),
      el("button", { type: "button", class: "button", on: { click: then(why) } }, icon("why"), "Why this one?"),
    );
  }

  /** @param {DOMRect} card where the poster is */
  place(card) {
    if (matchMedia("(max-width: 720px)").matches) {
      this.element.style.removeProperty("left");
      this.element.style.removeProperty("top");
      return;
    }
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const right = card.right + 10 + width < innerWidth - 8;
    const left = right ? card.right + 10 : Math.max(8, card.left - 10 - width);
    const top = Math.min(Math.max(8, card.top - 8), Math.max(8, innerHeight - height - 8));
    this.element.style.left = `${left}px`;
    this.element.style.top = `${top}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.poster = null;
    if (this.element.matches(":popover-open")) this.element.hidePopover();
  }
}

export const peek = new Peek();

/**
 * @param {Poster} poster
 * @param {Pick} pick
 */
function head(poster, pick) {
  const { title } = poster;
  const genres = title.genres.join(", ");
  return el(
    "div",
    { class: "peek-head" },
    el("h3", {}, titleWords(title)),
    el("p", { class: "quiet small" }, [title.year, genres].filter(Boolean).join(" · ")),
    el(
      "span",
      { class: "pill", data: { source: pick.source ?? "none" } },
      el("i", { class: "sign" }),
      sourceWords(pick.source),
    ),
  );
}

/** @param {Pick} pick */
function facts(pick) {
  const pairs = [
    ["Policy", pick.policy ?? "none"],
    ["Chance", percent(pick.propensity)],
    ["Generation", pick.generation],
  ];
  return el(
    "dl",
    { class: "peek-facts" },
    pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/**
 * @param {Poster} poster
 * @param {import("./types.js").Explanation} explanation
 * @param {Pick} pick
 */
function bars(poster, explanation, pick) {
  const sorted = [...explanation.artworks].sort((one, other) => other.propensity - one.propensity);
  return el(
    "ul",
    { class: "chances", tabindex: 0, "aria-label": "Artworks and their chances" },
    sorted.map((explained) => {
      const artwork = poster.actions.titles.artwork(pick.title_id, explained.artwork_id);
      const isShown = explained.artwork_id === pick.artwork_id;
      return el(
        "li",
        { class: isShown ? "chance shown" : "chance" },
        picture(artwork, { class: "thumb" }),
        el(
          "span",
          { class: "chance-name" },
          artwork ? artworkWords(artwork) : explained.artwork_id,
          isShown ? el("b", {}, " · shown") : null,
        ),
        el("span", { class: "bar" }, el("span", { style: { "--share": explained.propensity } })),
        el("span", { class: "chance-value" }, percent(explained.propensity)),
      );
    }),
  );
}
