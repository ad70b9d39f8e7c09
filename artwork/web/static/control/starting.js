// The session and the titles, as soon as there are any: a demo that starts makes its data first.

import { catalogue, session } from "../app/api.js";
import { el } from "../app/dom.js";
import { onLive } from "../app/live.js";

const AGAIN_MS = 1500;

/**
 * Wait for the first titles, with words on the page that say for what.
 * @param {HTMLElement} main
 * @returns {Promise<{about: import("../app/types.js").Session, titles: import("../app/types.js").Title[]}>}
 */
export async function started(main) {
  const waiting = el("p", { class: "notice", role: "status" }, "Making ready …");
  main.append(waiting);
  const ended = onLive((live) => {
    if (live.phase !== "starting") return;
    waiting.textContent = `The demo is starting${live.step ? `: ${live.step.name}` : ""}. This page opens by itself.`;
  });
  for (;;) {
    try {
      const [about, { titles }] = await Promise.all([session(), catalogue()]);
      if (titles.length && about.service) {
        ended();
        waiting.remove();
        return { about, titles };
      }
    } catch (error) {
      waiting.textContent = `${/** @type {Error} */ (error).message} Trying again.`;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
