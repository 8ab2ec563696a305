// The signals over each other: uPlot draws; pan, zoom, and the contacts' triangles are here.

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const font = () => `12px ${css("--font")}`;
export const axis = (extra) => ({
  stroke: () => css("--text-soft"),
  grid: { stroke: () => css("--line"), width: 1 },
  ticks: { show: false },
  font: font(),
  labelFont: font(),
  labelSize: 16,
  ...extra,
});
const ROW = 13; // CSS pixels of a row of triangles
const SHORTEST_S = 0.02;
const MOST_TOLD = 12; // contacts in sight up to which distances are written beside them
const SAME_STEP_S = 0.15;

/** Keep a plot as large as its place. */
export function fitted(element, make) {
  const size = () => ({ width: Math.max(120, element.clientWidth), height: Math.max(60, element.clientHeight) });
  const plot = make(size());
  new ResizeObserver(() => {
    const { width, height } = size();
    if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
  }).observe(element);
  return plot;
}

export function colourOf(side, number) {
  if (side === "left" || (side !== "right" && number % 2 === 0)) return "--left";
  return "--right";
}

/** Reference and device over a stretch of time. `wants` is called when another stretch is looked at. */
export class SignalChart {
  constructor(element, { wants, moves, edits }) {
    this.element = element;
    this.wants = wants;
    this.moves = moves;
    this.edits = edits;
    this.view = [0, 1];
    this.limits = [0, 1];
    this.data = null;
    this.plot = null;
    this.names = [];
    this.marked = null;
    this.editing = false;
    this.pointers = new Map();
  }

