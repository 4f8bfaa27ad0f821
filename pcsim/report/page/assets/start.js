// Read what the page holds, and show it.

const DRAWN = 8;

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  page.live = data.live ?? false;
  for (const trace of data.traces) {
    for (const panel of trace.panels) panel.rows = readRows(panel.rows);
    page.traces.set(trace.name, trace);
  }
  page.shown = data.traces.slice(0, DRAWN).map((trace) => trace.name);
  page.told = page.shown[0] ?? null;
  document.body.append(...parts.map(({ place }) => place), el("footer", { class: "soft" }, `pcsim ${data.version}`));
  showPage();
  if (page.live) goLive();
}

start();
