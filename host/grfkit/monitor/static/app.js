// Puts it together: what comes in is kept, and drawn at a steady pace whatever comes.

import { ForceChart, SharedRange, StanceChart, stanceRange } from "./charts.js";
import { Controls } from "./controls.js";
import { HeatMap } from "./heatmap.js";
import { Socket } from "./socket.js";
import * as view from "./view.js";

const $ = (id) => document.getElementById(id);
const FRAME_MS = 48;
const WORDS_MS = 200;
const SIDES = ["left", "right"];
const KEPT = 6000;
const LATE_MS = 400;
const LATE_KEPT_MS = 3000;

/** For tests and for the curious: counters, nothing that steers. */
const counters = {
  frames: 0, fresh: 0, messages: 0, batches: 0, samples: 0, stances: 0, happenings: 0, opened: 0, broken: 0, dropped: 0,
  refused: 0, backwards: 0, drawMs: 0, ages: [], lastTimes: {}, connected: false, hub: null, snapshot: null,
  plotted: (device) => [...(feet.get(device)?.chart.plot.data[0] ?? [])],
};
window.grfMonitor = counters;

const feet = new Map();
const runners = new Map();
let layout = null;
let snapshot = null;
let closedMs = performance.now();
let ended = false;
let seenBefore = 0;
let late = { atMs: -Infinity, byS: 0 };

/** By how much the monitor's computer was late lately, or this page drew late: so old samples are, though none is lost. */
const behindS = () => Math.max(snapshot?.behind_s ?? 0, performance.now() - late.atMs < LATE_KEPT_MS ? late.byS : 0);

class Foot {
  constructor(runner, side) {
    Object.assign(this, { runner, side, device: null, newest: null, drawnUpTo: null });
    const find = (kind) => runner.element.querySelector(`${kind}[data-side="${side}"]`);
    this.lane = filled(find(".lane"), "lane-template", side);
    this.over = filled(find(".overlaid"), "overlaid-template", side);
    this.figure = find("figure");
    this.chart = new ForceChart(this.lane.querySelector(".plot"), side);
    this.stances = new StanceChart(this.over.querySelector(".plot"), side);
    this.heat = new HeatMap(this.figure.querySelector("canvas"), side);
    this.signal = view.make("span", { class: "hint signal" });
    this.figure.querySelector("figcaption").append(badge(side), side === "left" ? " Left" : " Right", this.signal);
  }

  get state() { return snapshot?.devices.find((one) => one.device === this.device) ?? null; }

  take(batch) {
    const rate = this.state?.rate_hz || 100;
    const before = this.chart.refused;
    this.chart.add(batch.timeS, batch.columns[0], batch.gap, 1 / rate);
    counters.refused += this.chart.refused - before;
    counters.samples += batch.timeS.length;
    const last = batch.timeS.length - 1;
    if (last >= 0 && batch.columns.length > 1) this.heat.show(batch.columns.slice(1).map((column) => column[last]));
    if (last >= 0) this.newest = batch.columns[0][last];
  }

  clear() {
    this.chart.clear();
    this.stances.clear();
    this.heat.clear();
    this.newest = this.drawnUpTo = null;
    this.runner.drawStances();
  }

  age(nowS) { return this.chart.last === null || nowS === null ? null : nowS - this.chart.last; }

  draw(nowS, range) {
    this.chart.draw(nowS, range);
    const times = this.chart.plot.data[0];
    for (let i = Math.max(1, times.length - 60); i < times.length; i++) if (!(times[i] > times[i - 1])) counters.backwards++;
    const last = this.chart.last;
    if (this.drawnUpTo !== null && last < this.drawnUpTo) counters.backwards++;
    const fresh = last !== null && last !== this.drawnUpTo;
    this.drawnUpTo = last;
    if (last !== null) counters.lastTimes[this.device] = last;
    return fresh;
  }

  words(nowS, connected) {
    const [device, age] = [this.state, this.age(nowS)];
    const text = view.overlayText(device, age, connected, (performance.now() - closedMs) / 1000, behindS());
    const live = !text;
    view.write(this.lane.querySelector(".overlay"), text);
    this.lane.classList.toggle("old", !live);
    view.write(this.lane.querySelector(".value"), live ? view.figure(this.newest) : "–");
    view.write(this.lane.querySelector(".unit"), device ? view.unitName(device.force_unit) : "");
    view.write(this.lane.querySelector(".origin"), view.forceOrigin(device));
    view.write(this.lane.querySelector(".age"), view.known(age) ? `age ${age < 1 ? `${(age * 1000).toFixed(0)} ms` : `${age.toFixed(1)} s`}` : "age –");
    view.write(this.signal, view.signalText(device));
    const told = `${view.sampleName(device)}, ${this.side} foot: ${live ? `${view.figure(this.newest)} ${view.unitName(device?.force_unit)}` : text}`;
    this.lane.querySelector(".plot").setAttribute("aria-label", told);
    this.figure.querySelector("canvas").setAttribute("aria-label", `Load on the cells of the ${this.side} insole`);
    this.figure.classList.toggle("old", !live);
  }

