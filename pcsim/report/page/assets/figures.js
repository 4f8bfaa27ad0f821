// All figures of the page: those of the traces that are drawn, the same panel of several traces in one.

const OPEN = 8;
const figures = new Map(), figuresPlace = el("section", { class: "figures", "aria-label": "figures" });

/** The traces that are drawn, each with its style. */
function drawnTraces() {
  return page.shown.map((name, i) => ({ trace: page.traces.get(name), ...traceStyle(i) })).filter(({ trace }) => trace.panels !== undefined);
}

function showFigures() {
  const sources = new Map(), told = page.told;
  const traces = drawnTraces().sort((a, b) => (b.trace.name === told) - (a.trace.name === told));
  for (const { trace, colour, dash } of traces) {
    for (const panel of trace.panels) {
      if (!sources.has(panel.id)) sources.set(panel.id, []);
      sources.get(panel.id).push({ trace, panel, rows: panel.rows, colour, dash });
    }
  }
  for (const [id, figure] of figures) {
    if (sources.has(id)) continue;
    figure.destroy();
    figure.root.remove();
    figures.delete(id);
  }
  for (const id of sources.keys()) {
    if (!figures.has(id)) figures.set(id, makeFigure(id, figures.size < OPEN));
  }
  const roots = [...sources.keys()].map((id) => figures.get(id).root);
  if (roots.some((root, i) => figuresPlace.children[i] !== root)) fill(figuresPlace, ...roots);
  for (const [id, given] of sources) figures.get(id).update(given);
}

dark.addEventListener("change", () => showPage());
parts.push({ place: figuresPlace, show: showFigures });
