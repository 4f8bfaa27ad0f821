// What is said of the trace that is told of: its title, how it stands, what was found.

const wordsPlace = el("header");

function showWords() {
  const trace = page.traces.get(page.told);
  document.title = trace === undefined ? "pcsim" : `${trace.title || trace.name} · pcsim`;
  fill(wordsPlace, el("h1", {}, trace === undefined ? "Traces" : trace.title || trace.name), ...(trace === undefined ? [] : said(trace)));
}

function said(trace) {
  return [
    el("p", { class: "soft" }, `${trace.name}: `, el("span", { class: trace.status }, trace.status), `, ${trace.progress}`),
    ...(trace.says ?? []).map((line) => el("p", {}, line)),
    ...(trace.findings ?? []).map((line) => el("p", { class: "finding" }, line)),
    ...(trace.notice ? [el("p", { class: "notice" }, trace.notice)] : []),
  ];
}

parts.push({ place: wordsPlace, show: showWords });
