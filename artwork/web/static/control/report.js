// The report of the workspace as `artwork report` says it: whether it is healthy, what needs somebody, and every figure.

import { get } from "../app/api.js";
import { el, fill } from "../app/dom.js";

/** @typedef {import("../app/types.js").Report} Report */
/** @typedef {import("../app/types.js").ReportSection} ReportSection */
/** @typedef {import("../app/types.js").ReportLine} ReportLine */

const PATIENCE_MS = 120_000; // the first report of a large workspace reads every night of its log

export function reportPanel() {
  const told = el("p", { class: "small quiet", role: "status" });
  const again = el("button", { type: "button", class: "button", on: { click: () => read() } }, "Read again");
  const body = el("div", { class: "report-body" });
  let busy = false;

  async function read() {
    if (busy) return;
    busy = true;
    again.setAttribute("aria-busy", "true");
    told.textContent = "Reading the workspace …";
    try {
      const report = /** @type {Report} */ (await get("/report", AbortSignal.timeout(PATIENCE_MS)));
      fill(body, ...drawn(report));
      told.textContent = report.scope;
    } catch (error) {
      const before = body.childElementCount ? " Below is the last that could be read." : "";
      told.textContent = `${/** @type {Error} */ (error).message}${before}`;
    } finally {
      busy = false;
      again.removeAttribute("aria-busy");
    }
  }

  const node = el(
    "section",
    { class: "panel report", "aria-labelledby": "report-title" },
    el("div", { class: "section-head" }, el("h2", { id: "report-title" }, "Is it healthy?"), again),
    told,
    body,
  );
  return { node, read };
}

/** @param {Report} report */
function drawn(report) {
  return [
    el("p", { class: report.is_healthy ? "report-verdict" : "report-verdict bad" }, report.sentence),
    ...report.sections.flatMap(section),
    el("p", { class: "small quiet" }, "The same in a terminal: ", el("code", {}, report.again)),
  ];
}

/** @param {ReportSection} one */
const section = (one) => [el("h3", {}, one.title), el("dl", { class: "report-lines" }, one.findings.flatMap(line))];

/** @param {ReportLine} one */
function line(one) {
  const needs = one.state === "look" || one.state === "alarm";
  return [
    el("dt", {}, one.name, one.label && el("span", { class: needs ? "report-state bad" : "report-state" }, one.label)),
    el("dd", {}, one.text, one.command ? el("code", {}, one.command) : null),
  ];
}
