// The insole from above: a disc per cell, larger and stronger in colour the more load it carries.

import { css } from "./charts.js";

// Outline of a left insole in mm, x to the right seen from above, y from the heel: drawn by eye around the cells.
const OUTLINE = [[0, -6], [21, 1], [30, 25], [29, 60], [25, 100], [29, 140], [41, 175], [43, 205], [36, 236], [16, 251],
  [-4, 247], [-22, 232], [-35, 205], [-40, 175], [-38, 140], [-34, 100], [-32, 60], [-30, 25], [-21, 1]];
const X_MM = [-46, 48];
const Y_MM = [-12, 257];
const CELL_MM = 8.6;

/** Places for cells nobody gave a layout for: rows of four. */
const grid = (n) => Array.from({ length: n }, (_, i) => [-24 + 16 * (i % 4), 20 + (210 * Math.floor(i / 4)) / Math.ceil(n / 4)]);

export class HeatMap {
  constructor(canvas, side) {
    Object.assign(this, { canvas, mirrored: side === "right", top: 0, cells: [], layout: null, dirty: true });
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => { this.dirty = true; }).observe(canvas);
  }

  /** Take the newest value of each cell. */
  show(cells) {
    this.cells = cells;
    const most = Math.max(0, ...cells.filter(Number.isFinite));
    this.top = most > this.top ? most : this.top * 0.9995;
    this.dirty = true;
  }

  clear() { this.cells = []; this.top = 0; this.dirty = true; }

  draw(layout, top) {
    if (!this.dirty) return;
    this.dirty = false;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const scale = Math.min(width / (X_MM[1] - X_MM[0]), height / (Y_MM[1] - Y_MM[0]));
    const middle = this.mirrored ? -(X_MM[0] + X_MM[1]) / 2 : (X_MM[0] + X_MM[1]) / 2;
    const place = ([x, y]) => [
      width / 2 + ((this.mirrored ? -x : x) - middle) * scale,
      height / 2 - (y - (Y_MM[0] + Y_MM[1]) / 2) * scale,
    ];
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.outline(place);
    const places = layout && layout.length === this.cells.length ? layout : grid(this.cells.length);
    const ramp = ["--heat-0", "--heat-1", "--heat-2", "--heat-3"].map(css).map(rgb);
    this.cells.forEach((value, i) => this.cell(place(places[i]), CELL_MM * scale, value / (top || 1), ramp));
    this.centre(places, place);
  }

  outline(place) {
    const { pen } = this;
    const points = OUTLINE.map(place);
    const between = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    pen.beginPath();
    pen.moveTo(...between(points[points.length - 1], points[0]));
    points.forEach((point, i) => pen.quadraticCurveTo(...point, ...between(point, points[(i + 1) % points.length])));
    pen.fillStyle = css("--sole");
    pen.strokeStyle = css("--line-strong");
    pen.lineWidth = 1.5;
    pen.fill();
    pen.stroke();
  }

  cell([x, y], radius, share, ramp) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.strokeStyle = css("--line-strong");
    pen.lineWidth = 1;
    pen.stroke();
    if (!Number.isFinite(share)) {
      pen.beginPath();
      pen.moveTo(x - radius / 2, y - radius / 2);
      pen.lineTo(x + radius / 2, y + radius / 2);
      pen.stroke();
      return;
    }
    const load = Math.min(1, Math.max(0, share));
    pen.beginPath();
    pen.arc(x, y, radius * (0.25 + 0.75 * Math.sqrt(load)), 0, 2 * Math.PI);
    pen.fillStyle = mixed(ramp, load);
    pen.fill();
  }

  centre(places, place) {
    let [sum, x, y] = [0, 0, 0];
    this.cells.forEach((value, i) => {
      if (!(value > 0)) return;
      sum += value;
      x += value * places[i][0];
      y += value * places[i][1];
    });
    if (sum < 0.5 * this.top || !sum) return;
    const [px, py] = place([x / sum, y / sum]);
    const { pen } = this;
    pen.lineWidth = 2;
    for (const [colour, width] of [[css("--card"), 5], [css("--text"), 2]]) {
      pen.beginPath();
      pen.moveTo(px - 7, py); pen.lineTo(px + 7, py);
      pen.moveTo(px, py - 7); pen.lineTo(px, py + 7);
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.stroke();
    }
  }
}

function rgb(colour) {
  const n = parseInt(colour.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

function mixed(ramp, share) {
  const at = share * (ramp.length - 1);
  const i = Math.min(ramp.length - 2, Math.floor(at));
  const part = ramp[i].map((value, k) => Math.round(value + (at - i) * (ramp[i + 1][k] - value)));
  return `rgb(${part.join(" ")})`;
}
