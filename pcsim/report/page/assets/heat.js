// A heat map on a canvas: columns upwards, input to output, over the clock; the colour says how much.

const LEFT = 46, BELOW = 22, HEIGHT = 262;

/** Keep a heat map in an element; `onCell` hears the clock and the column under the pointer. */
function makeHeat(place, onCell) {
  const canvas = el("canvas", { role: "img" }), key = el("div", { class: "key soft" });
  place.append(canvas, key);
  let drawn = null;

  /** Draw rows of a panel; `whose` is the name of their trace where others are drawn, too. */
  function draw(panel, rows, whose) {
    const width = place.clientWidth || 400, ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round((HEIGHT + BELOW) * ratio);
    canvas.style.height = `${HEIGHT + BELOW}px`;
    canvas.setAttribute("aria-label", `Heat map: ${panel.title}`);
    const start = startOf(panel, rows.x), ends = endsOf(rows.x, start);
    drawn = { panel, rows, whose, start, width, ends };
    const range = colourRange(rows, panel.logY);
    drawn.image = pixels(rows, range, Math.max(1, canvas.width - Math.round(LEFT * ratio)), Math.round(HEIGHT * ratio));
    explain(range, rows);
    point(null);
  }

  /** Show the picture with a mark at a clock's value, without one for null. */
  function point(clock) {
    const context = canvas.getContext("2d"), ratio = devicePixelRatio || 1, { image, ends } = drawn;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.putImageData(image, canvas.width - image.width, 0);
    context.scale(ratio, ratio);
    context.setLineDash([]);
    label(context, drawn.panel.columns);
    if (ends[0] !== ends[1]) time(context, clock);
  }

  /** The picture, a pixel of the clock at a time: the largest value of the rows that fall on it. */
  function pixels(rows, range, width, height) {
    const image = new ImageData(width, height), count = rows.columns, zero = rgbOf(styled("zero")), bad = rgbOf(styled("bad"));
    for (let x = 0; x < width; x++) {
      const first = rowAt(rows, clockAt(x / width)), last = Math.max(first + 1, rowAt(rows, clockAt((x + 1) / width)));
      for (let column = 0; column < count; column++) {
        let value = NaN;
        for (let row = first; row < last && row < rows.x.length; row++) {
          const next = rows.high[row * count + column];
          if (!(value >= next)) value = Number.isNaN(next) ? value : next;
        }
        const colour = Number.isFinite(value) ? (value === 0 && range.log ? zero : viridis(range.place(value))) : bad;
        const top = height - Math.round((height * (column + 1)) / count), bottom = height - Math.round((height * column) / count);
        for (let y = top; y < bottom; y++) image.data.set([...colour, 255], 4 * (y * width + x));
      }
    }
    return image;
  }

  function clockAt(share) {
    const { ends, start } = drawn, at = ends[0] + share * (ends[1] - ends[0]);
    return (start > 0 ? start * Math.sinh(at) : at) * (1 + 1e-12);
  }

  function label(context, columns) {
    context.fillStyle = styled("text");
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    const every = Math.max(1, Math.ceil((columns.length * 16) / HEIGHT));
    for (let i = 0; i < columns.length; i += every) {
      const y = HEIGHT * (1 - (i + 0.5) / columns.length);
      context.fillText(shortened(columns[i], i), LEFT - 6, Math.min(Math.max(y, 7), HEIGHT - 7));
    }
  }

  /** Write the clock below the picture, and mark where it stands. */
  function time(context, clock) {
    const { ends, start, width, rows } = drawn;
    const across = (value) => LEFT + ((placed(value, start) - ends[0]) / (ends[1] - ends[0])) * (width - LEFT);
    const last = rows.x[rows.x.length - 1], most = ticksFor(rows.x, rows.x[0], last, width - LEFT);
    context.textAlign = "center";
    for (const tick of clockTicks(rows.x[0], last, start, most)) context.fillText(tickInWords(tick), Math.min(across(tick), width - 12), HEIGHT + 13);
    if (clock === null) return;
    context.strokeStyle = styled("text");
    context.setLineDash([3, 3]);
    context.strokeRect(across(clock), -1, 0, HEIGHT + 2);
  }

  function explain(range, rows) {
    const bar = el("i"), stops = [0, 0.25, 0.5, 0.75, 1].map((place) => `rgb(${viridis(place).join(" ")})`);
    bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    const parts = [...(drawn.whose ? [`${drawn.whose}:`] : []), inWords(range.low), bar, inWords(range.high)], values = rows.high;
    if (range.log && values.includes(0)) parts.push(patch("zero", "exactly zero"));
    if (values.some((value) => !Number.isFinite(value))) parts.push(patch("bad", "not finite"));
    fill(key, ...parts.map((part) => (typeof part === "string" ? el("span", {}, part) : part)));
  }

  function patch(name, words) {
    const made = el("i", { class: "one" });
    made.style.background = styled(name);
    return el("span", {}, made, ` ${words}`);
  }

  canvas.addEventListener("pointermove", (event) => {
    if (drawn === null || drawn.rows.x.length === 0) return;
    const box = canvas.getBoundingClientRect(), { width, rows } = drawn;
    const share = Math.min(Math.max((event.clientX - box.left - LEFT) / (width - LEFT), 0), 1);
    const up = Math.min(Math.max(1 - (event.clientY - box.top) / HEIGHT, 0), 0.999);
    onCell(clockAt(share), Math.floor(up * rows.columns));
  });
  new ResizeObserver(() => { if (drawn !== null && place.clientWidth > 0 && place.clientWidth !== drawn.width) draw(drawn.panel, drawn.rows, drawn.whose); }).observe(place);
  return { draw, point };
}

/** Where the clock begins and ends on its axis: a row is as wide as to the next one, the last as the one before. */
function endsOf(x, start) {
  const [first, before, last] = [0, Math.max(0, x.length - 2), x.length - 1].map((row) => placed(x[row] ?? 0, start));
  return [first, 2 * last - before];
}

/** Which value has which place from 0 to 1. */
function colourRange(rows, log) {
  let low = Infinity, high = -Infinity;
  for (const value of rows.high) {
    if (drawable(value, log) === null) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: NaN, high: NaN, log, place: () => 0 };
  const scale = log ? Math.log : (value) => value, width = scale(high) - scale(low) || 1;
  return { low, high, log, place: (value) => (value <= low ? 0 : value >= high ? 1 : (scale(value) - scale(low)) / width) };
}

function rgbOf(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** A name that fits beside a heat map. */
function shortened(name, i) {
  const short = name.replace(/^layer /, "");
  return short.length <= 7 ? short : String(i);
}
