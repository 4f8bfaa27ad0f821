// One panel of the page: lines and a heat map, a slider over the clock, and a button for every column.

const SOME = 3;

/** Make the figure of a panel; it is drawn when it is open, and on a live page when it is in sight. */
function makeFigure(id, open) {
  const heading = el("span"), size = el("small"), plot = el("div", { class: "plot" }), map = el("div", { class: "heat" });
  const slider = el("input", { type: "range", min: 0, max: 0, step: 1 }), where = el("output");
  const pair = el("div", { class: "pair" }, plot, map), chips = el("div", { class: "chips", role: "group", "aria-label": "columns" });
  const values = el("div", { class: "scroll" });
  const body = el("div", {}, pair, el("div", { class: "at" }, slider, where), chips, values);
  const root = el("details", { open, "data-panel": id }, el("summary", {}, heading, " ", size), body);
  let sources = [], panel = null, row = 0, follows = true, chipsOf = "", drawn = false, seen = !page.live, state = "";
  const lines = makeLines(plot, (clock) => go(rowAt(first().rows, clock)));
  const heat = makeHeat(map, (clock, column) => { go(rowAt(first().rows, clock)); tell(column); });

  const first = () => sources[0];
  const several = () => sources.length > 1;
  const columnsOn = () => panel.columns.map((name, i) => i).filter((i) => isOn(panel, i));

  /** Show the panel of sources, `[{trace, panel, rows, colour, dash}]`; what looks the same is not drawn again. */
  function update(given) {
    const now = JSON.stringify([[...page.off], page.chosen, page.shown.length, dark.matches, given.map(({ trace, colour }) => [trace.name, colour])]);
    const same = now === state && given.every((source, i) => source.rows === sources[i].rows);
    [sources, panel, state] = [given, given[0].panel, now];
    if (same && drawn) return;
    heading.textContent = panel.title;
    size.textContent = sizeInWords(sources);
    const last = Math.max(0, first().rows.x.length - 1);
    if (follows || row > last) row = last;
    drawn = false;
    drawIfSeen();
  }

  function drawIfSeen() {
    if (root.open && seen && panel !== null && !drawn) draw();
  }

  function draw() {
    const count = panel.columns.length;
    drawn = true;
    map.hidden = !panel.ordered || count < 2;
    root.classList.toggle("wide", !map.hidden);
    const styles = sources.map((source) => ({
      rows: source.rows,
      own: ownColumn(source),
      dash: several() ? source.dash : [],
      colourOf: (i) => (several() ? source.colour : columnColour(i, count, panel.ordered)),
    }));
    lines.draw(panel, styles, columnsOn());
    if (!map.hidden) heat.draw(panel, first().rows, several() ? first().trace.name : "");
    slider.max = String(Math.max(0, first().rows.x.length - 1));
    slider.setAttribute("aria-label", `${panel.x} in ${panel.title}`);
    showChips();
    go(row);
  }

  /** Which column of a source has the name of one of this panel. */
  function ownColumn(source) {
    return (i) => (source.panel === panel ? i : source.panel.columns.indexOf(panel.columns[i]));
  }

  /** Show which columns are on; buttons that are there stay, and with them the keyboard's focus. */
  function showChips() {
    const now = JSON.stringify([panel.columns, several(), dark.matches]);
    if (now !== chipsOf) fill(chips, ...panel.columns.map(chip), ...(panel.columns.length > SOME ? [all(true), all(false)] : []));
    chipsOf = now;
    panel.columns.forEach((name, i) => chips.children[i].setAttribute("aria-pressed", String(isOn(panel, i))));
  }

  /** Tell of a row: the slider, the cursor, and every value at that clock. */
  function go(to) {
    row = to;
    const { rows } = first(), last = rows.x.length - 1, clock = rows.x[row];
    follows = row >= last;
    slider.value = String(row);
    where.textContent = last < 0 ? "no rows" : `${panel.x} ${rowInWords(rows, row)}`;
    if (!map.hidden) heat.point(follows ? null : clock);
    if (last < 0) return;
    lines.point(clock);
    values.hidden = !several();
    if (several()) fill(values, tableAt(clock));
    else chips.querySelectorAll("b").forEach((place, i) => { place.textContent = cellInWords(rows, row, i); });
  }

  /** Say what one column holds, the one that a pointer is on. */
  function tell(column) {
    where.textContent = `${panel.x} ${rowInWords(first().rows, row)}, ${panel.columns[column]}: ${cellInWords(first().rows, row, column)}`;
  }

  function chip(name, i) {
    const colour = several() ? [] : [swatch(columnColour(i, panel.columns.length, panel.ordered))];
    const value = several() ? [] : [el("b")];
    return el("button", { type: "button", onclick: () => choose([name], !isOn(panel, i)) }, ...colour, name, ...value);
  }

  function all(on) {
    return el("button", { type: "button", onclick: () => choose(panel.columns, on) }, on ? "all" : "none");
  }

  /** Switch columns on or off; the first choice starts from what is on by itself. */
  function choose(names, on) {
    if (!page.chosen) panel.columns.forEach((name, i) => { if (!isOn(panel, i)) page.off.add(name); });
    page.chosen = true;
    names.forEach((name) => (on ? page.off.delete(name) : page.off.add(name)));
    showFigures();
  }

  /** Values of several traces at a clock, a row a trace. */
  function tableAt(clock) {
    const columns = columnsOn();
    const head = el("tr", {}, el("th", {}, `at ${clockInWords(clock)}`), ...columns.map((i) => el("th", {}, panel.columns[i])));
    const body = sources.map((source) => {
      const found = source.rows.x.length ? rowAt(source.rows, clock) : -1;
      const cells = columns.map((i) => el("td", {}, found < 0 ? "–" : cellInWords(source.rows, found, ownColumn(source)(i))));
      return el("tr", {}, el("td", {}, swatch(source.colour, source.dash), ` ${source.trace.name}`), ...cells);
    });
    return el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
  }

  slider.addEventListener("input", () => go(Number(slider.value)));
  root.addEventListener("toggle", drawIfSeen);
  if (page.live) new IntersectionObserver((found) => { seen = found.at(-1).isIntersecting; drawIfSeen(); }).observe(root);
  return { root, update, destroy: lines.destroy };
}

/** Whether a column is drawn: of several traces only some are until somebody chooses. */
function isOn(panel, i) {
  if (page.chosen || page.shown.length < 2 || panel.columns.length <= SOME) return !page.off.has(panel.columns[i]);
  const last = panel.columns.length - 1;
  return i === 0 || i === last || i === Math.floor(last / 2);
}

function sizeInWords(sources) {
  const thinned = sources.filter((source) => source.rows.x.length < source.rows.total);
  if (thinned.length === 0) return "";
  const { total, x } = thinned[0].rows;
  return `${total.toLocaleString("en")} rows, thinned to ${x.length.toLocaleString("en")}: smallest and largest values are kept`;
}
