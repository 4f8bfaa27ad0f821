// Rows of numbers as a page carries them. A row stands for the clock from `x` to `until`: a single recorded row, or a
// stretch of them with the smallest (`low`) and the largest (`high`) value of each column.

/** Read numbers: JSON has none for NaN, which is null, and for infinity, which is its name. */
function numbers(list) {
  return Float64Array.from(list, (value) => (value === null ? NaN : Number(value)));
}

function readRows(written) {
  const x = numbers(written.x), low = numbers(written.low);
  return {
    columns: written.columns,
    total: written.total,
    x,
    until: written.until === undefined ? x : numbers(written.until),
    low,
    high: written.high === undefined ? low : numbers(written.high),
  };
}

/** Rows with those that were recorded since. */
function extended(rows, more) {
  const joined = (name) => {
    const both = new Float64Array(rows[name].length + more[name].length);
    both.set(rows[name]);
    both.set(more[name], rows[name].length);
    return both;
  };
  return { columns: rows.columns, total: more.total, x: joined("x"), until: joined("until"), low: joined("low"), high: joined("high") };
}

/** The last row that has begun at a clock's value, the first one before that. */
function rowAt(rows, clock) {
  let low = 0, high = rows.x.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows.x[middle] <= clock) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What a column holds in a row, in words. */
function cellInWords(rows, row, column) {
  if (column < 0) return "–";
  const at = row * rows.columns + column, low = rows.low[at], high = rows.high[at];
  return low === high || Number.isNaN(low) ? inWords(low) : `${inWords(low)} … ${inWords(high)}`;
}

/** The clock of a row, in words. */
function rowInWords(rows, row) {
  const from = clockInWords(rows.x[row]);
  return rows.until[row] > rows.x[row] ? `${from} to ${clockInWords(rows.until[row])}` : from;
}

/** The value as an axis can show it; ticks some decades beyond must not overflow. */
function drawable(value, log) {
  return (log ? value > 0 : value > -1e200) && value < 1e200 ? value : null;
}

/** Columns of rows, nothing for -1, as uPlot takes them: a stretch is two points, its smallest and its largest value. */
function pointsOf(rows, columns, log) {
  const x = [], found = columns.map(() => []);
  for (let row = 0; row < rows.x.length; row++) {
    const stretch = rows.until[row] > rows.x[row];
    x.push(rows.x[row]);
    if (stretch) x.push(rows.until[row]);
    for (let i = 0; i < columns.length; i++) {
      const at = columns[i] < 0 ? NaN : row * rows.columns + columns[i];
      found[i].push(drawable(rows.low[at], log));
      if (stretch) found[i].push(drawable(rows.high[at], log));
    }
  }
  return [x, ...found];
}
