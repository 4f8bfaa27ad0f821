// Colours that people of any colour vision tell apart: viridis for layers, Okabe and Ito's for traces.

const VIRIDIS = ["440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26", "fde725"]
  .map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
const ON_LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const ON_DARK = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442"];
const DASHES = [[], [8, 4], [2, 3], [10, 4, 2, 4]];

/** Red, green and blue of viridis at a place from 0 to 1. */
function viridis(place) {
  const scaled = Math.min(Math.max(place, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(scaled), VIRIDIS.length - 2);
  return VIRIDIS[i].map((value, c) => Math.round(value + (VIRIDIS[i + 1][c] - value) * (scaled - i)));
}

/** One of Okabe and Ito's colours, again from the first after the last. */
function okabeIto(i) {
  return (dark.matches ? ON_DARK : ON_LIGHT)[i % ON_LIGHT.length];
}

/** The colour of a column among others, input to output; both ends stand out from the page. */
function columnColour(i, count, ordered) {
  if (!ordered) return okabeIto(i);
  const place = count > 1 ? i / (count - 1) : 0.5;
  return `rgb(${viridis(dark.matches ? 0.3 + 0.7 * place : 0.85 * place).join(" ")})`;
}

/** The colour and the dashes of a trace among those that are drawn. */
function traceStyle(i) {
  return { colour: okabeIto(i), dash: DASHES[(i + Math.floor(i / ON_LIGHT.length)) % DASHES.length] };
}

/** A colour of the style sheet, as a canvas takes it. */
function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A short line in a colour, beside a name. */
function swatch(colour, dash = []) {
  const made = el("span", { class: "swatch" });
  const [on, space] = dash.length ? [dash[0], dash[1]] : [1, 0];
  made.style.background = `repeating-linear-gradient(90deg, ${colour} 0 ${on}px, transparent ${on}px ${on + space}px)`;
  return made;
}
