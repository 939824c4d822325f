// Tells the server how far the output has been drawn: at most every 32 KiB, or when it goes quiet.

const EVERY_BYTES = 32 * 1024;
const IDLE_MS = 100;

export class Acknowledgements {
  #positions = new Map();
  #send;
  #timers;

  constructor(send, timers) {
    this.#send = send;
    this.#timers = timers;
  }

  // The first call for a session fixes where counting begins.
  drawn(sessionId, offset) {
    const at = this.#positions.get(sessionId) ?? { sent: 0, drawn: 0, timer: null };
    this.#positions.set(sessionId, at);
    at.drawn = Math.max(at.drawn, offset);
    if (at.drawn - at.sent >= EVERY_BYTES) this.#tell(sessionId, at);
    else at.timer ??= this.#timers.setTimeout(() => this.#tell(sessionId, at), IDLE_MS);
  }

  // Offsets of another log may be smaller than those of the one before.
  restart(sessionId) {
    this.#timers.clearTimeout(this.#positions.get(sessionId)?.timer);
    this.#positions.delete(sessionId);
  }

  clear() {
    for (const sessionId of [...this.#positions.keys()]) this.restart(sessionId);
  }

  #tell(sessionId, at) {
    this.#timers.clearTimeout(at.timer);
    at.timer = null;
    at.sent = at.drawn;
    this.#send({ type: "ack", sessionId, offset: at.drawn });
  }
}
