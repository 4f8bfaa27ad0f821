// The live page: every second it asks its own server what has changed, and for rows that it has not got.

const PAUSE = 1000, livePlace = el("p", { class: "soft", role: "status" });
let seen = 0, asking = false;

/** Twice as many rows as a trace had when it was sent whole: then it is sent anew, thinned. */
const MOST = 4000;

/** What the page has of a trace that it draws. */
function hadOf(trace) {
  const had = (panel) => (panel.rows.x.length > Math.max(MOST, 2 * panel.whole) ? 0 : panel.rows.total);
  const rows = Object.fromEntries((trace.panels ?? []).map((panel) => [panel.id, had(panel)]));
  return { version: trace.version ?? 0, words: trace.words ?? 0, run: trace.panels === undefined ? "" : trace.run, rows };
}

async function ask() {
  if (asking) return;
  asking = true;
  try {
    const drawn = Object.fromEntries(page.shown.map((name) => [name, hadOf(page.traces.get(name))]));
    const found = await fetch(`changes${location.search}&asked=${encodeURIComponent(JSON.stringify({ seen, drawn }))}`);
    if (!found.ok) throw new Error(await found.text());
    take(await found.json());
    livePlace.textContent = `live: ${page.live}`;
  } catch (error) {
    livePlace.textContent = `not live any more (${error.message}): what was shown stays`;
  }
  asking = false;
}

/** Take in what a server says: the names of all traces, those that are new or changed, and rows of those drawn. */
function take({ version, names, traces, contents }) {
  const gone = [...page.traces.keys()].filter((name) => !names.includes(name));
  // Who has unticked all traces wants none to come by itself.
  const unticked = page.told === null && page.traces.size > 0;
  seen = version;
  for (const name of gone) page.traces.delete(name);
  page.shown = page.shown.filter((name) => page.traces.has(name));
  for (const trace of traces) page.traces.set(trace.name, { ...page.traces.get(trace.name), ...trace, run: page.traces.get(trace.name)?.run });
  for (const content of contents) takeContent(content);
  if (!page.traces.has(page.told)) page.told = page.shown[0] ?? null;
  if (page.told === null && page.traces.size > 0 && !unticked) tellOf(newest());
  else if (traces.length + gone.length + contents.length > 0) showPage();
}

function takeContent(content) {
  const had = page.traces.get(content.name);
  if (had === undefined) return;
  content.panels = content.panels.map((panel) => {
    const before = had.panels?.find((other) => other.id === panel.id), more = readRows(panel.rows);
    if (panel.rows.from > 0 && before !== undefined && more.x.length === 0) return { ...panel, rows: before.rows, whole: before.whole };
    if (panel.rows.from > 0 && before !== undefined) return { ...panel, rows: extended(before.rows, more), whole: before.whole };
    return { ...panel, rows: more, whole: more.x.length };
  });
  page.traces.set(content.name, { ...had, ...content });
}

/** A run that goes on, or whichever trace comes first. */
function newest() {
  const traces = [...page.traces.values()];
  return (traces.find((trace) => trace.status === "running") ?? traces[0]).name;
}

function goLive() {
  wordsPlace.after(livePlace);
  page.onDrawn = ask;
  ask();
  setInterval(() => { if (!document.hidden) ask(); }, PAUSE);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
}
