// "Why this one": every artwork of a title as one person's generation saw it, and the choice step by step.

import { get } from "./api.js";
import { artworkWords, picture, titleWords } from "./artworks.js";
import { el, fill, icon, svg } from "./dom.js";
import { explain } from "./explain.js";
import { percent, sourceWords, whole } from "./words.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").ExplainedArtwork} ExplainedArtwork */
/** @typedef {import("./types.js").Pick} Pick */
/** @typedef {import("./artworks.js").Titles} Titles */

const COLOURS = 8;
const WIDTH = 150;

/** The drawer. There is one; it is filled when it opens. */
export class Drawer {
  /** @param {() => void} closed is told when it has been closed */
  constructor(closed) {
    this.head = el("header", { class: "drawer-head" });
    this.body = el("div", { class: "drawer-body" });
    this.element = /** @type {HTMLDialogElement} */ (
      el("dialog", { class: "drawer", "aria-labelledby": "drawer-title" }, this.head, this.body)
    );
    this.element.addEventListener("close", closed);
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
    this.asked = 0;
  }

  /**
   * @param {Pick} pick
   * @param {Titles} titles
   */
  async open(pick, titles) {
    const asked = (this.asked += 1);
    const title = titles.of(pick.title_id);
    if (!title) return;
    fill(
      this.head,
      el(
        "div",
        { class: "why-head" },
        picture(titles.artwork(pick.title_id, pick.artwork_id), { class: "poster why-poster", eager: true }),
        el(
          "div",
          {},
          el("p", { class: "quiet small" }, `Why ${pick.user_id} sees this artwork of`),
          el("h2", { id: "drawer-title" }, titleWords(title)),
          el(
            "span",
            { class: "pill", data: { source: pick.source ?? "none" } },
            el("i", { class: "sign" }),
            sourceWords(pick.source),
          ),
          el(
            "p",
            { class: "small" },
            `Policy ${pick.policy}, chance ${percent(pick.propensity)}, generation ${pick.generation}`,
          ),
        ),
      ),
      el(
        "button",
        { type: "button", class: "button icon", "aria-label": "Close", on: { click: () => this.element.close() } },
        icon("close"),
      ),
    );
    fill(this.body, el("p", { class: "quiet", role: "status" }, "Asking the workspace …"));
    if (!this.element.isConnected) document.body.append(this.element);
    if (!this.element.open) this.element.showModal();
    this.element.scrollTop = 0;
    try {
      const explanation = await explain(pick);
      if (asked !== this.asked) return;
      fill(
        this.body,
        whyNotDrawn(pick, explanation),
        artworks(explanation, pick, titles),
        features(explanation),
        steps(explanation, pick, titles),
        generations(explanation, pick, titles),
        history(pick, titles),
      );
    } catch (error) {
      if (asked !== this.asked) return;
      const { title: name, message } = /** @type {import("./api.js").Refused} */ (error);
      fill(
        this.body,
        el(
          "div",
          { class: "notice" },
          el("div", {}, el("b", {}, name ?? "This cannot be explained"), el("p", {}, message)),
        ),
        pick.source === "popularity" || pick.source === "segment"
          ? el(
              "p",
              {},
              `The service drew it ${pick.source === "segment" ? "for people alike" : "from what is popular"}: in ${percent(pick.propensity)} of such draws this artwork comes out.`,
            )
          : null,
      );
    }
  }
}

/**
 * @param {string} heading
 * @param {string | null} words
 * @param {...import("./dom.js").Child} children
 */
function section(heading, words, ...children) {
  return el(
    "section",
    { class: "why-section" },
    el("h3", {}, heading),
    words ? el("p", { class: "quiet" }, words) : null,
    ...children,
  );
}

/**
 * The explanation is of the workspace's picks; the service may have answered with something else.
 *
 * @param {Pick} pick
 * @param {Explanation} explanation
 */
function whyNotDrawn(pick, explanation) {
  if (pick.artwork_id === explanation.shown && pick.source === explanation.source) return null;
  const words =
    pick.source === "personalized"
      ? "The workspace has a newer pick than the one that the page shows."
      : "The service could not read this person's picks when the page asked, and drew from what is popular with people alike or with everybody. Below is what the person's own pick is.";
  return el("div", { class: "notice" }, words);
}

/**
 * @param {Explanation} explanation
 * @param {Pick} pick
 * @param {Titles} titles
 */
