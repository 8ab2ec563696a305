// The curves: force that scrolls, and stances laid over each other. uPlot draws; here is what it is given.

export const WINDOW_S = 10;
const SHOWN = 12;
const POINTS = 101;

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const font = () => `12px ${css("--font")}`;

const axis = (extra) => ({
  stroke: () => css("--text-soft"),
  grid: { stroke: () => css("--line"), width: 1 },
  ticks: { show: false },
  font: font(),
  ...extra,
});

/** Numbers short enough for an axis: 12k for 12000. */
const short = (value) => {
  const size = Math.abs(value);
  if (size >= 10000) return `${+(value / 1000).toFixed(1)}k`;
  return String(+value.toPrecision(4));
};

function fitted(element, make) {
  const plot = make(Math.max(120, element.clientWidth), Math.max(60, element.clientHeight));
  new ResizeObserver(() => {
    const [width, height] = [Math.max(120, element.clientWidth), Math.max(60, element.clientHeight)];
    if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
  }).observe(element);
  return plot;
}

/** Force of one foot over the last ten seconds; a gap is a break in the line, and time only ever rises. */
export class ForceChart {
  constructor(element, side) {
    this.times = [];
    this.force = [];
    this.last = null;
    this.refused = 0;
    this.plot = fitted(element, (width, height) => new uPlot({
      width, height,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 22, 0, 0],
      scales: { x: { time: false, auto: false, range: (u, a, b) => [a ?? 0, b ?? 1] },
        y: { auto: false, range: (u, a, b) => [a ?? 0, b ?? 1] } },
      axes: [
        axis({ size: 24, space: 40, splits: (u) => [8, 6, 4, 2, 0].map((ago) => u.scales.x.max - ago),
          values: (u, splits) => splits.map((at) => {
            const ago = Math.round(u.scales.x.max - at);
            return ago ? `−${ago} s` : "now";
          }) }),
        axis({ size: 48, space: 28, values: (u, splits) => splits.map(short) }),
      ],
      series: [{}, { stroke: () => css(`--${side}`), width: 1.75, points: { show: false }, spanGaps: false }],
    }, [[], []], element));
  }

  /** Take a batch's samples; what is not newer than the last sample is refused and counted. */
  add(times, force, gap, periodS) {
    for (let i = 0; i < times.length; i++) {
      const [last, at] = [this.last, times[i]];
      if (last !== null && !(at > last)) { this.refused++; continue; }
      if (last !== null && (gap && i === 0 || at - last > 4 * periodS)) {
        this.times.push((last + at) / 2);
        this.force.push(null);
      }
      this.last = at;
      this.times.push(at);
      this.force.push(Number.isNaN(force[i]) ? null : force[i]);
    }
  }

  clear() { this.times = []; this.force = []; this.last = null; }

  /** Draw up to a moment of the server's clock. */
  draw(nowS, top) {
    let old = 0;
    while (old < this.times.length && this.times[old] < nowS - WINDOW_S - 0.5) old++;
    if (old > 200) { this.times.splice(0, old); this.force.splice(0, old); }
    this.plot.batch(() => {
      this.plot.setData([this.times, this.force], false);
      this.plot.setScale("x", { min: nowS - WINDOW_S, max: nowS });
      this.plot.setScale("y", { min: top.low, max: top.high });
    });
  }

  extent() {
    let [low, high] = [0, 0];
    for (const value of this.force) {
      if (value > high) high = value;
      else if (value !== null && value < low) low = value;
    }
    return { low, high };
  }
}

/** One range for both feet: grows at once, shrinks slowly, so that the curves do not jump. */
export class SharedRange {
  constructor() { this.low = 0; this.high = 0; }

  fit(extents) {
    const high = (Math.max(0, ...extents.map((one) => one.high)) || 1) * 1.08;
    const low = Math.min(0, ...extents.map((one) => one.low)) * 1.08;
    this.high = high > this.high ? high : this.high + 0.02 * (high - this.high);
    this.low = low < this.low ? low : this.low + 0.02 * (low - this.low);
    return this;
  }

  clear() { this.low = this.high = 0; }
}

/** Mean and standard deviation over curves, point by point; the deviation is null below two curves. */
export function meanAndBand(curves) {
  const mean = new Array(POINTS).fill(null);
  const low = new Array(POINTS).fill(null);
  const high = new Array(POINTS).fill(null);
  for (let i = 0; i < POINTS && curves.length; i++) {
    const values = curves.map((curve) => curve[i]).filter((value) => Number.isFinite(value));
    if (!values.length) continue;
    mean[i] = values.reduce((a, b) => a + b, 0) / values.length;
    if (values.length < 2) continue;
    const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean[i]) ** 2, 0) / (values.length - 1));
    low[i] = mean[i] - sd;
    high[i] = mean[i] + sd;
  }
  return { mean, low, high };
}

