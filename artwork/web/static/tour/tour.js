// The tour: eight steps, each beside a live part of the page. The address holds the step, so that it can be resumed.

import { dress, el, fill, icon, say } from "../app/dom.js";
import { mountShell } from "../app/shell.js";
import { started } from "../control/starting.js";
import { steps } from "./steps.js";

/** @typedef {import("./steps.js").Step} Step */

const MINUTES = 5;
const main = /** @type {HTMLElement} */ (document.querySelector("main"));

mountShell();
build();

async function build() {
  const { about, titles } = await started(main);
  const all = steps(about, titles);
  /** @type {Map<Step, HTMLElement>} what was built stays, so that going back shows the same */
  const built = new Map();
  let at = fromAddress(all.length);

  const tabs = all.map((step, place) =>
    el(
      "button",
      { type: "button", class: "tour-tab", on: { click: () => go(place) } },
      el("span", { class: "tour-number" }, String(place + 1)),
      el("span", { class: "tour-short" }, step.short),
    ),
  );
  const stage = el("div", { class: "tour-stage" });
  const position = el("p", { class: "quiet small tour-position" });
  const back = el("button", { type: "button", class: "button", on: { click: () => go(at - 1) } }, icon("left"), "Back");
  const next = el("button", {
    type: "button",
    class: "button main",
    on: { click: () => (at + 1 < all.length ? go(at + 1) : location.assign("/control")) },
  });

  fill(
    main,
    el("h1", { class: "unseen" }, "Tour"),
    el(
      "nav",
      { class: "tour-progress", "aria-label": "Steps of the tour" },
      el(
        "ol",
        {},
        tabs.map((tab) => el("li", {}, tab)),
      ),
    ),
    stage,
    el("div", { class: "tour-foot" }, back, position, next),
  );
  show(false);

  window.addEventListener("hashchange", () => {
    const wanted = fromAddress(all.length);
    if (wanted !== at) {
      at = wanted;
      show(true);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || isBusy(event.target)) return;
    const wanted =
      { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key] ??
      (/^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null);
    if (wanted === null || wanted < 0 || wanted >= all.length) return;
    event.preventDefault();
    go(wanted);
  });

  /** @param {number} place */
  function go(place) {
    if (place < 0 || place >= all.length) return;
    at = place;
    history.pushState(null, "", `#step=${at + 1}`);
    show(true);
  }

  /** @param {boolean} moved whether somebody moved here, rather than opened the page */
  function show(moved) {
    const step = all[at];
    const section = built.get(step) ?? stepSection(step, at);
    built.set(step, section);
    fill(stage, section);
    tabs.forEach((tab, place) => {
      dress(tab, { "data-done": String(place < at) });
      if (place === at) tab.setAttribute("aria-current", "step");
      else tab.removeAttribute("aria-current");
    });
    tabs[at].scrollIntoView({ block: "nearest", inline: "center" });
    position.textContent =
      `Step ${at + 1} of ${all.length} · ${MINUTES} minutes in all · arrow keys or 1 to ` + `${all.length}`;
    back.toggleAttribute("disabled", at === 0);
    fill(next, at + 1 < all.length ? "Next" : "To the control room", icon("right"));
    document.title = `${step.title} · Tour · artwork-bandit`;
    if (moved) {
      window.scrollTo({ top: 0 });
      /** @type {HTMLElement} */ (section.querySelector("h2")).focus({ preventScroll: true });
      say(`Step ${at + 1} of ${all.length}`);
    }
  }
}

/** @param {Step} step @param {number} at */
function stepSection(step, at) {
  return el(
    "section",
    { class: "tour-step", "aria-labelledby": `tour-title-${at}` },
    el(
      "div",
      { class: "tour-told" },
      el("p", { class: "tour-kicker" }, `${at + 1} · ${step.short}`),
      el("h2", { id: `tour-title-${at}`, tabindex: "-1" }, step.title),
      step.words.map((words) => el("p", {}, words)),
      el("p", { class: "tour-look" }, icon("right"), el("span", {}, step.look)),
    ),
    el("div", { class: "tour-live panel" }, step.live()),
  );
}

/** @param {number} many */
function fromAddress(many) {
  const step = Number(new URLSearchParams(location.hash.slice(1)).get("step"));
  return Number.isInteger(step) && step >= 1 && step <= many ? step - 1 : 0;
}

/** Whether a key belongs to what has the focus. @param {EventTarget | null} target */
function isBusy(target) {
  return target instanceof Element && target.closest("input, select, textarea, [role=slider], .scroll") !== null;
}
