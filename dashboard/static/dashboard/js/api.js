// The REST interface, as the pages use it.

// A refusal of the server: a sentence, its code, and what is wrong with which field.
export class Refusal extends Error {
  constructor(status, { error, code, fields } = {}) {
    super(error ?? `The server answered ${status}.`);
    this.status = status;
    this.code = code ?? "";
    this.fields = fields ?? {};
  }
}

const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

async function request(method, path, { body, headers = {} } = {}) {
  const init = { method, headers: { Accept: "application/json", ...headers } };
  if (method !== "GET") init.headers["X-CSRFToken"] = token();
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(path, init).catch(() => {
    throw new Refusal(0, { error: "The server cannot be reached.", code: "unreachable" });
  });
  if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

async function json(method, path, options) {
  const answer = await request(method, path, options);
  return answer.status === 204 ? null : answer.json().catch(() => null);
}

const of = (id, part = "") => `/api/sessions/${encodeURIComponent(id)}${part}`;

export const api = {
  sessions: (limit) => json("GET", `/api/sessions?limit=${limit}`),
  session: (id) => json("GET", of(id)),
  start: (launch) => json("POST", "/api/sessions", { body: launch }),
  rename: (id, name) => json("PATCH", of(id), { body: { name } }),
  showToTeam: (id, team) => json("PATCH", of(id), { body: { team } }),
  shares: (id) => json("GET", of(id, "/shares")),
  share: (id, hours) => json("POST", of(id, "/shares"), { body: { hours } }),
  withdraw: (id, link) => json("DELETE", of(id, `/shares/${link}`)),
  end: (id) => json("POST", of(id, "/end"), { body: {} }),
  input: (id, input) => json("POST", of(id, "/input"), { body: input }),
  events: (id, after) => json("GET", of(id, `/events?after=${after}&limit=500`)),
  screen: (id) => json("GET", of(id, "/screen")),
  hosts: () => json("GET", "/api/hosts"),
  drain: (name, draining) =>
    json("PATCH", `/api/hosts/${encodeURIComponent(name)}`, { body: { draining } }),
  directories: (path, host = "") => {
    const query = new URLSearchParams(host ? { path, host } : { path });
    return json("GET", `/api/directories?${query}`);
  },
};

// The raw output of a session, as a stream of bytes.
export async function rawOutput(id) {
  const answer = await request("GET", of(id, "/output"), {
    headers: { Accept: "application/octet-stream" },
  });
  return answer.body;
}