function artworks(explanation, pick, titles) {
  const { truth } = explanation;
  const sorted = [...explanation.artworks].sort(
    (one, other) => other.weight - one.weight || other.probability - one.probability,
  );
  const scale = scaleOf(explanation);
  const hasTruth = truth !== null && truth !== undefined;
  return section(
    "What was believed of each artwork",
    hasTruth
      ? "The dot is the expected take rate, the line one standard deviation to both sides. The diamond is the truth, which only the simulated world knows."
      : "The dot is the expected take rate, the line one standard deviation to both sides.",
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Artworks, scrolls sideways" },
      el(
        "table",
        { class: "table why-table", data: { table: "artworks" } },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "Artwork"),
            el("th", { scope: "col", class: "text" }, "Belief"),
            hasTruth ? el("th", { scope: "col" }, "Truth") : null,
            el("th", { scope: "col" }, explanation.variant.startsWith("thompson") ? "Wins" : "Policy"),
            explanation.previous ? el("th", { scope: "col" }, "Kept") : null,
            el("th", { scope: "col" }, "Floor"),
            el("th", { scope: "col" }, "Final chance"),
            el("th", { scope: "col" }, "Seen"),
          ),
        ),
        el(
          "tbody",
          {},
          sorted.map((artwork) => artworkRow(artwork, explanation, pick, titles, scale)),
        ),
      ),
    ),
  );
}

/**
 * @param {ExplainedArtwork} explained
 * @param {Explanation} explanation
 * @param {Pick} pick
 * @param {Titles} titles
 * @param {(value: number) => number} scale
 */
function artworkRow(explained, explanation, pick, titles, scale) {
  const artwork = titles.artwork(pick.title_id, explained.artwork_id);
  const truth = explanation.truth?.[explained.artwork_id];
  const isShown = explained.artwork_id === pick.artwork_id;
  const notes = [
    isShown ? "shown" : null,
    explanation.best === explained.artwork_id ? "truly best" : null,
    explained.new ? "new" : null,
    explanation.retired.includes(explained.artwork_id) ? "retired" : null,
  ].filter(Boolean);
  return el(
    "tr",
    {
      class: isShown ? "here" : null,
      data: {
        artwork: explained.artwork_id,
        weight: explained.weight,
        mean: explained.mean,
        deviation: explained.deviation,
        probability: explained.probability,
        floor: explained.floor,
      },
    },
    el(
      "th",
      { scope: "row" },
      el(
        "span",
        { class: "why-artwork" },
        picture(artwork, { class: "thumb", eager: true }),
        el(
          "span",
          {},
          el("span", { class: "why-name" }, artwork ? artworkWords(artwork) : explained.artwork_id),
          el("span", { class: "quiet small" }, [explained.artwork_id, ...notes].join(" · ")),
        ),
      ),
    ),
    el(
      "td",
      { class: "text" },
      belief(explained, truth, scale),
      el("span", { class: "belief-words" }, `${percent(explained.mean)} ± ${percent(explained.deviation)}`),
    ),
    explanation.truth ? el("td", {}, truth === undefined ? "–" : percent(truth)) : null,
    el("td", {}, bar(explained.probability), percent(explained.probability)),
    explanation.previous ? el("td", {}, signed(explained.stickiness)) : null,
    el("td", {}, signed(explained.floor)),
    el("td", {}, bar(explained.propensity), percent(explained.propensity)),
    el("td", {}, whole(explained.impressions)),
  );
}

/** @param {number} added what a step adds to a probability */
const signed = (added) => `${added < 0 ? "−" : "+"}${percent(Math.abs(added))}`;

/** @param {number} share */
const bar = (share) => el("span", { class: "bar", "aria-hidden": "true" }, el("span", { style: { "--share": share } }));

/**
 * @param {Explanation} explanation
 * @returns {(value: number) => number} where a take rate is on the picture of a belief
 */
function scaleOf(explanation) {
  const values = explanation.artworks.flatMap((artwork) => [
    artwork.mean - artwork.deviation,
    artwork.mean + artwork.deviation,
  ]);
  values.push(...Object.values(explanation.truth ?? {}));
  const low = Math.min(...values);
  const high = Math.max(...values);
  return (value) => 8 + ((WIDTH - 16) * (value - low)) / (high - low || 1);
}

/**
 * @param {ExplainedArtwork} artwork
 * @param {number | undefined} truth
 * @param {(value: number) => number} scale
 */
