// One decision, real and of now: the belief about each artwork, the features that spoke, the draw.

import { get } from "../app/api.js";
import { artworkWords, titleWords } from "../app/artworks.js";
import { el } from "../app/dom.js";
import { barsChart } from "../charts/bars.js";
import { percent } from "../charts/scales.js";
import { drawStrip } from "../charts/strip.js";
import { action, part, pickOf, somePeople } from "./people.js";

/** @typedef {import("../app/types.js").Explanation} Explanation */
/** @typedef {import("../app/types.js").Title} Title */

const TRIES = 6;

/** The decision that the steps speak of; the same one until somebody asks for another. */
export class Decisions {
  /** @param {Title[]} titles */
  constructor(titles) {
    this.titles = titles.filter((title) => title.artworks.length >= 4);
    if (!this.titles.length) this.titles = titles;
    /** @type {Promise<{title: Title, explanation: Explanation}> | null} */
    this.kept = null;
  }

  /** @returns {Promise<{title: Title, explanation: Explanation}>} */
  now() {
    this.kept ??= this.draw().catch((error) => {
      this.kept = null;
      throw error;
    });
    return this.kept;
  }

  another() {
    this.kept = null;
    return this.now();
  }

  /** A person and a title that can be explained; some cannot, such as those of a new artwork. */
  async draw() {
    for (let attempt = 1; ; attempt += 1) {
      const title = pickOf(this.titles);
      const [user] = await somePeople(1);
      try {
        const path = `/explain/${encodeURIComponent(user.user_id)}/${encodeURIComponent(title.title_id)}`;
        return { title, explanation: await get(path) };
      } catch (error) {
        if (attempt === TRIES) throw error;
      }
    }
  }
}

/**
 * @param {Decisions} decisions
 * @param {string} heading
 * @param {(title: Title, explanation: Explanation) => string} sentence
 * @param {{node: Node, show: (title: Title, explanation: Explanation) => void}} view
 */
function decisionPart(decisions, heading, sentence, view) {
  const words = el("p", { class: "part-words", role: "status" }, "Asking for a decision …");
  const show = async (/** @type {Promise<{title: Title, explanation: Explanation}>} */ coming) => {
    try {
      const { title, explanation } = await coming;
      words.textContent = sentence(title, explanation);
      view.show(title, explanation);
    } catch (error) {
      words.textContent =
        `${/** @type {Error} */ (error).message} A decision can be explained once a ` + "generation is published.";
    }
  };
  show(decisions.now());
  return part(heading, words, view.node, [action("Another person and title", () => show(decisions.another()))]);
}

/** @param {Title} title @param {string} artworkId */
function nameOf(title, artworkId) {
  const artwork = title.artworks.find((one) => one.artwork_id === artworkId);
  return artwork ? artworkWords(artwork) : artworkId;
}

/** @param {Decisions} decisions */
export function beliefPart(decisions) {
  const chart = barsChart({
    title: "What is believed of each artwork",
    words: "The posterior's mean for this person, with one standard deviation to both sides.",
    nameName: "Artwork",
    valueName: "believed take rate",
    whiskerName: "one standard deviation",
    truthName: "the world's truth",
    tone: "tone-belief",
    show: (value) => percent(value),
    showTick: (value) => percent(value, 0),
    rows: 5,
    level: 4,
  });
  return decisionPart(
    decisions,
    "One decision of now",
    (title, { user_id, shown }) =>
      `For ${user_id} and “${titleWords(title) || title.title_id}”, “${nameOf(title, shown)}” was drawn.`,
    {
      node: chart.node,
      show: (title, explanation) =>
        chart.update(
          explanation.artworks.map((one) => ({
            name: nameOf(title, one.artwork_id),
            value: one.mean,
            whisker: /** @type {[number, number]} */ ([one.mean - one.deviation, one.mean + one.deviation]),
            truth: explanation.truth?.[one.artwork_id] ?? null,
            chosen: one.artwork_id === explanation.shown,
          })),
        ),
    },
  );
}

/** @param {Decisions} decisions */
export function featuresPart(decisions) {
  const chart = barsChart({
    title: "What spoke for it, and what against",
    words: "Feature times weight, for the artwork that was drawn.",
    nameName: "Feature",
    valueName: "contribution to the score",
    show: (value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(3)}`),
    tone: "tone-belief",
    empty: "This posterior has no features.",
    rows: 5,
    level: 4,
  });
  return decisionPart(
    decisions,
    "The person, in the posterior's words",
    (title, { user_id, shown, posterior }) =>
      `“${nameOf(title, shown)}” of “${titleWords(title) || title.title_id}” for ${user_id}, by the ` +
      `${posterior} posterior.`,
    {
      node: chart.node,
      show: (_title, { features }) =>
        chart.update(features.slice(0, 6).map((one) => ({ name: one.words, value: one.contribution, chosen: true }))),
    },
  );
}

/** @param {Decisions} decisions */
export function drawPart(decisions) {
  const bars = barsChart({
    title: "Score becomes probability",
    words: "Chance that this artwork is the best of the title, as the policy sees it.",
    nameName: "Artwork",
    valueName: "probability before the floor",
    show: (value) => percent(value),
    showTick: (value) => percent(value, 0),
    tone: "tone-belief",
    rows: 5,
    level: 4,
  });
  const strip = drawStrip({
    title: "The draw",
    words: "Weights with their floor, end to end. The hash of person, title and generation is the dice.",
    level: 4,
  });
  return decisionPart(
    decisions,
    "Probability, floor, draw",
    (title, { user_id, shown, shown_propensity: chance }) =>
      `${user_id} gets “${nameOf(title, shown)}” of “${titleWords(title) || title.title_id}”. Logged with it: ` +
      `propensity ${percent(chance, 2)}.`,
    {
      node: el("div", { class: "part-stack" }, bars.node, strip.node),
      show: (title, { artworks, shown, draw }) => {
        bars.update(
          artworks.map((one) => ({
            name: nameOf(title, one.artwork_id),
            value: one.probability,
            chosen: one.artwork_id === shown,
          })),
        );
        if (draw)
          strip.update(
            artworks.map((one, at) => ({
              name: nameOf(title, one.artwork_id),
              weight: draw.weights[at],
              chosen: one.artwork_id === shown,
            })),
            draw,
          );
      },
    },
  );
}
