// The two places that the page asks: its controller, at its own address, and the service.

/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./types.js").Catalogue} Catalogue */
/** @typedef {import("./types.js").User} User */
/** @typedef {import("./types.js").UserEvent} UserEvent */

const PATIENCE_MS = 20_000;

/** A request that was refused or had no answer. `status` is 0 where nothing answered. */
export class Refused extends Error {
  /**
   * @param {string} title
   * @param {string} detail
   * @param {number} status
   */
  constructor(title, detail, status) {
    super(detail);
    this.name = "Refused";
    this.title = title;
    this.status = status;
  }
}

/**
 * @param {string} address
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    const place = new URL(address, location.href);
    throw new Refused("No answer", `${place.host} does not answer. Is it still running?`, 0);
  }
  const type = answer.headers.get("content-type") ?? "";
  const body = type.includes("json") ? await answer.json() : null;
  if (answer.ok) return body;
  throw new Refused(
    body?.title ?? answer.statusText,
    body?.detail ?? `The answer was ${answer.status}.`,
    answer.status,
  );
}

/**
 * Ask the controller.
 *
 * @param {string} path below /api, such as "/session"
 * @param {AbortSignal} [signal]
 */
export function get(path, signal) {
  return ask(`/api${path}`, signal ? { signal } : {});
}

/**
 * Press a button of the controller.
 *
 * @param {string} action
 * @param {Record<string, unknown>} [values]
 * @returns {Promise<import("./types.js").Mark>}
 */
export function press(action, values = {}) {
  return ask(`/api/control/${encodeURIComponent(action)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
}

/** @type {Promise<Session> | null} */
let kept = null;

/**
 * The session, asked once; one without a service, while the demo starts, is asked for again.
 *
 * @returns {Promise<Session>}
 */
export async function session() {
  const asked = (kept ??= get("/session"));
  try {
    const answer = await asked;
    if (!answer.service) kept = null;
    return answer;
  } catch (error) {
    kept = null;
    throw error;
  }
}

/** @returns {Promise<Catalogue>} */
export const catalogue = () => get("/catalogue");

/**
 * Signals of a user whom the service may not know.
 *
 * @param {User} user
 * @returns {[string, string][]}
 */
function signalsOf(user) {
  /** @type {[string, string][]} */
  const signals = [];
  if (user.country) signals.push(["country", user.country]);
  if (user.device) signals.push(["device", user.device]);
  if (user.campaign) signals.push(["campaign", user.campaign]);
  if (!user.known) signals.push(["hour", String(new Date().getUTCHours())]);
  return signals;
}

/**
 * One page call, straight to the service, and how long it took as the page sees it.
 *
 * @param {string} service
 * @param {User} user
 * @param {string[]} titleIds at most 200
 * @param {AbortSignal} [signal]
 * @returns {Promise<{page: import("./types.js").Page, ms: number}>}
 */
export async function lookUp(service, user, titleIds, signal) {
  const query = new URLSearchParams([...titleIds.map((id) => ["title_id", id]), ...signalsOf(user)]);
  const address = `${service}/v1/users/${encodeURIComponent(user.user_id)}/artwork?${query}`;
  const began = performance.now();
  const page = await ask(address, signal ? { signal } : {});
  return { page, ms: performance.now() - began };
}

/**
 * Send events, once more with the same ids while the service asks for patience.
 *
 * @param {string} service
 * @param {UserEvent[]} events
 * @returns {Promise<number>} how many were stored
 */
export async function send(service, events) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      // Without a JSON content type a browser does not ask beforehand whether it may: one request instead of two.
      const stored = await ask(`${service}/v1/events`, { method: "POST", body: JSON.stringify(events) });
      return stored.accepted;
    } catch (error) {
      const wait = error instanceof Refused && (error.status === 503 || error.status === 0);
      if (!wait || attempt === 3) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
