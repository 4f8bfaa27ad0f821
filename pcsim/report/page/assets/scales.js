// Axes: where ticks stand, and how a clock that starts at 0 goes on a logarithmic one.

/** Ticks of 1, 2, 5 on a linear axis, about so many. */
function linearTicks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12) + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

/** Ticks on a logarithmic axis: powers of ten, with 2 and 5 between where there is room; linear within a few units. */
function logTicks(low, high, most) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((last - first) / most));
  const between = every === 1 && 3 * (last - first) <= most ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(first / every) * every; power <= last; power += every) {
    for (const factor of between) ticks.push(Number(`${factor}e${power}`));
  }
  const inside = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return inside.length > 1 ? inside : linearTicks(low, high, most).filter((tick) => tick > 0);
}

/** About how many ticks a clock's axis has room for; of epochs, updates and steps there are no halves. */
function ticksFor(x, low, high, length) {
  const most = room(length, 60);
  return x.every(Number.isInteger) ? Math.max(1, Math.min(most, high - low)) : most;
}

/** Ticks of a clock: linear where `start` is 0, or logarithmic from its first positive value on, 0 included. */
function clockTicks(low, high, start, most) {
  if (start === 0) return linearTicks(low, high, most);
  if (low > 0 || high <= start) return low > 0 ? logTicks(low, high, most) : linearTicks(low, high, most);
  return [0, ...logTicks(start, high, most - 1)];
}

/** The tick's number, short. */
function tickInWords(value) {
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(6)));
  return Number(value.toPrecision(4)).toExponential().replace("e+", "e");
}

/** Where a clock's value lies on its axis, in any unit: as uPlot's arcsinh scale has it. */
function placed(value, start) {
  return start > 0 ? Math.asinh(value / start) : value;
}

/** The first positive value of a clock with a logarithmic axis, 0 for a linear one. */
function startOf(panel, x) {
  if (!panel.logX) return 0;
  const first = x.find((value) => value > 0);
  return first === undefined ? 0 : first;
}

function room(length, each) {
  return Math.max(2, Math.floor(length / each));
}
