// Several traces: which are drawn, which is told of, in which keys of their scenarios they differ.

const listPlace = el("section", { "aria-label": "traces" });
const search = el("input", { type: "search", placeholder: "filter: key=value, or a word", "aria-label": "filter traces", list: "keys" });
const keys = el("datalist", { id: "keys" }), listTable = el("div", { class: "scroll" }), listCount = el("p", { class: "soft" });
const MOST_KEYS = 6;

search.addEventListener("input", () => { page.filter = search.value; showList(); });

/** Whether a trace fits every word of the filter: `key=value` of its scenario, or a part of its name, title or status. */
function fits(trace) {
  return page.filter.toLowerCase().split(/\s+/).filter(Boolean).every((word) => {
    const [key, value] = word.split("=", 2);
    if (value === undefined) return [trace.name, trace.title, trace.status].some((text) => text.toLowerCase().includes(word));
    return Object.entries(trace.settings).some(([name, found]) => name.toLowerCase().endsWith(key) && found.toLowerCase().startsWith(value));
  });
}

/** The keys in which scenarios of traces differ. */
function differing(traces) {
  const names = new Set(traces.flatMap((trace) => Object.keys(trace.settings)));
  return [...names].filter((name) => name !== "title" && new Set(traces.map((trace) => trace.settings[name])).size > 1);
}

function showList() {
  const traces = [...page.traces.values()];
  listPlace.hidden = traces.length < 2 && !page.live;
  if (listPlace.hidden) return;
  const different = differing(traces), found = traces.filter(fits), columns = different.slice(0, MOST_KEYS);
  const pairs = new Set(different.flatMap((name) => traces.map((trace) => `${name}=${trace.settings[name] ?? ""}`)));
  if (keys.childElementCount !== pairs.size) fill(keys, ...[...pairs].map((pair) => el("option", { value: pair })));
  const head = ["drawn", "trace", "status", "", ...columns].map((word) => el("th", {}, word));
  const table = el("table", { class: "texts" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...found.map((trace) => listRow(trace, columns))));
  const focus = document.activeElement?.dataset?.row;
  fill(listTable, table);
  if (focus !== undefined) listTable.querySelector(`[data-row="${CSS.escape(focus)}"]`)?.focus();
  listCount.textContent = found.length < traces.length ? `${found.length} of ${traces.length} traces` : `${traces.length} traces`;
}

function listRow(trace, columns) {
  const drawn = page.shown.indexOf(trace.name), style = traceStyle(Math.max(0, drawn));
  const box = el("input", { type: "checkbox", "aria-label": `draw ${trace.name}`, "data-row": `box ${trace.name}`, onchange: () => toggle(trace.name) });
  box.checked = drawn >= 0;
  const told = el("button", { type: "button", "data-row": `told ${trace.name}`, onclick: () => tellOf(trace.name) }, trace.name);
  const mark = drawn >= 0 && page.shown.length > 1 ? [swatch(style.colour, style.dash), " "] : [];
  return el(
    "tr", { "aria-current": String(trace.name === page.told) },
    el("td", {}, box, " ", ...mark), el("td", {}, told), el("td", { class: trace.status }, trace.status), el("td", {}, trace.progress),
    ...columns.map((name) => el("td", {}, brief(trace.settings[name] ?? "–"))),
  );
}

function brief(text) {
  return text.length > 28 ? `${text.slice(0, 27)}…` : text;
}

function toggle(name) {
  page.shown = page.shown.includes(name) ? page.shown.filter((other) => other !== name) : [...page.shown, name];
  if (!page.shown.includes(page.told)) page.told = page.shown[0] ?? null;
  showPage();
  page.onDrawn();
}

function tellOf(name) {
  page.told = name;
  if (!page.shown.includes(name)) page.shown = [...page.shown, name];
  showPage();
  page.onDrawn();
}

listPlace.append(el("h2", {}, "Traces"), el("p", {}, search, keys), listTable, listCount);
parts.push({ place: listPlace, show: showList });
