// What is written on the page: numbers with their units, states that say what is known, and nothing that pretends.

const NONE = "–";
const STATES = {
  scanning: "searching for the insole…",
  connecting: "connecting…",
  streaming: "streaming",
  stopped: "stopped",
  reconnecting: "connection lost, reconnecting…",
  lost: "lost: the insole does not answer",
  ended: "ended",
};
const UNITS = { count: "counts", counts: "counts", N: "N", BW: "BW" };
export const OLD_S = 0.5;

export const unitName = (unit) => UNITS[unit] ?? unit ?? "";
export const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

/** A number with as many digits as say something. */
export function figure(value, digits = 3) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
  return size === 0 ? "0" : value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
}

/** A number of things: no decimals. */
export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : NONE;
}

export function clockTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].map((n) => String(n).padStart(2, "0"));
  return h === "00" ? `${m}:${s}` : `${h}:${m}:${s}`;
}

function size(bytes) {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Set a text only where it changed: the browser lays out less, and readers hear less. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Whether samples are forces; a sum of cells is a load, in newtons by a calibration, too. */
export const isForce = (device) => Boolean(device) && !device.calibrated && device.force_unit !== "count";

/** What the samples of a foot, and of its stances, are called. */
export const sampleName = (device) => (isForce(device) ? "Force" : "Load");
export const stanceName = (device) => (device?.estimate ? "force" : "load");

/** Where the force of a curve comes from, in words: in a unit of force it is the insole's own samples (type 2). */
export function forceOrigin(device) {
  if (!device) return "";
  if (device.calibrated) return `sum of cells, calibrated with ${device.calibrated}`;
  return device.force_unit === "count" ? "sum of cells, uncalibrated" : "estimated on the device";
}

export const STANCE_ORIGIN = { device: "estimated on the device", host: "estimated on the host", cells: "sum of cells" };

/** What to say in big letters over a curve, or nothing where the data is fresh. */
export function overlayText(device, ageS, connected, page, behindS = 0) {
  if (!connected) return known(page) ? `page not connected for ${page.toFixed(1)} s` : "page not connected";
  if (!device) return "no insole on this foot yet";
  if (device.state === "streaming") {
    if (!known(ageS)) return "waiting for data…";
    if (ageS <= OLD_S) return "";
    // older than lateness explains: then it is the insole that is silent
    return behindS && ageS < OLD_S + 2 * behindS ? `this computer cannot keep up:\nsamples are ${ageS.toFixed(1)} s old` : `no data for ${ageS.toFixed(1)} s`;
  }
  const since = known(ageS) && device.state !== "stopped" && device.state !== "ended" ? `\nno data for ${ageS.toFixed(1)} s` : "";
  return `${STATES[device.state] ?? device.state}${since}`;
}

const FEATURES = [
  ["contact_s", "Contact time", (d) => [known(d.contact_s) ? d.contact_s * 1000 : null, "ms"]],
  ["peak", "Peak force", (d) => [d.peak, unitName(d.stance_unit)]],
  ["loading_rate", "Loading rate", (d) => [d.loading_rate, `${unitName(d.stance_unit)}/s`]],
];

function featureRow(label, read, pair) {
  const told = pair.map((device) => (device ? read(device) : [null, null]));
  const units = [...new Set(told.map(([, unit]) => unit).filter(Boolean))];
  const head = make("th", { scope: "row" }, label, make("span", { class: "unit" }, units.length === 1 ? units[0] : ""));
  const cells = told.map(([value, unit]) => {
    const cell = make("td", {}, make("span", { class: "value" }, figure(value)));
    if (units.length > 1 && known(value)) cell.append(" ", make("span", { class: "unit" }, unit));
    return cell;
  });
  return make("tr", {}, head, ...cells);
}

function asymmetryRow(percent) {
  const cell = make("td", { colspan: "2", class: "asymmetry" });
  const bar = make("span", { class: "balance", "aria-hidden": "true" }, make("i"));
  const known_ = known(percent);
  const share = Math.max(-1, Math.min(1, known_ ? percent / 20 : 0));
  bar.firstChild.style.transform = `translateX(${share < 0 ? 0 : -100}%) scaleX(${Math.abs(share)})`;
  bar.firstChild.style.transformOrigin = share < 0 ? "left" : "right";
  const higher = !known_ || Math.abs(percent) < 0.05 ? "" : percent > 0 ? "left higher" : "right higher";
  cell.append(bar, make("span", { class: "words" }, known_ ? `${Math.abs(percent).toFixed(1)} % ${higher}` : NONE));
  return make("tr", { class: "between" }, make("th", { scope: "row" }, "asymmetry"), cell);
}

/** The table of the last stances of one runner; `pair` holds the two feet's devices or null. */
export function drawNumbers(body, pair, asymmetry, film = false) {
  if (film) {
    // a film shows its near foot better than the other: nothing is told of their difference, nor of loading rates
    body.replaceChildren(...FEATURES.slice(0, 2).map(([, label, read]) => featureRow(label, read, pair)));
    return;
  }
  const rows = [];
  const cadences = pair.map((d) => d?.cadence_per_min).filter(known);
  const cadence = cadences.length ? cadences.reduce((a, b) => a + b, 0) / cadences.length : null;
  const both = make("td", { colspan: "2" }, make("span", { class: "value big" }, known(cadence) ? cadence.toFixed(0) : NONE));
  const why = pair.map((d) => d?.cadence_why).find(Boolean);
  if (!known(cadence) && why) both.append(" ", make("span", { class: "unit why" }, why));
  rows.push(make("tr", {}, make("th", { scope: "row" }, "Cadence", make("span", { class: "unit" }, "steps/min, both feet")), both));
  for (const [key, named, read] of FEATURES) {
    const label = key === "peak" ? `Peak ${stanceName(pair.find(Boolean))}` : named;
    const method = key === "loading_rate" ? pair.find(Boolean)?.loading_method : null;
    rows.push(featureRow(method ? `${label} (${method})` : label, read, pair));
    rows.push(asymmetryRow(asymmetry[key]));
  }
  body.replaceChildren(...rows);
}

const HEALTH = [
  ["State", (d) => (d.problem ? `${d.state} – ${d.problem}` : d.state)],
  ["Data age at drawing", (d, ages) => (known(ages.get(d.device)) ? `${(ages.get(d.device) * 1000).toFixed(0)} ms` : NONE)],
  ["Latency p50 / p99", (d) => {
    const { p50, p99 } = d.latency_ms ?? {};
    return known(p50) ? `${p50.toFixed(1)} / ${known(p99) ? p99.toFixed(1) : NONE} ms` : NONE;
  }],
  ["Packets lost", (d) => lost(d.packets_lost, d.packets)],
  ["Samples lost", (d) => lost(d.samples_lost, d.samples)],
  ["of them between connections", (d) => count(d.samples_lost_between)],
  ["Packets refused", (d) => [count(d.refused), ...Object.entries(d.refused_why ?? {}).map(([why, n]) => `${why}: ${n}`)].join(", ")],
  ["Reconnects", (d) => count(d.reconnects)],
  ["Clock uncertainty", (d) => (known(d.clock_uncertainty_ms) ? `± ${d.clock_uncertainty_ms.toFixed(2)} ms` : NONE)],
  ["Battery", (d) => (known(d.battery_percent) ? `${d.battery_percent} %${d.battery_percent <= 15 ? " – low" : ""}` : NONE)],
  ["Sampling", (d) => (known(d.rate_hz) ? `${figure(d.rate_hz)} Hz${known(d.mtu) ? `, MTU ${d.mtu}` : ""}` : NONE)],
  ["Stances", (d) => count(d.stances)],
  ["of them with missing samples", (d) => `${count(d.stances_bridged ?? 0)}${d.stances_bridged ? ", dashed, in no mean" : ""}`],
  ["Contacts refused", (d) => {
    const why = Object.entries(d.stances_refused ?? {});
    return [count(why.reduce((sum, [, n]) => sum + n, 0)), ...why.map(([name, n]) => `${name}: ${n}`)].join(", ");
  }],
  ["Estimate by", (d) => d.estimate ?? "nobody: sum of cells"],
];

const HEALTH_OF_FILM = [
  HEALTH[0],
  ["Told after a stance's end, p50 / p99", (d) => {
    const { p50, p99 } = d.latency_ms ?? {};
    return known(p50) ? `${(p50 / 1000).toFixed(1)} / ${known(p99) ? (p99 / 1000).toFixed(1) : NONE} s` : NONE;
  }],
  ["Pictures skipped", (d) => lost(d.samples_lost, d.samples)],
  ["Stances", (d) => count(d.stances)],
  ["Estimate by", (d) => d.estimate],
];

function lost(missing, arrived) {
  const all = missing + arrived;
  return all ? `${count(missing)} (${((100 * missing) / all).toFixed(2)} %)` : NONE;
}

/** Signal health: a row for each quantity, a column for each insole. Cells are kept, so that nothing jumps. */
export function drawHealth(table, devices, ages, film = false) {
  const rows = film ? HEALTH_OF_FILM : HEALTH;
  const columns = devices.map((d) => `${d.device}${d.side}${d.name}`).join("|");
  if (table.dataset.columns !== columns) {
    table.dataset.columns = columns;
    const heads = devices.map((d) => make("th", { scope: "col", title: d.address },
      make("span", { class: `badge ${d.side}` }, d.side === "left" ? "L" : "R"), ` ${d.name || d.side}`));
    table.tHead.replaceChildren(make("tr", {}, make("th", { scope: "col" }, film ? "Foot" : "Insole"), ...heads));
    table.tBodies[0].replaceChildren(...rows.map(([label]) =>
      make("tr", {}, make("th", { scope: "row" }, label), ...devices.map(() => make("td")))));
  }
  rows.forEach(([, read], row) => devices.forEach((device, column) => {
    write(table.tBodies[0].rows[row].cells[column + 1], String(read(device, ages)));
  }));
}

/** Battery and loss of one insole, below its picture. */
export function signalText(device) {
  if (!device) return "";
  const battery = known(device.battery_percent) ? `battery ${device.battery_percent} %${device.battery_percent <= 15 ? ", low" : ""}` : "battery –";
  const all = device.packets + device.packets_lost;
  return `${battery}\n${all ? `lost ${((100 * device.packets_lost) / all).toFixed(2)} %` : "lost –"}`;
}

/** The recording in one line, a problem first. */
export function recordingText(recording) {
  if (!recording) return { text: "not recording", bad: false };
  const name = String(recording.path ?? "").split(/[\\/]/).pop();
  const facts = [known(recording.seconds) ? clockTime(recording.seconds) : null,
    known(recording.bytes) ? size(recording.bytes) : null, name].filter(Boolean).join(" · ");
  const missing = recording.lost ? `, ${count(recording.lost)} packets not written` : "";
  if (recording.problem) return { text: `recording in trouble: ${recording.problem}${missing} · ${facts}`, bad: true };
  return { text: `● recording ${facts}${missing}`, bad: Boolean(recording.lost) };
}

/** Where the data comes from, in words that nobody takes for the other. */
export function sourceText(snapshot) {
  if (snapshot.replay) return ["REPLAY", `replay of ${String(snapshot.replay).split(/[\\/]/).pop()}`];
  if (snapshot.film) return ["FILM", `${snapshot.film}: stances appear after they ended`];
  if (snapshot.demo) return ["DEMO", "virtual insoles, simulated data"];
  return ["LIVE", "real insoles"];
}

/** The state of all insoles in two or three words. */
export function stateText(snapshot) {
  if (snapshot.behind_s) return "▲ this computer cannot keep up";
  const states = snapshot.devices.map((d) => d.state);
  if (!states.length) return "▲ searching for insoles";
  const streaming = states.filter((one) => one === "streaming").length;
  if (streaming === states.length) return "● streaming";
  if (streaming) return `▲ ${streaming} of ${states.length} streaming`;
  if (states.every((one) => one === "stopped")) return "■ stopped";
  if (states.every((one) => one === "ended")) return "■ ended";
  return `▲ ${states.find((one) => one !== "stopped") ?? states[0]}`;
}

const HAPPENED = {
  mark: "Mark", note: "Note", tare: "Tare", connected: "Connected", disconnected: "Disconnected",
  reconnected: "Reconnected", problem: "Problem", alert: "Alert", target: "Target", clear: "Stances forgotten", set: "Set",
  start: "Start", stop: "Stop",
};

/** One line of the log. */
export function logLine(event, devices) {
  const device = devices.find((one) => one.device === event.device);
  const line = make("li", { class: event.kind }, make("time", {}, clockTime(event.time_s)), " ",
    make("b", {}, HAPPENED[event.kind] ?? event.kind));
  if (device) line.append(` ${device.side}`);
  if (event.text) line.append(`: ${event.text}`);
  return line;
}
