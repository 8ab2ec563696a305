// What a person can ask: buttons, single keys, the target, notes, theme. Nothing is asked twice and each answer is shown.

import { figure, known, make, stanceName, unitName, write } from "./view.js";

const $ = (id) => document.getElementById(id);
const THEMES = ["auto", "light", "dark"];

const kept = {
  get(name, otherwise) {
    try { return localStorage.getItem(`grf-monitor-${name}`) ?? otherwise; } catch { return otherwise; }
  },
  set(name, value) {
    try { localStorage.setItem(`grf-monitor-${name}`, value); } catch { /* private window: not kept */ }
  },
};

export class Controls {
  /** @param on {theme(), cleared()} */
  constructor(socket, on) {
    Object.assign(this, { socket, on, devices: [], target: null, lastAlert: "" });
    this.theme(kept.get("theme", "auto"));
    this.buttons();
    this.keys();
    this.dialogs();
    this.targetForm();
    this.toldForm();
  }

  async ask(words, action, given) {
    write($("answer"), `${words}…`);
    const place = this.asked = (this.asked ?? 0) + 1;
    const answer = await this.socket.command(action, given);
    if (answer.ok && place < (this.answered ?? 0)) return answer; // a slow one's "done" does not hide a later answer
    this.answered = place;
    $("answer").classList.toggle("bad", !answer.ok);
    write($("answer"), answer.ok ? `${words}: done` : `${words}: ${answer.error}`);
    if (answer.ok && action === "clear") this.on.cleared();
    return answer;
  }

