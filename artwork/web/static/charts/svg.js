// SVG elements, built without any markup in strings, so that names of titles are never read as code.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An SVG element with attributes and children; a text child is shown as text.
 * @param {string} tag
 * @param {Record<string, string | number | null | undefined>} [attributes] those that are null are left out
 * @param {(Node | string)[]} [children]
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, children = []) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * A path through points; it is interrupted where y is null.
 * @param {[number, number | null][]} points
 * @returns {string}
 */
export function pathThrough(points) {
  let path = "";
  let pen = "M";
  for (const [x, y] of points) {
    if (y === null) {
      pen = "M";
    } else {
      path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
  }
  return path;
}
