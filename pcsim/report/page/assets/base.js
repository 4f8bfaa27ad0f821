// What everything else uses: elements, numbers in words, and what the page is showing.

/** Make an element; texts, whoever wrote them, only ever become text. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true || value === false) made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Put children in the place of those that an element has. */
function fill(element, ...children) {
  element.replaceChildren(...children);
  return element;
}

/** A number as it is read: four digits. */
function inWords(value) {
  if (!Number.isFinite(value)) return value === undefined ? "–" : String(value);
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(4)));
  return value.toExponential(3);
}

/** A clock's value: whole numbers with all their digits. */
function clockInWords(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : inWords(value);
}

/** What the page shows: traces by name, those that are drawn, the one that is told of, columns switched off. */
const page = { traces: new Map(), shown: [], told: null, off: new Set(), chosen: false, filter: "", live: false, onDrawn: () => {} };

/** The parts of the page from top to bottom, `[{place, show}]`; `show` brings one up to date. */
const parts = [];

function showPage() {
  for (const { show } of parts) show();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