  buttons() {
    this.actions = {
      s: () => this.ask("Start", "start"),
      x: () => this.ask("Stop", "stop"),
      t: () => this.ask("Tare both", "tare"),
      m: () => this.ask("Mark", "mark", { text: "" }),
      n: () => this.openNote(),
      g: () => $("target-form").elements.low.focus(),
      c: () => this.ask("Forget stances", "clear"),
      d: () => this.theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]),
      "?": () => $("help-dialog").showModal(),
    };
    const keys = { start: "s", stop: "x", tare: "t", mark: "m", note: "n", theme: "d", help: "?" };
    for (const [id, key] of Object.entries(keys)) $(id).addEventListener("click", () => this.actions[key]());
  }

  keys() {
    $("keys-on").checked = kept.get("keys", "on") === "on";
    $("keys-on").addEventListener("change", (event) => kept.set("keys", event.target.checked ? "on" : "off"));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, select, textarea, dialog");
      if (typing || event.repeat || event.ctrlKey || event.altKey || event.metaKey || !$("keys-on").checked) return;
      const action = this.actions[event.key.length === 1 ? event.key.toLowerCase() : ""];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  openNote() {
    $("note-text").value = "";
    $("note-dialog").showModal();
    $("note-text").focus();
  }

  dialogs() {
    $("note-cancel").addEventListener("click", () => $("note-dialog").close());
    $("help-close").addEventListener("click", () => $("help-dialog").close());
    $("note-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("note-text").value.trim();
      $("note-dialog").close();
      if (text) this.ask("Note", "note", { text });
    });
  }

  theme(name) {
    document.documentElement.dataset.theme = THEMES.includes(name) ? name : "auto";
    kept.set("theme", name);
    write($("theme"), `Theme: ${name}`);
    this.on.theme();
  }

  targetForm() {
    const form = $("target-form");
    form.elements.feature.addEventListener("change", () => this.targetUnit());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const scale = form.elements.feature.value === "contact_s" ? 1e-3 : 1;
      const bound = (field) => (field.value === "" ? null : Number(field.value) * scale);
      const [low, high] = [bound(form.elements.low), bound(form.elements.high)];
      if (low === null && high === null || low !== null && high !== null && low >= high) {
        $("answer").classList.add("bad");
        write($("answer"), "Target: give a lower and an upper bound, the lower one first");
        return;
      }
      this.ask("Target", "target", { feature: form.elements.feature.value, low, high, side: form.elements.side.value || null });
    });
    $("target-clear").addEventListener("click", () => this.ask("Take target away", "target"));
  }

  toldForm() {
    $("told-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const filled = [...event.target.querySelectorAll("input")].filter((field) => field.value !== "");
      if (filled.length) this.ask("Tell", "set", Object.fromEntries(filled.map((field) => [field.name, Number(field.value)])));
    });
  }

  /** Fill in what was stated (--mass-kg, or by another page), where nobody types; once for each new value. */
  fillTold(stated) {
    for (const [name, value] of Object.entries(stated ?? {})) {
      const field = $("told-form").elements[name];
      if (!field || this.stated?.[name] === value || document.activeElement === field) continue;
      field.value = String(Number(value.toPrecision(6)));
      this.stated = { ...this.stated, [name]: value };
    }
  }

  targetUnit() {
    write($("target-form").querySelector('option[value="peak"]'), `peak ${stanceName(this.devices[0])}`);
    const unit = unitName(this.devices[0]?.stance_unit ?? "count");
    const feature = $("target-form").elements.feature.value;
    write($("target-unit"), { contact_s: "ms", peak: unit, loading_rate: `${unit}/s` }[feature]);
  }

  /** Take the state: buttons that make no sense are off, the target is told, one tare button per insole. */
  show(snapshot) {
    this.devices = snapshot.devices;
    this.target = snapshot.target;
    $("start").disabled = snapshot.running;
    $("stop").disabled = !snapshot.running;
    this.targetUnit();
    this.tareEach(snapshot.devices);
    this.fillTold(snapshot.stated);
    const target = snapshot.target;
    write($("target-now"), target ? `Target: ${this.targetText(target)}` : "No target is set.");
    if (!target) write($("target-alert"), "\u00a0");
  }

  tareEach(devices) {
    const names = devices.map((d) => `${d.device}${d.side}`).join();
    if ($("tare-each").dataset.names === names) return;
    $("tare-each").dataset.names = names;
    $("tare-each").replaceChildren(...devices.map((d) => {
      const label = devices.length > 2 ? `${d.side[0].toUpperCase()} ${Math.floor(d.device / 2) + 1}` : d.side[0].toUpperCase();
      const button = make("button", { type: "button", "aria-label": `Tare ${d.side} foot`, title: `Tare ${d.side} foot` }, label);
      button.addEventListener("click", () => this.ask(`Tare ${d.side}`, "tare", { device: d.device }));
      return button;
    }));
  }

  targetText({ feature, low, high, side }) {
    const unit = unitName(this.devices[0]?.stance_unit);
    const [scale, name, shown] = { contact_s: [1000, "contact time", "ms"], peak: [1, `peak ${stanceName(this.devices[0])}`, unit],
      loading_rate: [1, "loading rate", `${unit}/s`] }[feature] ?? [1, feature, ""];
    const bound = (value) => figure(value * scale);
    const range = known(low) && known(high) ? `${bound(low)} to ${bound(high)}` : known(low) ? `at least ${bound(low)}` : `at most ${bound(high)}`;
    return `${name}${side ? `, ${side}` : ""}: ${range} ${shown}`;
  }

  /** Say whether a stance kept to the target; read aloud only when it changes. */
  judge(stance, device) {
    if (!this.target || stance.within === null || stance.within === undefined) return;
    const value = stance.features[this.target.feature];
    const scale = this.target.feature === "contact_s" ? 1000 : 1;
    const way = known(value) && known(this.target.low) && value < this.target.low ? "▼ below" : "▲ above";
    const side = device?.side ?? "foot";
    const verdict = stance.within ? `✓ ${side} within the target` : `${way} the target, ${side}`;
    $("target-alert").classList.toggle("bad", !stance.within);
    $("target-alert").dataset.verdict = stance.within ? "within" : "outside";
    if (verdict !== this.lastAlert) write($("target-alert"), known(value) ? `${verdict} (${figure(value * scale)})` : verdict);
    this.lastAlert = verdict;
    if (!stance.within && $("sound").checked) this.beep(way.startsWith("▼") ? 330 : 660);
  }

  beep(hertz) {
    this.audio ??= new AudioContext();
    const [tone, loudness] = [this.audio.createOscillator(), this.audio.createGain()];
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.15, this.audio.currentTime);
    loudness.gain.exponentialRampToValueAtTime(0.001, this.audio.currentTime + 0.15);
    tone.connect(loudness).connect(this.audio.destination);
    tone.start();
    tone.stop(this.audio.currentTime + 0.16);
  }
}
