// What passes between the page, its controller (/api) and the service (/v1). Times are ISO 8601 in UTC.

/**
 * @typedef {{demo: boolean, truth: boolean, controls: string[], service: string, workspace: string,
 *   origin: string | null, now: string, seed: number}} Session
 * `controls` are the actions that may be pressed; none for a workspace of one's own.
 *
 * @typedef {{artwork_id: string, theme: string, look: string, image_url: string | null, is_default: boolean,
 *   retired: boolean, poster: string, clickbait: boolean | null}} Artwork
 * @typedef {{title_id: string, name: string, year: number | null, genres: string[], artworks: Artwork[]}} Title
 * @typedef {{generation: number | null, revision: number, titles: Title[]}} Catalogue
 *
 * @typedef {{words: string, value: number, genre: string}} Like
 * @typedef {{user_id: string, country: string | null, device: string | null, campaign: string | null,
 *   sessions: number, likes: Like[], known: boolean}} User
 *
 * @typedef {{kind: "because" | "new" | "trending" | "genre" | "again", heading: string, title_ids: string[]}} Row
 *
 * @typedef {"personalized" | "segment" | "popularity" | "default"} Source
 * @typedef {{user_id: string, title_id: string, artwork_id: string | null, source: Source | null,
 *   policy: string | null, propensity: number | null, generation: number, revision: number,
 *   segment: string | null}} Pick
 * @typedef {{user_id: string, generation: number, picks: Pick[]}} Page
 * @typedef {{event_id: string, type: "impression" | "play", user_id: string, title_id: string, artwork_id: string,
 *   generation: number, revision: number, source: Source, segment: string | null, occurred_at: string,
 *   watch_fraction?: number}} UserEvent
 *
 * @typedef {{feature: string, value: number, weight: number, contribution: number}} Contribution
 * @typedef {{artwork_id: string, arm: number, impressions: number, new: boolean, mean: number, deviation: number,
 *   score: number, score_deviation: number, probability: number, stickiness: number, floor: number, weight: number,
 *   propensity: number, level: number, contributions: Contribution[]}} ExplainedArtwork
 * @typedef {{generation: number, artwork_id: string, arm: number, weight: number}} EarlierPick
 * @typedef {{words: string, value: number, contribution: number}} Feature
 * @typedef {{purpose: string, hash: string, total: number, point: number, weights: number[], cumulative: number[]}} Draw
 * @typedef {{user_id: string, title_id: string, generation: number, source: Source, policy: string, variant: string,
 *   posterior: string, link: string, explores: boolean, shown: string, shown_propensity: number,
 *   recorded: number | null, artworks: ExplainedArtwork[], earlier: EarlierPick[], current: number | null,
 *   instead_of: string | null, retired: string[], revision: number, truth: Record<string, number> | null,
 *   best: string | null, features: Feature[], draw: Draw | null,
 *   previous: {generation: number, artwork_id: string, share: number, margin: number} | null}} Explanation
 *
 * @typedef {{name: string, state: "fine" | "look" | "alarm" | "not known", label: string, text: string,
 *   command: string}} ReportLine
 * @typedef {{title: string, findings: ReportLine[]}} ReportSection
 * @typedef {{sentence: string, is_healthy: boolean, day: string | null, scope: string, sections: ReportSection[],
 *   again: string}} Report
 *
 * @typedef {{day: string, generation: number,
 *   artworks: Record<string, {impressions: number, take_rate: number | null, share: number}>}} HistoryDay
 *
 * @typedef {{id: string, at: string, now: string, day: number | null, kind: string, words: string,
 *   undo: string | null, effect: string | null}} Mark
 * @typedef {{day: number, generation: number, policy: string, impressions: number, take_rate: number,
 *   click_through_rate: number, uniform: number | null, best: number | null, closed: number | null,
 *   p50_ms: number | null, p99_ms: number | null, sources: Record<string, number>, rates: Record<string, number>}} Day
 * @typedef {{generation: number, seconds: number, steps: Record<string, number>}} Night
 * @typedef {{up: boolean, ready: boolean, degraded: string[], p50_ms: number | null, p99_ms: number | null,
 *   p50_between_ms: [number, number | null] | null, p99_between_ms: [number, number | null] | null,
 *   per_second: number, by_source: Record<string, number>, events_per_second: number,
 *   events_refused: number}} ServiceFigures
 * @typedef {{at: string, p50_ms: number | null, p99_ms: number | null, per_second: number,
 *   by_source: Record<string, number>}} SeriesPoint
 * @typedef {"starting" | "explore" | "visits" | "night" | "paused" | "waiting" | "over" | "served"} Phase
 * @typedef {{at: string, now: string, day: number | null, phase: Phase,
 *   step: {name: string, done: number, total: number} | null, generation: number | null, previous: number | null,
 *   revision: number, service: ServiceFigures,
 *   store: {state: "up" | "stopped" | "frozen" | "slow" | "away", memory_bytes: number | null},
 *   learned: {impressions: number, plays: number, since: number},
 *   ingest: {waiting: number, lag_seconds: number | null},
 *   days: Day[], nights: Night[], marks: Mark[], series?: SeriesPoint[]}} Live
 *
 * @typedef {{type: string, title: string, status: number, detail: string,
 *   errors?: {field: string, detail: string}[]}} ProblemDocument
 */

export {};
