// Lets this browser in with the secret that came in the address's fragment: a one-time link that
// logs in, or a link that shows one session and says where that is.

const state = document.getElementById("login-state");

function show(text, isBad) {
  state.textContent = text;
  state.classList.toggle("bad", isBad);
}

// Only an address of this server, so that a link cannot lead elsewhere after the login.
function destination() {
  const asked = new URLSearchParams(location.search).get("next") ?? "/";
  const target = new URL(asked, location.origin);
  return target.origin === location.origin ? target.href : "/";
}

async function redeem(token) {
  show("One moment …", false);
  const answer = await fetch(document.body.dataset.linkUrl, {
    method: "POST",
    headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
    body: new URLSearchParams({ token }),
  }).catch(() => null);
  if (answer?.ok) location.replace(answer.status === 200 ? (await answer.json()).next : destination());
  else if (answer === null) show("The server cannot be reached. Reload this page to try again.", true);
  else {
    const refusal = await answer.json().catch(() => ({}));
    show(refusal.error ?? "This link is not valid any more. Ask for a new one.", true);
  }
}

function readFragment() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  // The token leaves the address bar and the browser's history before anything else happens.
  history.replaceState(null, "", location.pathname + location.search);
  redeem(token);
}

// A link pasted into a tab that shows this page already changes nothing but the fragment.
addEventListener("hashchange", readFragment);
readFragment();