/** The last stances of one foot, thin, with their mean and band, and the model's interval of the newest. */
export class StanceChart {
  constructor(element, side) {
    const colour = () => css(`--${side}`);
    const thin = { stroke: () => css("--trace"), width: 1, points: { show: false } };
    const edge = { stroke: () => "transparent", width: 0, points: { show: false } };
    const interval = { stroke: () => css("--text"), width: 1.5, dash: [2, 4], points: { show: false } };
    const data = [Array.from({ length: POINTS }, (_, i) => i)];
    const series = [{}];
    for (let i = 0; i < SHOWN; i++) series.push(thin);
    for (let i = 0; i < SHOWN; i++) series.push({ ...thin, dash: [3, 5] });
    series.push(edge, edge, { stroke: colour, width: 3, points: { show: false } }, interval, interval);
    for (let i = 1; i < series.length; i++) data.push(new Array(POINTS).fill(null));
    this.data = data;
    this.stances = [];
    this.plot = fitted(element, (width, height) => new uPlot({
      width, height, series,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 22, 0, 0],
      bands: [{ series: [2 * SHOWN + 2, 2 * SHOWN + 1], fill: () => css(`--${side}-band`) }],
      scales: { x: { time: false, auto: false, range: [0, 100] }, y: { auto: false, range: (u, a, b) => [a ?? 0, b ?? 1] } },
      axes: [
        axis({ size: 24, space: 40, values: (u, splits) => splits.map((at) => `${at} %`) }),
        axis({ size: 48, space: 28, values: (u, splits) => splits.map(short) }),
      ],
    }, data, element));
  }

  /**
   * Lay one more stance over the last; another unit, source or tare begins anew, for the two are not to be mixed.
   * Returns whether it is a new one: a page that connects again is given the last ones again.
   */
  add(stance) {
    const newest = this.stances[this.stances.length - 1];
    if (this.stances.some((one) => one.number === stance.number && one.start_s === stance.start_s)) return false;
    if (newest && ["unit", "source", "era"].some((key) => newest[key] !== stance[key])) this.stances = [];
    this.stances.push(stance);
    if (this.stances.length > SHOWN) this.stances.shift();
    return true;
  }

  clear() { this.stances = []; }

  curves(axisName, chosen = () => true) {
    return this.stances.filter(chosen).map((one) => one.axes[axisName]).filter((curve) => curve?.length === POINTS);
  }

  /** Draw on the range of both feet, `[low, high]`; stances with missing samples dashed, and in no mean. */
  draw(axisName, range) {
    const whole = this.curves(axisName, (one) => !one.missed);
    const broken = this.curves(axisName, (one) => one.missed);
    const { mean, low, high } = meanAndBand(whole);
    const newest = this.stances[this.stances.length - 1];
    const blank = new Array(POINTS).fill(null);
    const own = axisName === "v" && newest?.low?.length === POINTS && newest?.high?.length === POINTS;
    for (let i = 0; i < SHOWN; i++) {
      this.data[i + 1] = whole[i] ?? blank;
      this.data[SHOWN + 1 + i] = broken[i] ?? blank;
    }
    [low, high, mean, own ? newest.low : blank, own ? newest.high : blank].forEach((curve, i) => {
      this.data[2 * SHOWN + 1 + i] = curve;
    });
    this.plot.batch(() => {
      this.plot.setData(this.data, false);
      this.plot.setScale("x", { min: 0, max: 100 });
      this.plot.setScale("y", { min: range[0], max: range[1] });
    });
    return { drawn: whole.length + broken.length, broken: broken.length, interval: own };
  }
}

/** The range that all stances of both feet fit in, model's intervals included. */
export function stanceRange(charts, axisName) {
  let [low, high] = [0, 0];
  for (const chart of charts) {
    const newest = chart.stances[chart.stances.length - 1];
    const edges = axisName === "v" ? [newest?.low, newest?.high] : [];
    for (const curve of [...chart.curves(axisName), ...edges]) {
      for (const value of curve ?? []) {
        if (value > high) high = value;
        else if (value < low) low = value;
      }
    }
  }
  return high > low ? [low * 1.06, high * 1.06] : [0, 1];
}
