// Tells the server how far the output has been drawn: every 32 KiB, or after a second.
// Less than a quarter of the server's window is unacknowledged by that, so nothing waits for it,
// and a wall of terminals that print a few lines a second does not keep the server busy.

const EVERY_BYTES = 32 * 1024;
const AFTER_MS = 1000;

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
    else at.timer ??= this.#timers.setTimeout(() => this.#tell(sessionId, at), AFTER_MS);
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