  drawStances(range) {
    const { drawn, broken, interval } = this.stances.draw(this.runner.axis, range);
    const newest = this.stances.stances[this.stances.stances.length - 1];
    const unit = newest ? view.unitName(newest.unit) : "";
    view.write(this.over.querySelector(".origin"), newest ? `${view.STANCE_ORIGIN[newest.source]}, ${unit}` : "");
    view.write(this.over.querySelector(".overlay"), drawn ? "" : newest ? "no such axis from this source" : "no stances yet");
    const dashed = broken ? `, dashed: samples missing (${broken}), in no mean` : "";
    const words = drawn ? `${drawn} stances${dashed}, thick: mean, band: ± 1 SD${interval ? ", dotted: interval of the newest" : ""}` : "";
    view.write(this.over.querySelector(".legend"), words || "\u00a0");
    this.over.querySelector(".plot").setAttribute("aria-label", `${drawn} stances of the ${this.side} foot overlaid, ${unit}`);
  }
}

class Runner {
  constructor(number) {
    this.number = number;
    this.element = $("runner-template").content.firstElementChild.cloneNode(true);
    if (number) this.element.querySelector(".feet h2").append(` – runner ${number + 1}`);
    $("runners").append(this.element);
    this.range = new SharedRange();
    this.axis = "v";
    this.sides = Object.fromEntries(SIDES.map((side) => [side, new Foot(this, side)]));
    const select = this.element.querySelector(".axis");
    select.addEventListener("change", () => {
      this.axis = select.value;
      this.drawStances();
    });
    this.drawStances();
    view.drawNumbers(this.body, [null, null], {});
  }

  get feet() { return SIDES.map((side) => this.sides[side]); }

  get body() { return this.element.querySelector(".numbers tbody"); }

  drawStances() {
    const range = stanceRange(this.feet.map((foot) => foot.stances), this.axis);
    for (const foot of this.feet) foot.drawStances(range);
  }

  /** Draw both feet; returns how many had something new. */
  draw(nowS) {
    const range = this.range.fit(this.feet.map((foot) => foot.chart.extent()));
    const top = Math.max(...this.feet.map((foot) => foot.heat.top));
    let fresh = 0;
    for (const foot of this.feet) {
      fresh += foot.draw(nowS, range);
      foot.heat.draw(layout, top);
    }
    return fresh;
  }

  words(nowS, connected) {
    for (const foot of this.feet) foot.words(nowS, connected);
    const states = this.feet.map((foot) => foot.state).filter(Boolean);
    const named = view.sampleName(states.every(view.isForce) ? states[0] : null);
    view.write(this.element.querySelector(".force h2"), `${named}, last 10 s${this.number ? ` – runner ${this.number + 1}` : ""}`);
    // forces come first: where samples are a load and stances are estimated, these stand before it
    this.element.classList.toggle("stances-first", states.some((one) => one.estimate && !view.isForce(one)));
    const top = Math.max(...this.feet.map((foot) => foot.heat.top));
    const scale = top ? `Disc: load of a cell, 0 to ${view.figure(top)}. Cross: centre of load. ` : "Waiting for cells. ";
    view.write(this.element.querySelector(".scale"), `${scale}Places are schematic.`);
  }
}

function badge(side) { return view.make("span", { class: `badge ${side}`, "aria-hidden": "true" }, side[0].toUpperCase()); }

function filled(element, template, side) {
  element.append($(template).content.cloneNode(true));
  element.querySelector(".badge").replaceWith(badge(side));
  element.querySelector(".name").textContent = side === "left" ? "Left" : "Right";
  return element;
}

function runner(number) {
  if (!runners.has(number)) runners.set(number, new Runner(number));
  return runners.get(number);
}

/** The foot of a device: its side's place in its pair, or the other one where that is taken. */
function foot(device) {
  if (!feet.has(device)) {
    const state = snapshot?.devices.find((one) => one.device === device);
    if (!state) return null;
    const pair = runner(state.runner ?? Math.floor(device / 2));
    const free = [state.side, ...SIDES].map((side) => pair.sides[side]).find((one) => one.device === null);
    if (!free) return null;
    free.device = device;
    feet.set(device, free);
  }
  return feet.get(device);
}

