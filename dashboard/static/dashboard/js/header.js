// The header of every page: whether the page is live, and how many sessions wait.

const ENDED = {
  4401: document.body.dataset.role === "guest" ? "Ended" : "Logged out",
  4403: "Not allowed",
};

const connection = document.getElementById("connection");
const connectionText = document.getElementById("connection-text");
const pill = document.getElementById("waiting-pill");
const icon = document.querySelector('link[rel="icon"]');
const plainTitle = document.title;

let state = { state: "connecting" };

function words() {
  if (state.state === "live") return "Live";
  if (state.state === "offline") return "Offline";
  if (state.state === "ended") return ENDED[state.code] ?? "Disconnected";
  if (state.state === "connecting") return "Connecting";
  const seconds = Math.ceil((state.retryAt - Date.now()) / 1000);
  return seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting";
}

function draw() {
  connection.dataset.state = state.state;
  connectionText.textContent = words();
  connection.title = `The connection to the server: ${words().toLowerCase()}`;
}

export function showState(next) {
  // A page that tries again at once does not flicker between two words.
  const retries = next.state === "connecting" && "retryAt" in state;
  state = retries ? { ...state, retryAt: 0 } : next;
  draw();
}

export function showWaiting(count) {
  if (pill) {
    pill.hidden = count === 0;
    document.getElementById("waiting-count").textContent = count;
  }
  const title = currentTitle();
  document.title = count > 0 ? `(${count}) ${title}` : title;
  const href = count > 0 ? icon.dataset.waiting : icon.dataset.calm;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

let ownTitle = null;
const currentTitle = () => ownTitle ?? plainTitle;

// A page whose subject was renamed.
export function setTitle(title, waiting) {
  ownTitle = `${title} · Session harness`;
  showWaiting(waiting);
}

setInterval(() => state.state === "lost" && draw(), 500);
