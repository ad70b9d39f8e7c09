// Scales, ticks and the ways in which numbers are written.

/**
 * A straight scale from a domain of values to a range of pixels.
 * @param {[number, number]} domain
 * @param {[number, number]} range
 * @returns {(value: number) => number}
 */
export function linear([low, high], [start, end]) {
  const factor = high === low ? 0 : (end - start) / (high - low);
  return (value) => start + (value - low) * factor;
}

/**
 * Round values that divide a domain into about `count` parts.
 * @param {number} low
 * @param {number} high
 * @param {number} [count]
 * @returns {number[]}
 */
export function ticks(low, high, count = 4) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((part) => part * power >= rough * 0.999) ?? 10);
  const values = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-9; place += 1) {
    values.push(Number((place * step).toPrecision(12)));
  }
  return values;
}

/**
 * The smallest round value that is at least `value`, so that an axis does not move with every figure.
 * @param {number} value
 * @returns {number}
 */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((part) => part * power >= value * 0.9999) ?? 10);
}

const EMPTY = "–";

/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A count, its thousands apart. @param {number | null | undefined} value */
export function count(value) {
  return isNumber(value) ? Math.round(value).toLocaleString("en") : EMPTY;
}

/** A large count in few signs: 20 M, 3.9 G. @param {number | null | undefined} value */
export function short(value) {
  if (!isNumber(value)) return EMPTY;
  return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

/** A share as a percentage. @param {number | null | undefined} value @param {number} [digits] */
export function percent(value, digits = 1) {
  return isNumber(value) ? `${(value * 100).toFixed(digits)} %` : EMPTY;
}

/** Milliseconds with three significant digits. @param {number | null | undefined} value */
export function milliseconds(value) {
  if (!isNumber(value)) return EMPTY;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** Seconds, or minutes where there are many. @param {number | null | undefined} value */
export function seconds(value) {
  if (!isNumber(value)) return EMPTY;
  return value < 120 ? `${value.toFixed(value < 10 ? 1 : 0)} s` : `${(value / 60).toFixed(0)} min`;
}

/** Bytes in binary units. @param {number | null | undefined} value */
export function bytes(value) {
  if (!isNumber(value)) return EMPTY;
  let number = value;
  for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
    if (number < 1024) return `${number.toFixed(number < 10 && unit !== "B" ? 1 : 0)} ${unit}`;
    number /= 1024;
  }
  return `${number.toFixed(1)} PiB`;
}

/** A time of day, of the clock on the wall. @param {number} milliseconds since 1970 */
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString("en-GB");
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
