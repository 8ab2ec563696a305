// What the page shows and asks; signals.js and likelihood.js draw.

import { LikelihoodChart } from "./likelihood.js";
import { SignalChart, colourOf, css, keyOf } from "./signals.js";

const $ = (id) => document.getElementById(id);
const THEMES = ["auto", "light", "dark"];
const state = { about: null, clock: 0, drafts: [], likely: null, place: -1, asked: 0, ended: false };
const draft = () => state.drafts[state.clock];
const own = () => state.about.clocks[state.clock];
const ms = (seconds) => `${seconds >= 0 ? "+" : "−"}${Math.abs(1e3 * seconds).toFixed(Math.abs(seconds) < 0.1 ? 1 : 0).replace(/\.0$/, "")} ms`;

const signed = (value, digits) => {
  const text = Math.abs(value).toFixed(digits);
  return +text ? `${value > 0 ? "+" : "−"}${text}` : text;
};

async function ask(path, body) {
  const answer = await fetch(`api/${path}`, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
  const text = await answer.text();
  let document_;
  try { document_ = JSON.parse(text); } catch { document_ = { error: text.trim() }; }
  if (!answer.ok) throw new Error(document_.error ?? `the review answered ${answer.status}`);
  return document_;
}

function say(text, bad = false) {
  $("answer").textContent = text;
  $("answer").classList.toggle("bad", bad);
}

const asPlain = () => ({ clock: state.clock, shift_s: draft().shift_s, fitted: draft().fitted, edits: draft().edits });

const chart = new SignalChart($("plot"), {
  wants: () => refresh(),
  moves: (by) => moveTo(draft().shift_s + by),
  edits: { move: moveContact, add: addContact },
});
const curve = new LikelihoodChart($("curve"), (shift) => goTo(shift));

// One request of each kind under way; the last wish wins.
const lines = {};
function latest(name, work) {
  const line = (lines[name] ??= { busy: false, next: null });
  if (line.busy) { line.next = work; return; }
  line.busy = true;
  work().catch((error) => { if (!state.ended) say(`The review does not answer: ${error.message}`, true); }).finally(() => {
    line.busy = false;
    const next = line.next;
    line.next = null;
    if (next) latest(name, next);
  });
}

function refresh() {
  latest("signals", async () => {
    const [start, end] = chart.view;
    const room = 0.5 * (end - start);
    const asked = { ...asPlain(), start_s: start - room, end_s: end + room, columns: Math.min(1600, 2 * Math.round($("plot").clientWidth)) };
    const answer = await ask("signals", asked);
    if (asked.clock !== state.clock) return;
    // what is asked of an older shift is drawn moved on by what came since
    chart.data = answer;
    chart.takenAt = asked.shift_s;
    chart.shift = draft().shift_s;
    chart.draw();
    window.grfReview.drawn += 1;
  });
}

function weigh() {
  latest("likelihood", async () => {
    const asked = asPlain();
    const answer = await ask("likelihood", asked);
    if (asked.clock !== state.clock) return;
    state.likely = answer;
    showLikely();
    window.grfReview.weighed += 1;
  });
}

function moveTo(shift) {
  draft().shift_s = Math.round(shift * 1e4) / 1e4;
  chart.move(draft().shift_s);
  showMoved();
  refresh();
  weigh();
}

/** Go to a shift that is counted from the trial's own clock, whatever was fitted since. */
function goTo(shift) {
  const shown = state.likely?.shift_s ?? draft().shift_s;
  moveTo(draft().shift_s + shift - shown);
}

function showMoved() {
  const { shift_s: shift, fitted } = draft();
  const parts = [];
  if (fitted) parts.push("fitted to the contacts");
  if (shift) parts.push(`moved by ${ms(shift)}`);
  $("moved").textContent = parts.join(", ") || "where the trial has it";
  const clock = own();
  const base = fitted ?? clock;
  const offset = `${(base.offset_s + shift).toFixed(4).replace("-", "−")} s`;
  const drift = `${(+base.drift_ppm).toFixed(1).replace("-", "−")} ppm`;
  const sure = clock.uncertainty_ms === null || shift || fitted ? "" : `, ±${clock.uncertainty_ms.toFixed(1)} ms (95 %)`;
  $("offset").textContent = `offset ${offset}, drift ${drift}${sure}${clock.pieces > 1 ? `, ${clock.pieces} pieces moved together` : ""}`;
  const range = Math.max(200, Math.ceil(Math.abs(1e3 * shift) / 100 + 2) * 100, Math.round(1e3 * (clock.step_s ?? 0.5)));
  $("slider").min = -range;
  $("slider").max = range;
  $("slider").value = Math.round(1e3 * shift);
  $("slider").setAttribute("aria-valuetext", $("moved").textContent);
}

function showLikely() {
  const { nats, best_nats: best, nearest, places, why } = state.likely;
  const none = nats === null || nats === undefined;
  $("nats").textContent = none ? "–" : `${nats.toFixed(1).replace("-", "−")} nats`;
  if (none) {
    $("nats-words").textContent = why ? `No contacts to compare: ${why}` : "No contacts match anywhere near.";
  } else {
    const lead = nats - best > -0.05 ? "the likeliest place found" : `${(best - nats).toFixed(1)} less than the likeliest place`;
    const chance = nats < 0 ? "; worse than two recordings that have nothing to do with each other" : "";
    const off = state.likely.shift_s - nearest.shift_s;
    const match = `${nearest.matched} of ${nearest.possible} contacts match`;
    const far = Math.abs(off) > 0.15 ? "no contacts match here"
      : Math.abs(off) < 5e-5 ? `where the contacts fit best (SD ${nearest.sd_ms.toFixed(1)} ms); ${match}`
      : `${Math.abs(1e3 * off).toFixed(1)} ms ${off >= 0 ? "later" : "earlier"} than the contacts fit best (SD ${nearest.sd_ms.toFixed(1)} ms); ${match}`;
    $("nats-words").textContent = `${lead}; ${far}${chance}.`;
  }
  if (state.likely.curve) curve.take(state.likely.curve, best, state.likely.shift_s);
  const body = document.createElement("tbody");
  places.forEach((place) => {
    const row = body.insertRow();
    const here = Math.abs(place.shift_s - state.likely.shift_s) < 0.06;
    row.className = here ? "here" : "";
    const steps = own().step_s ? ` (${signed(place.shift_s / own().step_s, 1)} steps)` : "";
    row.insertCell().textContent = `${signed(place.shift_s, 3)} s${steps}`;
    row.insertCell().textContent = place.nats.toFixed(1).replace("-", "−");
    row.insertCell().textContent = `${place.matched} of ${place.possible}`;
    const go = document.createElement("button");
    go.type = "button";
    go.className = "quiet";
    go.textContent = here ? "here" : "Go";
    go.disabled = here && Math.abs(place.shift_s - state.likely.shift_s) < 0.0005;
    go.addEventListener("click", () => goTo(place.shift_s));
    row.insertCell().append(go);
  });
  $("places").tBodies[0].replaceWith(body);
  $("places").hidden = !places.length;
}

function bestNear() {
  const nearest = state.likely?.nearest;
  if (nearest) goTo(nearest.shift_s);
}

function nextPlace() {
  const places = state.likely?.places ?? [];
  if (!places.length) return;
  const here = places.findIndex((place) => Math.abs(place.shift_s - state.likely.shift_s) < 0.06);
  goTo(places[(here + 1) % places.length].shift_s);
}

// --- contacts -------------------------------------------------------------------------------------------------------

function changed() {
  showEdits();
  refresh();
  weigh();
}

function moveContact(contact, by) {
  const edits = draft().edits.filter((edit) => !(edit.on === contact.on && edit.now_s === contact.own_s && edit.was_s === contact.was_s));
  const was = contact.was_s;
  const now = contact.own_s + by;
  edits.push({ on: contact.on, was_s: was, now_s: now, foot: contact.foot });
  draft().edits = edits;
  chart.marked = was === null ? `${contact.on} new ${now}` : chart.marked;
  changed();
}

function deleteContact() {
  const contact = chart.markedContact();
  if (!contact) { say("Click a triangle first, then press Del."); return; }
  const edits = draft().edits.filter((edit) => !(edit.on === contact.on && edit.now_s === contact.own_s && edit.was_s === contact.was_s));
  if (contact.was_s !== null) edits.push({ on: contact.on, was_s: contact.was_s, now_s: null, foot: contact.foot });
  draft().edits = edits;
  chart.marked = null;
  changed();
}

function addContact(on, at) {
  if (!chart.data) return;
  const { at_s: middle, own_s: onDevice } = chart.data.middle;
  const moved = draft().shift_s - chart.takenAt;
  const now = on === "reference" ? at : onDevice + (at - moved - middle);
  draft().edits = [...draft().edits, { on, was_s: null, now_s: now, foot: Number($("foot").value) }];
  changed();
}

function showEdits() {
  $("edits").replaceChildren(...draft().edits.map((edit, number) => {
    const row = document.createElement("li");
    const what = edit.was_s === null ? `added at ${edit.now_s.toFixed(3)} s`
      : edit.now_s === null ? `at ${edit.was_s.toFixed(3)} s deleted`
        : `at ${edit.was_s.toFixed(3)} s moved by ${ms(edit.now_s - edit.was_s)}`;
    row.append(`${edit.on}: contact ${what}`);
    const undo = document.createElement("button");
    undo.type = "button";
    undo.className = "quiet";
    undo.textContent = "Undo";
    undo.addEventListener("click", () => { draft().edits = draft().edits.filter((_, k) => k !== number); changed(); });
    row.append(undo);
    return row;
  }));
}

async function fit() {
  try {
    const answer = await ask("fit", asPlain());
    draft().fitted = answer.fitted;
    draft().shift_s = 0;
    $("fit-words").textContent = `${answer.matched} contacts, ±${answer.uncertainty_ms.toFixed(1)} ms (95 %)`;
    $("decide-form").elements.sure.value = answer.uncertainty_ms.toFixed(1);
    chart.data = null;
    showMoved();
    refresh();
    weigh();
  } catch (error) {
    $("fit-words").textContent = error.message;
  }
}

function reset() {
  draft().fitted = null;
  $("fit-words").textContent = "";
  $("decide-form").elements.sure.value = "";
  moveTo(0);
}

// --- decisions ------------------------------------------------------------------------------------------------------

async function decide(accept) {
  const form = $("decide-form").elements;
  const sure = parseFloat(form.sure.value);
  say("Writing…");
  try {
    const answer = await ask("decide", {
      ...asPlain(), accept, who: form.who.value, note: form.note.value, uncertainty_ms: Number.isFinite(sure) ? sure : null,
    });
    own().decision = { accept, note: form.note.value };
    draft().decided = JSON.stringify(asPlain());
    say(`${accept ? "Accepted" : "Refused"} by hand and written; the trial is now ${answer.verdict}.`);
    $("verdict").textContent = `${answer.verdict}, by hand`;
    $("verdict").classList.add("by-hand");
    showClocks();
  } catch (error) {
    say(error.message, true);
  }
}

const undecided = () => state.about.clocks.map((clock, number) => ({ clock, it: state.drafts[number], number })).filter(
  ({ it, number }) => (it.shift_s || it.fitted || it.edits.length)
    && it.decided !== JSON.stringify({ clock: number, shift_s: it.shift_s, fitted: it.fitted, edits: it.edits }));

async function finish(sure = false) {
  const open = undecided();
  if (open.length && !sure) {
    $("undecided").textContent = `Not decided: ${open.map(({ clock }) => clock.streams.join(", ")).join("; ")} was changed here, and neither accepted nor refused. Nothing of that is written.`;
    $("finish-dialog").showModal();
    return;
  }
  try {
    await ask("finish", {});
    state.ended = true;
    const told = document.createElement("p");
    told.className = "ended";
    told.textContent = "The review has ended. This page can be closed.";
    $("finish-dialog").close();
    $("main").replaceChildren(told);
    $("finish").disabled = true;
  } catch (error) {
    say(error.message, true);
  }
}

// --- clocks ---------------------------------------------------------------------------------------------------------

function showClocks() {
  const clocks = state.about.clocks;
  $("clocks").hidden = clocks.length < 2;
  $("clocks").replaceChildren(...clocks.map((clock, number) => {
    const button = document.createElement("button");
    button.type = "button";
    const mark = clock.decision ? (clock.decision.accept ? " ✓ accepted" : " ✗ refused") : "";
    button.textContent = clock.streams.join(", ") + mark;
    button.setAttribute("aria-pressed", String(number === state.clock));
    button.addEventListener("click", () => openClock(number));
    return button;
  }));
}

function openClock(number) {
  state.clock = number;
  state.likely = null;
  const clock = own();
  showClocks();
  const [start, end] = [clock.start_s, clock.end_s];
  chart.view = [clock.look_s - 3, clock.look_s + 3];
  chart.open(clock.streams, clock.sides, [start, end], clock.reference);
  const keys = [["area", `reference: ${clock.reference.replace(" (N)", "")}`, "--text-soft"],
    ...clock.streams.map((name, n) => [n > 1 ? "dashed" : "", name, colourOf(clock.sides[n], n)])];
  $("legend").replaceChildren(...keys.map(([kind, name, colour]) => {
    const key = document.createElement("span");
    key.className = kind;
    key.textContent = name;
    key.style.setProperty("--key", `var(${colour})`);
    return key;
  }));
  const why = [];
  if (clock.before) why.push(`Earlier: ${clock.before}.`);
  if (clock.verdict === "refused") why.push(...clock.reasons.map((reason) => (/^if the /.test(reason) ? `To do: ${reason}` : `Refused: ${reason}`)));
  else if (clock.margin !== null) why.push(`Aligned with a margin of ${clock.margin.toFixed(0)} nats.`);
  else if (clock.origin !== "estimated") why.push(`The clock was stated (${clock.origin}), not estimated.`);
  $("why").textContent = why.join("\n");
  showMoved();
  showEdits();
  refresh();
  weigh();
}

// --- keys and buttons -----------------------------------------------------------------------------------------------

const KEYS = {
  "+": () => chart.zoom(0.6), "=": () => chart.zoom(0.6), "-": () => chart.zoom(1.7),
  ",": () => chart.pan(-0.25), ".": () => chart.pan(0.25),
  z: () => half(), w: () => chart.look(...chart.limits), b: bestNear, n: nextPlace, Home: reset,
  e: () => { $("editing").click(); }, f: fit, Delete: () => chart.editing && deleteContact(), Backspace: () => chart.editing && deleteContact(),
  a: () => $("accept").focus(), r: () => $("refuse").focus(), d: theme, "?": () => $("help-dialog").showModal(),
};

function half() {
  const near = chart.contacts().find((one) => one.on === "reference" && one.x > (chart.view[0] + chart.view[1]) / 2 - 0.3);
  const middle = near ? near.x + 0.05 : (chart.view[0] + chart.view[1]) / 2;
  chart.look(middle - 0.25, middle + 0.25);
}

function onKey(event) {
  if (state.ended || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches?.("input:not([type=range]):not([type=checkbox]), select, textarea");
  if (typing) { if (event.key === "Escape") event.target.blur(); return; }
  const step = own().step_s ?? 0.35;
  const by = { ArrowLeft: -1e-3, ArrowRight: 1e-3, PageUp: step, PageDown: -step }[event.key];
  if (by !== undefined) {
    event.preventDefault();
    moveTo(draft().shift_s + (event.shiftKey && event.key.startsWith("Arrow") ? 10 * by : by));
    return;
  }
  const work = KEYS[event.key];
  if (!work) return;
  event.preventDefault();
  work();
}

function theme() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  $("theme").textContent = `Theme: ${next}`;
  chart.draw();
  curve.plot.redraw(false);
}

function listen() {
  document.addEventListener("keydown", onKey);
  $("slider").addEventListener("input", () => moveTo($("slider").value / 1e3));
  for (const button of document.querySelectorAll(".nudges button")) {
    button.addEventListener("click", () => moveTo(draft().shift_s
      + (button.dataset.ms ? button.dataset.ms / 1e3 : button.dataset.step * (own().step_s ?? 0.35))));
  }
  $("zoom-in").addEventListener("click", KEYS["+"]);
  $("zoom-out").addEventListener("click", KEYS["-"]);
  $("zoom-step").addEventListener("click", half);
  $("zoom-all").addEventListener("click", KEYS.w);
  $("best-near").addEventListener("click", bestNear);
  $("next-place").addEventListener("click", nextPlace);
  $("reset").addEventListener("click", reset);
  $("fit").addEventListener("click", fit);
  $("editing").addEventListener("change", () => {
    chart.editing = $("editing").checked;
    $("plot").classList.toggle("editing", chart.editing);
    chart.draw();
  });
  const middle = () => (chart.view[0] + chart.view[1]) / 2;
  $("add-reference").addEventListener("click", () => addContact("reference", middle()));
  $("add-device").addEventListener("click", () => addContact("device", middle()));
  $("decide-form").addEventListener("submit", (event) => {
    event.preventDefault();
    decide(event.submitter?.value !== "refuse");
  });
  $("theme").addEventListener("click", theme);
  $("help").addEventListener("click", () => $("help-dialog").showModal());
  $("help-close").addEventListener("click", () => $("help-dialog").close());
  $("finish").addEventListener("click", () => finish());
  $("finish-anyway").addEventListener("click", () => finish(true));
  $("finish-not").addEventListener("click", () => $("finish-dialog").close());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chart.draw(); curve.plot.redraw(false); });
}

async function begin() {
  state.about = await ask("review");
  const { name, participant, surface, mass_kg: mass, verdict, out, who, clocks } = state.about;
  document.title = `Review: ${name}`;
  $("title").textContent = `Review: ${name}`;
  $("facts").textContent = [participant, surface, mass === null ? "" : `${mass} kg`].filter(Boolean).join(" · ");
  $("verdict").textContent = verdict;
  $("out").textContent = out;
  $("decide-form").elements.who.value = who;
  state.drafts = clocks.map(({ draft: kept }) => ({
    shift_s: kept?.shift_s ?? 0, fitted: kept?.fitted ?? null, edits: kept?.edits ?? [],
  }));
  listen();
  openClock(0);
}

window.grfReview = { drawn: 0, weighed: 0, state, chart, curve, keyOf, css };
begin().catch((error) => { $("verdict").textContent = error.message; });
