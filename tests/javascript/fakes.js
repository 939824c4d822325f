// Time and a socket that the tests hold in their hands.

export class Clock {
  now = 1_000_000;
  #timers = new Map();
  #lastId = 0;

  setTimeout(action, delay) {
    return this.#add({ action, at: this.now + delay });
  }

  setInterval(action, every) {
    return this.#add({ action, at: this.now + every, every });
  }

  clearTimeout(id) {
    this.#timers.delete(id);
  }

  clearInterval(id) {
    this.#timers.delete(id);
  }

  get waiting() {
    return this.#timers.size;
  }

  // Let time pass and run what falls due, in order.
  pass(milliseconds) {
    const until = this.now + milliseconds;
    for (let next = this.#next(until); next; next = this.#next(until)) {
      const [id, timer] = next;
      this.now = timer.at;
      if (timer.every) timer.at += timer.every;
      else this.#timers.delete(id);
      timer.action();
    }
    this.now = until;
  }

  #add(timer) {
    this.#lastId += 1;
    this.#timers.set(this.#lastId, timer);
    return this.#lastId;
  }

  #next(until) {
    const due = [...this.#timers].filter(([, { at }]) => at <= until);
    return due.sort(([, a], [, b]) => a.at - b.at)[0];
  }
}

export class FakeSocket {
  readyState = 1;
  sent = [];
  isClosed = false;

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
    this.readyState = 3;
  }

  // The server's side.
  says(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  drops(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  ofType(type) {
    return this.sent.filter((message) => message.type === type);
  }
}
