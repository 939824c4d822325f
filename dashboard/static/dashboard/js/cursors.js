// What has been had of one session's log, and what to do with the next message about it.

export class Cursor {
  // `offset` is null until the first screen was drawn; `epoch` names the log it belongs to.
  constructor({ seq = 0, offset = null, epoch = null } = {}) {
    this.seq = seq;
    this.offset = offset;
    this.epoch = epoch;
    this.awaitsScreen = false;
  }

  // Return "redraw" (a whole screen), "draw", "old" (had already) or "gap" (something is missing).
  output(message) {
    if (message.replay) {
      this.offset = message.nextOffset;
      this.awaitsScreen = false;
      return "redraw";
    }
    if (this.awaitsScreen || (this.offset !== null && message.nextOffset <= this.offset)) return "old";
    if (this.offset !== null && message.offset !== this.offset) return "gap";
    this.offset = message.nextOffset;
    return "draw";
  }

  // Return whether the event is new.
  event({ seq }) {
    if (seq <= this.seq) return false;
    this.seq = seq;
    return true;
  }

  reset({ seq, offset }, epoch) {
    this.seq = seq;
    this.offset = offset;
    this.epoch = epoch ?? this.epoch;
    this.awaitsScreen = true;
  }

  // Forget the position: the next thing to come is a screen.
  drop() {
    this.offset = null;
    this.awaitsScreen = true;
  }

  toWire() {
    return { seq: this.seq, offset: this.offset, ...(this.epoch && { epoch: this.epoch }) };
  }
}