const on = {
  open(hello) {
    if (counters.hub !== hello.hub) {
      for (const one of feet.values()) { one.clear(); one.device = null; }
      feet.clear();
      for (const one of runners.values()) one.range.clear();
      $("log").replaceChildren();
    }
    Object.assign(counters, { hub: hello.hub, connected: true, opened: counters.opened + 1 });
    ended = false;
    seenBefore = counters.batches;
    layout = hello.layout?.cells ?? null;
    $("link-banner").hidden = true;
  },

  closed(waitMs) {
    if (counters.connected) closedMs = performance.now();
    counters.connected = false;
    const words = ended ? "The monitor has ended. The page waits for the next one." : "No connection to the monitor: what you see is old.";
    view.write($("link-banner"), `${words} Next try in ${(waitMs / 1000).toFixed(1)} s.`);
    $("link-banner").hidden = false;
  },

  broken(error) {
    counters.broken++;
    view.write($("answer"), `A message was not understood: ${error.message}`);
  },

  batch(batch) {
    counters.batches++;
    socket.seen(counters.batches - seenBefore);
    foot(batch.device)?.take(batch);
  },

  text(content) {
    if (content.type === "state") state(content);
    else if (content.type === "stance") stance(content);
    else if (content.type === "event") happened(content);
    else if (content.type === "dropped") skipped(content.batches);
    else if (content.type === "ended") ended = true;
  },
};

function state(content) {
  snapshot = counters.snapshot = content;
  document.body.classList.toggle("film", Boolean(content.film));
  for (const device of content.devices) foot(device.device);
  for (const one of runners.values()) {
    const pair = one.feet.map((foot_) => foot_.state);
    const first = Math.min(...pair.filter(Boolean).map((device) => device.device));
    const key = (name) => (first > 0 && first < Infinity ? `${first}:${name}` : name);
    const asymmetry = Object.fromEntries(["contact_s", "peak", "loading_rate"].map((name) => [name, content.asymmetry_percent[key(name)]]));
    view.drawNumbers(one.body, pair, asymmetry, Boolean(content.film));
  }
  controls.show(content);
  if (content.film) view.write($("skipped"), content.film_error ?? "");
  const [kind, words] = view.sourceText(content);
  $("source").dataset.kind = kind;
  view.write($("source"), `${kind}: ${words}`);
  const recording = view.recordingText(content.recording);
  view.write($("recording"), recording.text);
  $("recording").title = content.recording?.path ?? "";
  $("recording").classList.toggle("bad", recording.bad);
}

function stance(content) {
  counters.stances++;
  const one = foot(content.device);
  if (!one) return;
  if (!one.stances.add(content)) return;
  one.runner.drawStances();
  controls.judge(content, one.state);
}

function happened(content) {
  counters.happenings++;
  // stances of a pass that turned out to be none, or that another page forgot
  if (content.kind === "clear" && snapshot?.film) controls.on.cleared();
  $("log").querySelector(".hint")?.remove();
  $("log").prepend(view.logLine(content, snapshot?.devices ?? []));
  while ($("log").children.length > 60) $("log").lastElementChild.remove();
}

function skipped(batches) {
  counters.dropped = batches;
  view.write($("skipped"), `This page could not keep up and skipped ${batches} batches of samples. The recording has them.`);
}

const socket = new Socket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, on);
runner(0);
const controls = new Controls(socket, {
  theme() {
    for (const one of runners.values()) {
      for (const foot_ of one.feet) foot_.heat.dirty = true;
      one.drawStances();
    }
  },
  cleared() {
    for (const one of feet.values()) one.stances.clear();
    for (const one of runners.values()) one.drawStances();
  },
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => controls.on.theme());

let nextDraw = 0;
let wasHidden = true;
document.addEventListener("visibilitychange", () => { wasHidden = true; });
let nextWords = 0;
let drawnMs = null;
function frame(atMs) {
  requestAnimationFrame(frame);
  // of a hidden page the browser draws nothing, which is no lateness
  if (drawnMs !== null && atMs - drawnMs > LATE_MS && !document.hidden && !wasHidden) late = { atMs: performance.now(), byS: (atMs - drawnMs) / 1000 };
  wasHidden = document.hidden;
  drawnMs = atMs;
  if (atMs < nextDraw) return;
  const began = performance.now();
  const nowS = socket.clock.now();
  if (nowS !== null) draw(nowS);
  if (atMs >= nextWords) {
    nextWords = atMs + WORDS_MS;
    words(nowS);
  }
  counters.messages = socket.messages;
  counters.drawMs = performance.now() - began;
  nextDraw = atMs + Math.min(200, Math.max(FRAME_MS, 2 * counters.drawMs));
}

function draw(nowS) {
  let fresh = 0;
  for (const one of runners.values()) fresh += one.draw(nowS);
  counters.frames++;
  counters.fresh += fresh > 0;
  for (const [device, one] of feet) {
    if (one.chart.last === null) continue;
    counters.ages.push([device, performance.now(), (socket.clock.now() - one.chart.last) * 1000]);
  }
  if (counters.ages.length > KEPT) counters.ages.splice(0, counters.ages.length - KEPT);
}

function words(nowS) {
  for (const one of runners.values()) one.words(nowS, counters.connected);
  if (!snapshot) return;
  const ages = new Map([...feet].map(([device, one]) => [device, one.age(nowS)]));
  view.drawHealth($("health"), snapshot.devices, ages, Boolean(snapshot.film));
  view.write($("state"), counters.connected ? view.stateText(snapshot) : "▲ not connected");
}
requestAnimationFrame(frame);
