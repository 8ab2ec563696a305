// The WebSocket: opens again with back-off, asks for the server's clock, and matches answers to what was asked.

const HEAD_BYTES = 24;
const VERSION = 1;
const SILENT_MS = 6000;
const ANSWER_MS = 30000;

/** Decode one batch: times in seconds of the server's clock, then columns (force, cells). Throws where it is none. */
export function decodeBatch(buffer) {
  if (buffer.byteLength < HEAD_BYTES) throw new Error(`a batch of ${buffer.byteLength} bytes has no head`);
  const view = new DataView(buffer);
  const version = view.getUint8(0);
  const n = view.getUint16(2, true);
  const m = view.getUint16(4, true);
  if (version !== VERSION || buffer.byteLength !== HEAD_BYTES + 4 * n * (m + 1)) {
    throw new Error(`a batch of version ${version}, ${n} samples and ${buffer.byteLength} bytes is not understood`);
  }
  const first = view.getFloat64(8, true);
  const after = new Float32Array(buffer, HEAD_BYTES, n);
  const columns = [];
  for (let k = 0; k < m; k++) columns.push(new Float32Array(buffer, HEAD_BYTES + 4 * n * (k + 1), n));
  return {
    device: view.getUint8(1),
    gap: (view.getUint16(6, true) & 1) === 1,
    sentS: view.getFloat64(16, true),
    timeS: Float64Array.from(after, (seconds) => first + seconds),
    columns,
  };
}

/** The server's clock as this page knows it: the offset of the shortest round trip among the last. */
class ServerClock {
  constructor() { this.trips = []; }

  learn(sentMs, receivedMs, serverS) {
    this.trips.push({ trip: receivedMs - sentMs, offset: serverS - (sentMs + receivedMs) / 2000 });
    if (this.trips.length > 16) this.trips.shift();
  }

  get best() {
    return this.trips.length ? this.trips.reduce((a, b) => (b.trip < a.trip ? b : a)) : null;
  }

  now() {
    const best = this.best;
    return best ? performance.now() / 1000 + best.offset : null;
  }
}

export class Socket {
  /** @param on {text(content), batch(batch), open(hello), closed(waitMs), broken(error)} */
  constructor(url, on) {
    Object.assign(this, { url, on, attempts: 0, opened: 0, messages: 0, asked: 0 });
    this.waiting = new Map();
    this.clock = new ServerClock();
    this.open();
    setInterval(() => this.beat(), 1000);
  }

  get connected() { return this.socket.readyState === WebSocket.OPEN; }

  open() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardMs = performance.now();
    socket.onopen = () => {
      this.clock = new ServerClock();
      for (const wait of [0, 150, 300, 450]) setTimeout(() => this.ping(), wait);
    };
    socket.onmessage = (event) => { if (socket === this.socket) this.take(event.data); };
    socket.onclose = () => { if (socket === this.socket) this.again(); };
  }

  again() {
    for (const { settle } of this.waiting.values()) settle({ ok: false, error: "the connection was lost before the answer" });
    this.waiting.clear();
    const waitMs = Math.min(5000, 250 * 2 ** this.attempts++) * (0.8 + 0.4 * Math.random());
    this.on.closed(waitMs);
    setTimeout(() => this.open(), waitMs);
  }

  take(data) {
    this.heardMs = performance.now();
    this.messages++;
    try {
      if (typeof data === "string") this.read(JSON.parse(data));
      else this.on.batch(decodeBatch(data));
    } catch (error) {
      this.on.broken(error);
    }
  }

  read(content) {
    if (content.type === "pong") this.clock.learn(content.t, this.heardMs, content.server_s);
    else if (content.type === "answer") this.waiting.get(content.id)?.settle(content);
    else if (content.type === "hello") {
      this.attempts = 0;
      this.opened++;
      this.on.open(content);
    } else this.on.text(content);
  }

  beat() {
    if (!this.connected) return;
    if (performance.now() - this.heardMs > SILENT_MS) {
      const old = this.socket;
      old.onclose = null;
      old.close();
      this.again();
    } else this.ping();
  }

  ping() {
    if (this.connected) this.socket.send(JSON.stringify({ type: "ping", id: ++this.asked, t: performance.now() }));
  }

  /** Tell how many batches of this connection were taken, now and then: what is not taken is not sent after. */
  seen(batches) {
    if (batches % 4 === 1 && this.connected) this.socket.send(JSON.stringify({ type: "seen", batches }));
  }

  /** Ask the hub; resolves to its answer, never rejects. */
  command(action, { device = null, ...given } = {}) {
    if (!this.connected) return Promise.resolve({ ok: false, error: "not connected to the monitor" });
    const id = ++this.asked;
    return new Promise((resolve) => {
      const late = setTimeout(() => settle({ ok: false, error: `no answer within ${ANSWER_MS / 1000} s` }), ANSWER_MS);
      const settle = (answer) => {
        clearTimeout(late);
        this.waiting.delete(id);
        resolve(answer);
      };
      this.waiting.set(id, { settle });
      this.socket.send(JSON.stringify({ type: "command", id, action, device, arguments: given }));
    });
  }
}