function belief(artwork, truth, scale) {
  const [low, middle, high] = [artwork.mean - artwork.deviation, artwork.mean, artwork.mean + artwork.deviation].map(
    scale,
  );
  const at = truth === undefined ? 0 : scale(truth);
  return svg(
    "svg",
    { class: "belief", viewBox: `0 0 ${WIDTH} 24`, "aria-hidden": "true" },
    svg("line", { class: "belief-ground", x1: 0, x2: WIDTH, y1: 12, y2: 12 }),
    svg("line", { class: "belief-span", x1: low, x2: high, y1: 12, y2: 12 }),
    svg("circle", { class: "belief-mean", cx: middle, cy: 12, r: 4.5 }),
    truth === undefined ? null : svg("path", { class: "belief-truth", d: `M${at} 6l5 6-5 6-5-6z` }),
  );
}

/** @param {Explanation} explanation */
function features(explanation) {
  if (!explanation.features?.length) {
    return section("What spoke for it", "This posterior knows no context: it treats everybody alike.");
  }
  const largest = Math.max(...explanation.features.map((feature) => Math.abs(feature.contribution)), 1e-9);
  return section(
    "What spoke for it, and what against",
    "The features of this person that weigh most in the score of the shown artwork.",
    el(
      "ul",
      { class: "features" },
      explanation.features.map((feature) =>
        el(
          "li",
          { class: feature.contribution < 0 ? "feature against" : "feature" },
          el("span", { class: "feature-name" }, feature.words),
          el(
            "span",
            { class: "feature-track", "aria-hidden": "true" },
            el("span", { style: { "--share": Math.abs(feature.contribution) / largest } }),
          ),
          el(
            "span",
            { class: "feature-value" },
            `${feature.contribution < 0 ? "−" : "+"}${Math.abs(feature.contribution).toFixed(3)}`,
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {Explanation} explanation
 * @param {Pick} pick
 * @param {Titles} titles
 */
function steps(explanation, pick, titles) {
  const { artworks: all, draw } = explanation;
  const isKept = explanation.instead_of !== null;
  const drawn = explanation.instead_of ?? explanation.shown;
  const best = all.reduce((one, other) => (other.score > one.score ? other : one));
  const total = draw?.total ?? 65535;
  /** @param {string} id */
  const words = (id) => {
    const artwork = titles.artwork(pick.title_id, id);
    return artwork ? artworkWords(artwork) : id;
  };
  const lines = [
    {
      name: "Score",
      words: `The posterior (${explanation.posterior}) scores every artwork for this person. Highest is ${words(best.artwork_id)}.`,
      picture: columns(all, words),
    },
    {
      name: "Probability",
      words: explanation.variant.startsWith("thompson")
        ? `The policy ${explanation.variant} gives each artwork the chance with which it is the best one.`
        : `The policy ${explanation.variant} turns scores into a chance for each artwork.`,
      picture: strip(
        all.map((artwork) => artwork.probability),
        all,
        words,
        "Win probability",
      ),
    },
    {
      name: "Floor",
      words: `Every artwork keeps a smallest chance, so that the log can judge it later. Then chances become whole weights of ${whole(total)}.`,
      picture: strip(
        all.map((artwork) => artwork.weight),
        all,
        words,
        "Final weight",
      ),
    },
    {
      name: "Draw",
      words: draw
        ? `The hash of person, title and generation (${draw.hash}) points at ${whole(draw.point)} of ${whole(total)}: ${words(drawn)}.`
        : `The draw fell on ${words(drawn)}.`,
      picture: strip(
        all.map((artwork) => artwork.weight),
        all,
        words,
        "Where the draw points",
        draw ? draw.point / total : undefined,
      ),
    },
  ];
  return section(
    "How it was chosen, step by step",
    null,
    el(
      "ol",
      { class: "steps" },
      lines.map((line) =>
        el("li", { class: "step" }, el("div", {}, el("h4", {}, line.name), el("p", {}, line.words)), line.picture),
      ),
    ),
    isKept
      ? el(
          "p",
          { class: "notice" },
          `${words(/** @type {string} */ (explanation.instead_of))} was retired since, so ${words(explanation.shown)} is shown.`,
        )
      : null,
  );
}

/**
 * Expected take rates as columns, with one standard deviation to both sides.
 *
 * @param {ExplainedArtwork[]} all
 * @param {(id: string) => string} words
 */
function columns(all, words) {
  const high = Math.max(...all.map((artwork) => artwork.mean + artwork.deviation), 1e-9);
  /** @param {number} value */
  const share = (value) => Math.min(Math.max(value / high, 0), 1);
  return el(
    "div",
    {
      class: "columns",
      role: "img",
      "aria-label": `Expected take rates: ${all.map((artwork) => `${words(artwork.artwork_id)} ${percent(artwork.mean)}`).join("; ")}`,
    },
    all.map((artwork, place) =>
      el(
        "span",
        {
          class: "column",
          title: `${artwork.artwork_id}: ${percent(artwork.mean)} ± ${percent(artwork.deviation)}`,
          style: {
            "--share": share(artwork.mean),
            "--low": share(artwork.mean - artwork.deviation),
            "--high": share(artwork.mean + artwork.deviation),
            "--colour": `var(--series-${(place % COLOURS) + 1})`,
          },
        },
        el("span", { class: "column-bar" }),
        el("span", { class: "column-name" }, artwork.artwork_id),
      ),
    ),
  );
}

/**
 * Shares as one strip; narrow parts have no letter.
 *
 * @param {number[]} parts
 * @param {ExplainedArtwork[]} all
 * @param {(id: string) => string} words
 * @param {string} name
 * @param {number} [point]
 */
function strip(parts, all, words, name, point) {
  const total = parts.reduce((sum, part) => sum + part, 0) || 1;
  let left = 0;
  return el(
    "div",
    {
      class: "strip",
      role: "img",
      "aria-label": `${name}: ${all.map((artwork, place) => `${words(artwork.artwork_id)} ${percent((parts[place] ?? 0) / total, 0)}`).join("; ")}`,
    },
    all.map((artwork, place) => {
      const share = (parts[place] ?? 0) / total;
      const part = el(
        "span",
        {
          class: "strip-part",
          title: `${artwork.artwork_id}: ${percent(share)}`,
          style: { "--left": left, "--share": share, "--colour": `var(--series-${(place % COLOURS) + 1})` },
        },
        share > 0.07 ? artwork.artwork_id : null,
      );
      left += share;
      return part;
    }),
    point === undefined ? null : el("span", { class: "strip-point", style: { "--left": point } }),
  );
}

/**
 * @param {Explanation} explanation
 * @param {Pick} pick
 * @param {Titles} titles
 */
function generations(explanation, pick, titles) {
  const earlier = [...explanation.earlier].sort((one, other) => one.generation - other.generation);
  if (earlier.length < 2) return null;
  return section(
    "Its picks over the generations",
    "Each night draws anew: the hash changes with the generation.",
    el(
      "ol",
      { class: "generations scroll", tabindex: 0, "aria-label": "Picks by generation, scrolls sideways" },
      earlier.map((one) => {
        const artwork = titles.artwork(pick.title_id, one.artwork_id);
        return el(
          "li",
          { class: one.generation === pick.generation ? "generation here" : "generation" },
          picture(artwork, { class: "thumb large" }),
          el("span", { class: "small" }, `gen. ${one.generation}`),
          el("span", { class: "unseen" }, artwork ? artworkWords(artwork) : one.artwork_id),
        );
      }),
    ),
  );
}

/**
 * What everybody saw of this title, day by day. It comes after the rest, and stays away where there is none.
 *
 * @param {Pick} pick
 * @param {Titles} titles
 */
function history(pick, titles) {
  const place = el("div", {});
  get(`/title/${encodeURIComponent(pick.title_id)}/history`)
    .then(({ days }) => {
      if (!days.length) return;
      const ids = [
        ...new Set(days.flatMap((/** @type {import("./types.js").HistoryDay} */ day) => Object.keys(day.artworks))),
      ].sort();
      place.replaceWith(
        section(
          "What everybody saw of this title",
          "Share of impressions per day: where the colours narrow, the system has learned what works.",
          el(
            "ol",
            { class: "shares" },
            days.slice(-20).map((/** @type {import("./types.js").HistoryDay} */ day) => {
              /** @type {Record<string, string>} */
              const names = {};
              let left = 0;
              return el(
                "li",
                { class: "share-day" },
                el("span", { class: "small quiet" }, day.day.slice(5)),
                el(
                  "div",
                  { class: "strip" },
                  ids.map((id, number) => {
                    const share = day.artworks[id]?.share ?? 0;
                    const artwork = titles.artwork(pick.title_id, id);
                    names[id] = artwork ? artworkWords(artwork) : id;
                    const part = el(
                      "span",
                      {
                        class: "strip-part",
                        title: `${names[id]}: ${percent(share)}`,
                        style: {
                          "--left": left,
                          "--share": share,
                          "--colour": `var(--series-${(number % COLOURS) + 1})`,
                        },
                      },
                      share > 0.09 ? id : null,
                    );
                    left += share;
                    return part;
                  }),
                ),
              );
            }),
          ),
        ),
      );
    })
    .catch(() => place.remove());
  return place;
}
