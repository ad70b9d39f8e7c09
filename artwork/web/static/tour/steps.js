// The eight steps: what is told, and the live part that it is told beside.

import { el } from "../app/dom.js";
import { calibration, takeRateChart } from "../charts/day_charts.js";
import { latencyChart, sourcesChart } from "../charts/live_charts.js";
import { pressAndTell } from "../control/presses.js";
import { watchedRow } from "../control/watched.js";
import { beliefPart, Decisions, drawPart, featuresPart } from "./decision.js";
import { costTable, nightChart, scaleFigures, timedHere } from "./figures.js";
import { action, newPerson, part, sameTitle } from "./people.js";

/** @typedef {import("../app/types.js").Session} Session */
/** @typedef {import("../app/types.js").Title} Title */
/**
 * @typedef {object} Step
 * @property {string} short its name in the progress bar
 * @property {string} title
 * @property {string[]} words paragraphs
 * @property {string} look what to look at in the live part
 * @property {() => Node[]} live
 */

/** @param {Session} about @param {Title[]} titles @returns {Step[]} */
export function steps(about, titles) {
  const decisions = new Decisions(titles);
  return [
    {
      short: "Problem",
      title: "Which picture makes you look twice?",
      words: [
        "Somebody who opens a streaming service gives each title about a second. The picture decides. A title " +
          "has 3 to 20 artworks, and what draws one person leaves another cold.",
        "The published size: 260 million members, some 15 thousand titles in a market, over 20 million artwork " +
          "requests a second at peak. Each must be answered in milliseconds, and never with an error because a " +
          "database is away.",
      ],
      look: "The same title, asked for by six people, straight from the service.",
      live: () => [sameTitle(about.service, titles), scaleFigures(titles)],
    },
    {
      short: "Bandit",
      title: "A decision, again and again",
      words: [
        "For each person and title one artwork is chosen: the arms are the artworks, the context is the person. " +
          "The reward is an engaged play, begun and at least 70 % watched. A click is not enough: clickbait is " +
          "clicked, and left.",
        "Only what is shown is learned from. Always showing the best so far can be wrong for ever, so the " +
          "system has to weigh what it knows against what it might learn. That is a contextual bandit.",
      ],
      look: about.truth
        ? "What the system believes of each artwork, how sure it is, and the truth that only the simulated world knows."
        : "What the system believes of each artwork, and how sure it is.",
      live: () => [beliefPart(decisions)],
    },
    {
      short: "Features",
      title: "What is known of you",
      words: [
        "The context is a short vector: what somebody has watched, by theme, and signals such as country, " +
          "device and hour. Each artwork has its own weights on it, or shares them with artworks of the same " +
          "theme and look.",
        "The posterior keeps two things per artwork: the weights, and the precision with which they are known. " +
          "For a linear posterior both are sums over impressions, so a day is added and an old one fades without " +
          "a refit.",
      ],
      look: "The features that spoke loudest for one pick, in words.",
      live: () => [featuresPart(decisions)],
    },
    {
      short: "Exploration",
      title: "Chance, on purpose and on record",
      words: [
        "Thompson sampling shows each artwork as often as it is likely to be the best: much is tried while " +
          "little is known, less later. A floor of 2 % keeps every artwork in the game, and new ones get more.",
        "The chance of what was shown is logged with it, to the last bit. It buys two things: learning that is " +
          "not biased by our own choices, and an honest answer to “what would another policy have earned?” " +
          "without running it.",
      ],
      look: "Score, probability, floor, draw: one decision, with the point its hash fell on.",
      live: () => [drawPart(decisions)],
    },
    {
      short: "Speed",
      title: "Think at night, look up by day",
      words: [
        "Nothing is computed while somebody waits. A nightly job learns, draws one pick for each person and " +
          "title, packs each person's picks into one row of two or three bytes a pick, checks the whole at a " +
          "gate, and flips one key.",
        "A look-up then reads one row. The budget is 5 ms at the 99th percentile; the figures here are this " +
          "machine's, while it also plays the visitors.",
      ],
      look: "Times of the last minutes against the limit. Time it from your browser, too.",
      live: () => [
        el("div", { class: "part" }, latencyChart(3).node),
        timedHere(about.service, titles),
        el("div", { class: "part" }, nightChart()),
      ],
    },
    {
      short: "Cold start",
      title: "Somebody, or something, new",
      words: [
        "There is no row for a new person. The service then draws from weights of people alike, by country, " +
          "device and hour; then from what everybody takes; at last it shows the title's default. It says which " +
          "in the answer, with the propensity, so that it is learned from.",
        "New artwork is in the catalogue within two polls and starts with a floor of its own and a pessimistic " +
          "prior. Retired artwork is gone as fast, with no night in between.",
      ],
      look: "A row for somebody who did not exist a moment ago.",
      live: () => [newPerson(about.service, titles)],
    },
    {
      short: "Evaluation",
      title: "Is it any good?",
      words: [
        "Three answers. Live: takes per impression beside a uniform choice. Offline: the propensities in the " +
          "log let any policy be estimated before it runs. And calibration: what was predicted, against what " +
          "came.",
        about.truth
          ? "Here there is a fourth, which no real service has: the simulated world knows what is best for " +
            "everybody. The gap between uniform and that best is what can be won."
          : "Your own workspace has no simulated truth: what the best choice would have earned is not known here.",
      ],
      look: "The climb from uniform towards the best, a point a day.",
      live: () => [
        ...(about.demo ? [el("div", { class: "part" }, takeRateChart(3).node)] : []),
        el("div", { class: "part" }, calibration(3).node),
      ],
    },
    {
      short: "Failure, cost",
      title: "What breaks, and what it costs",
      words: [
        "The store dies, hangs, or slows down: the answer comes at its deadline, from the segment or from popularity, and says so. " +
          "Events are refused for a while and visitors keep them. A publisher dies: the old generation serves on. " +
          "A broken generation stops at the gate.",
        "At 260 million members each person gets a shortlist, and the rows a cluster of stores. The bill below " +
          "multiplies what this machine shows now, while it plays the visitors too: an upper bound.",
      ],
      look: about.controls.includes("store-stop")
        ? "Stop the store: the pictures stay, their source changes. Then bring it back."
        : "What one person gets, asked for again and again.",
      live: () => [breaking(about, titles), el("div", { class: "part" }, sourcesChart(3).node), costTable()],
    },
  ];
}

/**
 * What one person gets all the while, with the store's buttons where there are any, and the picks by source.
 * @param {Session} about
 * @param {Title[]} titles
 */
function breaking(about, titles) {
  const outcome = el("p", { class: "part-words", role: "status" }, "The service answers all the while.");
  const may = (/** @type {string} */ name) => about.controls.includes(name);
  const actions = [
    may("store-stop") ? action("Stop the store", () => pressAndTell("store-stop", {}, outcome)) : null,
    may("store-back") ? action("Bring it back", () => pressAndTell("store-back", {}, outcome)) : null,
  ].filter((one) => one !== null);
  return part("Break it", outcome, watchedRow(about.service, titles, 4).node, actions);
}
