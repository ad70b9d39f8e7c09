// Artworks as pictures and in words.

import { el } from "./dom.js";

/** @typedef {import("./types.js").Title} Title */
/** @typedef {import("./types.js").Artwork} Artwork */
/** @typedef {import("./types.js").Catalogue} Catalogue */

/** The titles of a catalogue by their id. */
export class Titles {
  /** @param {Catalogue} catalogue */
  constructor(catalogue) {
    this.generation = catalogue.generation;
    this.revision = catalogue.revision;
    /** @type {Map<string, Title>} */
    this.byId = new Map(catalogue.titles.map((title) => [title.title_id, title]));
  }

  /** @param {string} titleId */
  of(titleId) {
    return this.byId.get(titleId);
  }

  /**
   * @param {string} titleId
   * @param {string | null} artworkId
   * @returns {Artwork | undefined}
   */
  artwork(titleId, artworkId) {
    return this.byId.get(titleId)?.artworks.find((artwork) => artwork.artwork_id === artworkId);
  }
}

/** @param {Artwork} artwork */
export function artworkWords(artwork) {
  const theme = artwork.theme === "general" ? "no theme" : artwork.theme;
  return `${theme}, ${artwork.look.replace("_", " ")}`;
}

/** @param {Title} title */
export function titleWords(title) {
  const moved = /^(.+), (The|A|An)$/.exec(title.name);
  return moved ? `${moved[2]} ${moved[1]}` : title.name;
}

/**
 * The picture of an artwork. It says nothing to a screen reader: whatever it stands in has words.
 *
 * @param {Artwork | undefined} artwork
 * @param {{eager?: boolean, class?: string}} [options]
 */
export function picture(artwork, options = {}) {
  const image = /** @type {HTMLImageElement} */ (
    el("img", {
      class: options.class ?? "poster",
      alt: "",
      width: 240,
      height: 360,
      decoding: "async",
      loading: options.eager ? "eager" : "lazy",
      draggable: "false",
      referrerpolicy: "no-referrer",
    })
  );
  if (!artwork) {
    image.classList.add("missing");
    return image;
  }
  if (artwork.image_url) {
    image.addEventListener("error", () => (image.src = artwork.poster), { once: true });
    image.src = artwork.image_url;
  } else {
    image.src = artwork.poster;
  }
  return image;
}
