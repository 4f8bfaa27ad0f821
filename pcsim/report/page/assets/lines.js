// Lines over a clock, by uPlot: a line a column, of one trace or of several.

/** Keep a plot of lines in an element; `onClock` hears the clock's value under the pointer. */
function makeLines(place, onClock) {
  let plot = null, key = "", zoomed = false, moving = false;

  /** Draw columns of sources, `[{rows, colourOf, dash, own}]`; `own` says which of its columns is the one meant, or -1. */
  function draw(panel, sources, columns) {
    const tables = sources.map((source) => pointsOf(source.rows, columns.map(source.own), panel.logY));
    const data = tables.length === 1 ? tables[0] : uPlot.join(tables, tables.map((table) => table.map(() => 1)));
    const start = startOf(panel, data[0]);
    const lines = sources.flatMap((source) => columns.map((column) => ({ stroke: source.colourOf(column), dash: source.dash })));
    const now = JSON.stringify([panel.title, panel.logY, start, lines, dark.matches]);
    if (plot !== null && now === key) {
      plot.setData(data, !zoomed);
      return;
    }
    destroy();
    [key, zoomed] = [now, false];
    plot = new uPlot(options(panel, lines, data, start), data, place);
  }

  function options(panel, lines, data, start) {
    const grid = { stroke: styled("rule"), width: 0.5 }, stroke = styled("text");
    const axis = { stroke, grid, ticks: grid, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20 };
    const words = { values: (u, ticks) => ticks.map(tickInWords), filter: (u, ticks) => ticks };
    return {
      width: place.clientWidth || 600,
      height: 300,
      legend: { show: false },
      scales: {
        x: { time: false, distr: start > 0 ? 4 : 1, asinh: start || 1, range: (u, low, high) => clockRange(low, high) },
        y: { distr: panel.logY ? 3 : 1, range: (u, low, high) => (panel.logY ? logRange(low, high) : linearRange(low, high)) },
      },
      axes: [
        { ...axis, ...words, label: panel.x, size: 34, splits: (u, i, low, high) => clockTicks(low, high, start, ticksFor(u.data[0], low, high, u.width)) },
        {
          ...axis, ...words, label: panel.y, size: 62,
          splits: (u, i, low, high) => (panel.logY ? logTicks : linearTicks)(low, high, room(u.height, 34)),
        },
      ],
      series: [{}, ...lines.map((line, i) => ({ ...line, width: 1.5, points: { show: isSingle(data[i + 1]), size: 6 } }))],
      cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false } },
      hooks: {
        setCursor: [(u) => { if (!moving && u.cursor.idx !== null && u.cursor.left >= 0) onClock(u.data[0][u.cursor.idx]); }],
        setSelect: [(u) => { zoomed = u.select.width > 0; }],
        ready: [(u) => u.over.addEventListener("dblclick", () => { zoomed = false; })],
      },
    };
  }

  /** Put the cursor at a clock's value. */
  function point(clock) {
    if (plot === null || plot.data[0].length === 0) return;
    moving = true;
    plot.setCursor({ left: plot.valToPos(clock, "x"), top: 0 });
    moving = false;
  }

  /** Give up the plot: uPlot keeps every one that it has made until then. */
  function destroy() {
    if (plot !== null) plot.destroy();
    plot = null;
  }

  new ResizeObserver(() => {
    if (plot !== null && place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: 300 });
  }).observe(place);
  return { draw, point, destroy };
}

function isSingle(values) {
  return values.filter((value) => value !== null && value !== undefined).length === 1;
}

function clockRange(low, high) {
  if (low === null) return [0, 1];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

function logRange(low, high) {
  if (low === null) return [0.1, 1];
  const pad = Math.max(1.1, (high / low) ** 0.03);
  return [low / pad, high * pad];
}

function linearRange(low, high) {
  if (low === null) return [0, 1];
  const pad = (high - low) * 0.05 || Math.abs(low) * 0.05 || 0.5;
  return [low - pad, high + pad];
}
