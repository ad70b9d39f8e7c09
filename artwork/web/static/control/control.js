// The control room: the flow, what can be pressed, and what the figures say.

import { catalogue } from "../app/api.js";
import { el, fill } from "../app/dom.js";
import { onConnection } from "../app/live.js";
import { mountShell } from "../app/shell.js";
import { armsChart, calibration, onNewDay, takeRateChart } from "../charts/day_charts.js";
import { flowPicture } from "./flow.js";
import { gatePanel } from "./gates.js";
import { generationLine } from "./generations.js";
import { ingestChart, latencyChart, showMinutes, sourcesChart } from "../charts/live_charts.js";
import { markFeed } from "./marks.js";
import { fragment, momentBar, remember } from "./moment.js";
import { pressAndTell, pressPanel } from "./presses.js";
import { reportPanel } from "./report.js";
import { started } from "./starting.js";
import { tabList } from "./tabs.js";
import { transport } from "./transport.js";
import { watchedRow } from "./watched.js";

/** @typedef {import("../app/types.js").Session} Session */
/** @typedef {import("../app/types.js").Title} Title */

const main = /** @type {HTMLElement} */ (document.querySelector("main"));

mountShell();
build();

async function build() {
  const { about, titles } = await started(main);
  const state = fragment();
  const moment = momentBar();
  const lost = el(
    "p",
    { class: "notice bad", hidden: true },
    "The demo does not answer. The figures are the last that came; the page goes on by itself when it is back.",
  );
  onConnection((connected) => {
    lost.hidden = connected;
  });
  const presses = pressPanel(about.controls, titles);
  const arms = armsChart(titles, state.get("title"), (id) => remember("title", id));
  onOtherTitles((next) => {
    presses.offer(next);
    arms.offer(next);
  });
  const live = el("div", { class: "charts charts-live" });
  const days = el("div", { class: "charts charts-days" });
  const season = el(
    "div",
    { class: "control-panel" },
    el(
      "section",
      { class: "panel", "aria-labelledby": "flow-title" },
      el("div", { class: "section-head" }, el("h2", { id: "flow-title" }, "The flow"), moment.button),
      moment.result,
      flowPicture(state.get("box"), (name) => remember("box", name)).node,
    ),
    el(
      "div",
      { class: about.controls.length ? "control-body" : "control-body alone" },
      about.controls.length ? presses.node : null,
      el(
        "div",
        { class: "control-charts" },
        about.controls.length ? markFeed(about.controls).node : null,
        watchedRow(about.service, titles).node,
        el("div", { class: "section-head" }, el("h2", {}, "Now"), minutes(state.get("minutes"))),
        live,
        gatePanel().node,
        el("div", { class: "section-head" }, el("h2", {}, "Over the days")),
        days,
      ),
    ),
  );
  const report = reportPanel();
  const health = el("div", { class: "control-panel" }, report.node);
  fill(
    main,
    el(
      "div",
      { class: "control-head" },
      el(
        "div",
        { class: "control-title" },
        el("h1", {}, "Control room"),
        el("p", { class: "quiet lead" }, sentence(about)),
      ),
      transport(about.controls).node,
    ),
    lost,
    moment.shared,
    tabList("What is shown", [
      { name: "season", words: "As it runs", panel: season },
      { name: "report", words: "Report", panel: health, open: report.read },
    ]),
    season,
    health,
  );
  const outcome = el("p", { class: "small quiet", role: "status" });
  const rollBack = about.controls.includes("roll-back")
    ? (/** @type {number} */ generation) => pressAndTell("roll-back", { generation }, outcome)
    : null;
  fill(
    live,
    [latencyChart().node, sourcesChart().node, ingestChart().node].map((chart) => panel(chart)),
    panel(el("div", {}, generationLine(rollBack).node, outcome)),
  );
  fill(days, panel(takeRateChart().node, "panel wide"), panel(arms.node), panel(calibration().node));
}

/** Titles and artworks come and go with generations and revisions. @param {(titles: Title[]) => void} change */
function onOtherTitles(change) {
  let seen = "";
  onNewDay(async ({ generation, revision }) => {
    const key = `${generation} ${revision}`;
    const isFirst = seen === "";
    if (key === seen) return;
    seen = key;
    if (isFirst) return;
    try {
      change((await catalogue()).titles);
    } catch {
      seen = `${key} failed`; // the next day asks again
    }
  });
}

/** @param {Session} about */
function sentence(about) {
  if (about.controls.length) return "Watch it learn. Then break it, and watch what people still get.";
  return "Your workspace and its service, as they are now. Nothing can be pressed here.";
}

/** @param {Node} chart */
const panel = (chart, kind = "panel") => el("div", { class: kind }, chart);

/** @param {string | null} chosen */
function minutes(chosen) {
  const buttons = [1, 2, 10].map((many) =>
    el("button", { type: "button", class: "button", on: { click: () => choose(many) } }, `${many} min`),
  );
  const choose = (/** @type {number} */ many) => {
    showMinutes(many);
    remember("minutes", String(many));
    mark(many);
  };
  const mark = (/** @type {number} */ many) =>
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String([1, 2, 10][at] === many)));
  const first = [1, 2, 10].find((many) => String(many) === chosen) ?? 2;
  showMinutes(first);
  mark(first);
  return el("div", { class: "minutes", role: "group", "aria-label": "Minutes shown" }, buttons);
}
