// The tables of the trace that is told of, its scenario, versions and machine.

const tablesPlace = el("section", { "aria-label": "tables" }), aboutPlace = el("section", { "aria-label": "scenario and machine" });

function showTables() {
  fill(tablesPlace, ...(page.traces.get(page.told)?.tables ?? []).flatMap(tableOf));
}

function tableOf({ title, head, rows }) {
  const cells = (tag, row) => row.map((text) => el(tag, {}, text));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...cells("th", head))), el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells("td", row)))));
  return [el("h2", {}, title), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table)];
}

let told = "";

/** Show scenario and machine; what has not changed stays, and with it what somebody has selected. */
function showAbout() {
  const trace = page.traces.get(page.told);
  if (trace?.facts === undefined) return void fill(aboutPlace);
  const now = JSON.stringify([trace.name, trace.scenario, trace.facts]);
  if (now === told) return;
  told = now;
  const text = el("pre", { tabindex: "0" }, trace.scenario);
  const button = el("button", { type: "button", onclick: () => copy(trace.scenario, text, button) }, "copy");
  const facts = trace.facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  fill(aboutPlace, ...(trace.scenario ? [el("h2", {}, "Scenario ", button), text] : []), el("h2", {}, "Versions and machine"), el("dl", {}, ...facts));
}

async function copy(text, place, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    // A browser may forbid it: what is selected can be copied by hand.
    getSelection().selectAllChildren(place);
    button.textContent = "selected: copy it with Ctrl-C";
  }
}

parts.push({ place: tablesPlace, show: showTables }, { place: aboutPlace, show: showAbout });
