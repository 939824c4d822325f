// How facts about hosts read. No document here: it is tested by itself.

const STATES = { ready: "Ready", draining: "Draining", silent: "Silent", stopped: "Stopped" };

export const stateWord = (state) => STATES[state] ?? state;

// A host that is heard of all the time has nothing to say about it.
export function lastHeard({ state, silentSeconds }) {
  if (state !== "silent" && state !== "stopped") return "";
  const seconds = Math.round(silentSeconds);
  if (seconds < 60) return `Last heard of ${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `Last heard of ${minutes} min ago`;
  return `Last heard of ${Math.round(minutes / 60)} h ago`;
}

// The slots of hosts that answer, and how many are taken on all of them.
export function totals(hosts) {
  const answering = hosts.filter(({ state }) => state === "ready" || state === "draining");
  const sum = (list, field) => list.reduce((total, host) => total + host[field], 0);
  return { used: sum(hosts, "used"), slots: sum(answering, "slots") };
}
