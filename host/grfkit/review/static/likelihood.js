// Log-likelihood against where the device lies, with the shown place marked.

import { axis, css, fitted } from "./signals.js";

const DEEPEST = 60; // nats below the best that are drawn

export class LikelihoodChart {
  constructor(element, goes) {
    this.shift = 0;
    this.low = 0;
    this.high = 1;
    this.plot = fitted(element, (size) => new uPlot({
      ...size,
      legend: { show: false },
      cursor: { show: true, x: true, y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      padding: [8, 12, 0, 0],
      scales: { x: { time: false }, y: { range: () => [this.low, this.high] } },
      axes: [axis({ size: 30, label: "moved by (s)", values: (u, at) => at.map((t) => `${t > 0 ? "+" : ""}${+t.toFixed(3)}`) }),
        axis({ size: 46, label: "nats" })],
      series: [{}, { stroke: () => css("--strong"), width: 2, points: { show: false } }],
      hooks: { draw: [(u) => this.mark(u)] },
    }, [[0, 1], [null, null]], element));
    this.plot.over.addEventListener("click", (event) => {
      goes(this.plot.posToVal(event.clientX - this.plot.over.getBoundingClientRect().left, "x"));
    });
  }

  take(curve, best, shiftS) {
    const top = Math.max(best ?? 0, 1);
    this.low = Math.min(0, Math.max(-DEEPEST / 2, top - DEEPEST)) - 0.04 * top;
    this.high = top * 1.1 + 1;
    this.shift = shiftS;
    this.plot.setData([curve.shift_s, curve.nats.map((value) => (value === null ? null : Math.max(value, this.low)))]);
  }

  move(shiftS) { this.shift = shiftS; this.plot.redraw(false); }

  mark(u) {
    const { ctx, bbox } = u;
    const x = u.valToPos(this.shift, "x", true);
    const zero = u.valToPos(0, "y", true);
    ctx.save();
    ctx.strokeStyle = css("--text-soft");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4, 4]);
    ctx.beginPath(); ctx.moveTo(bbox.left, zero); ctx.lineTo(bbox.left + bbox.width, zero); ctx.stroke();
    ctx.setLineDash([]);
    if (x >= bbox.left && x <= bbox.left + bbox.width) {
      ctx.strokeStyle = css("--bad");
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    }
    ctx.restore();
  }
}