  /** Begin anew for a clock with these streams. */
  open(names, sides, limits, label) {
    this.plot?.destroy();
    this.names = names;
    this.sides = sides;
    this.label = label;
    this.limits = limits;
    this.data = null;
    this.marked = null;
    const lines = names.map((name, n) => ({
      stroke: () => css(colourOf(sides[n], n)), width: 1.75, points: { show: false },
      dash: n > 1 ? [6, 4] : undefined,
    }));
    const blank = [[this.view[0], this.view[1]], [null, null], ...names.map(() => [null, null])];
    this.plot = fitted(this.element, (size) => new uPlot({
      ...size,
      legend: { show: false },
      cursor: { show: true, x: true, y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      padding: [ROW + 4, 12, 0, 0],
      scales: { x: { time: false, auto: false, range: () => this.view }, y: { range: (u, low, high) => this.heights(low, high) } },
      axes: [axis({ size: 30, label: "reference time (s)", values: (u, at) => at.map((t) => `${+t.toFixed(3)}`) }),
        axis({ size: 52, label: this.label, values: (u, at) => at.map((v) => `${+v.toPrecision(4)}`) })],
      series: [{}, { stroke: () => css("--text-soft"), fill: () => css("--trace"), width: 1.25, points: { show: false } }, ...lines],
      hooks: { draw: [() => this.drawContacts()] },
    }, blank, this.element));
    this.listen(this.plot.over);
  }

  heights(low, high) {
    if (low === null || high === null || !(high > low)) return [0, 1];
    const room = 0.06 * (high - low);
    return [low - 3 * room, high + room];
  }

  look(start, end) {
    const span = Math.max(SHORTEST_S, Math.min(end - start, 1.04 * (this.limits[1] - this.limits[0])));
    const middle = Math.min(Math.max((start + end) / 2, this.limits[0]), this.limits[1]);
    this.view = [middle - span / 2, middle + span / 2];
    this.draw();
    this.wants();
  }

  zoom(factor, at = (this.view[0] + this.view[1]) / 2) {
    this.look(at - (at - this.view[0]) * factor, at + (this.view[1] - at) * factor);
  }

  pan(share) {
    const by = share * (this.view[1] - this.view[0]);
    this.look(this.view[0] + by, this.view[1] + by);
  }

  /** Take what the server sent, and where the device was then. */
  take(data, shiftS) {
    this.data = data;
    this.takenAt = shiftS;
    this.shift = shiftS;
    this.draw();
  }

  /** Show the device moved at once; the server's answer follows. */
  move(shiftS) {
    this.shift = shiftS;
    this.draw();
  }

  draw() {
    if (!this.plot) return;
    if (!this.data) { this.plot.setScale("x", { min: this.view[0], max: this.view[1] }); return; }
    const by = this.shift - this.takenAt;
    const tables = [[this.data.reference.x, this.data.reference.y]];
    for (const name of this.names) {
      const { x, y } = this.data.device[name];
      tables.push([by ? x.map((t) => t + by) : x, y]);
    }
    this.plot.batch(() => {
      this.plot.setData(uPlot.join(tables.map(([x, y]) => (x.length ? [x, y] : [[this.view[0]], [null]]))), true);
      this.plot.setScale("x", { min: this.view[0], max: this.view[1] });
    });
  }

  contacts() {
    if (!this.data) return [];
    const by = this.shift - this.takenAt;
    const rows = [];
    for (const one of this.data.contacts.reference) rows.push({ ...one, on: "reference", x: one.at_s });
    for (const one of this.data.contacts.device) rows.push({ ...one, on: "device", x: one.at_s + by });
    return rows;
  }

  colour(one) {
    if (one.on === "reference") return css("--text");
    return one.foot === 1 ? css("--right") : one.foot === 0 ? css("--left") : css("--text-soft");
  }

  drawContacts() {
    const { ctx, bbox } = this.plot;
    const ratio = devicePixelRatio;
    const size = (this.editing ? 6.5 : 4.5) * ratio;
    ctx.save();
    for (const one of this.contacts()) {
      const x = this.plot.valToPos(this.dragged?.key === keyOf(one) ? this.dragged.x : one.x, "x", true);
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      const top = one.on === "reference";
      const tip = top ? bbox.top : bbox.top + bbox.height;
      const [low, high] = top ? [bbox.top, bbox.top + bbox.height * 0.5] : [bbox.top + bbox.height * 0.5, tip];
      ctx.strokeStyle = ctx.fillStyle = this.colour(one);
      ctx.globalAlpha = 0.45;
      ctx.lineWidth = ratio;
      ctx.setLineDash(top ? [] : [3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, low);
      ctx.lineTo(x, high);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.globalAlpha = 1;
      ctx.beginPath();
      const base = tip - 1.6 * size;
      if (top) { ctx.moveTo(x, tip); ctx.lineTo(x - size, base); ctx.lineTo(x + size, base); }
      else { ctx.moveTo(x, base); ctx.lineTo(x - size, tip); ctx.lineTo(x + size, tip); }
      ctx.closePath();
      ctx.fill();
      if (one.changed || this.marked === keyOf(one)) {
        ctx.strokeStyle = css("--focus");
        ctx.lineWidth = 2.5 * ratio;
        ctx.stroke();
      }
    }
    this.drawDistances(ctx, bbox);
    ctx.restore();
  }

  /** Where few contacts are in sight, how far apart those of the two sides are that may be one. */
  drawDistances(ctx, bbox) {
    const seen = this.contacts().filter((one) => one.x > this.view[0] && one.x < this.view[1]);
    const device = seen.filter((one) => one.on === "device");
    if (seen.length > MOST_TOLD) return;
    ctx.font = `${12 * devicePixelRatio}px ${css("--font")}`;
    ctx.fillStyle = css("--text");
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const one of seen.filter((each) => each.on === "reference")) {
      const near = device.reduce((best, each) => (!best || Math.abs(each.x - one.x) < Math.abs(best.x - one.x) ? each : best), null);
      if (!near || Math.abs(near.x - one.x) > SAME_STEP_S) continue;
      const off = Math.round(1e3 * (near.x - one.x));
      const x = this.plot.valToPos(Math.max(one.x, near.x), "x", true) + 6 * devicePixelRatio;
      ctx.fillText(off ? `${off > 0 ? "+" : "−"}${Math.abs(off)} ms` : "0 ms", x, bbox.top + bbox.height * 0.5);
    }
  }

  /** The contact at a place of the plot, within a finger's width. */
  contactAt(x, y) {
    const height = this.plot.over.clientHeight;
    let [best, distance] = [null, 9];
    for (const one of this.contacts()) {
      const near = one.on === "reference" ? y < height * 0.5 : y >= height * 0.5;
      const off = Math.abs(this.plot.valToPos(one.x, "x") - x);
      if (near && off < distance) [best, distance] = [one, off];
    }
    return best;
  }

  listen(over) {
    const placeOf = (event) => {
      const box = over.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const perPixel = () => (this.view[1] - this.view[0]) / Math.max(1, over.clientWidth);
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(Math.sign(event.deltaX) * 0.08);
      else this.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, this.plot.posToVal(placeOf(event)[0], "x"));
    }, { passive: false });
    over.addEventListener("pointerdown", (event) => {
      over.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, placeOf(event));
      const [x, y] = placeOf(event);
      const contact = this.editing ? this.contactAt(x, y) : null;
      this.last = [x, y];
      this.doing = contact ? "contact" : event.shiftKey ? "device" : "pan";
      if (contact) {
        this.marked = keyOf(contact);
        this.dragged = { key: keyOf(contact), x: contact.x, from: contact.x, contact };
        this.draw();
      }
    });
    over.addEventListener("pointermove", (event) => {
      if (!this.pointers.has(event.pointerId)) return;
      const before = [...this.pointers.values()];
      const at = placeOf(event);
      this.pointers.set(event.pointerId, at);
      if (this.pointers.size === 2) {
        const after = [...this.pointers.values()];
        const gap = (points) => Math.max(10, Math.abs(points[0][0] - points[1][0]));
        this.zoom(gap(before) / gap(after), this.plot.posToVal((after[0][0] + after[1][0]) / 2, "x"));
        return;
      }
      const by = (at[0] - this.last[0]) * perPixel();
      this.last = at;
      if (this.doing === "pan") this.look(this.view[0] - by, this.view[1] - by);
      else if (this.doing === "device") this.moves(by);
      else if (this.dragged) { this.dragged.x += by; this.draw(); }
    });
    const done = (event) => {
      this.pointers.delete(event.pointerId);
      const dragged = this.dragged;
      this.dragged = null;
      if (dragged && Math.abs(dragged.x - dragged.from) > perPixel()) this.edits.move(dragged.contact, dragged.x - dragged.from);
      this.draw();
    };
    over.addEventListener("pointerup", done);
    over.addEventListener("pointercancel", done);
    over.addEventListener("dblclick", (event) => {
      if (!this.editing) return;
      const [x, y] = placeOf(event);
      this.edits.add(y < over.clientHeight / 2 ? "reference" : "device", this.plot.posToVal(x, "x"));
    });
  }

  markedContact() { return this.contacts().find((one) => keyOf(one) === this.marked) ?? null; }
}

export const keyOf = (one) => `${one.on} ${one.was_s ?? `new ${one.own_s}`}`;
