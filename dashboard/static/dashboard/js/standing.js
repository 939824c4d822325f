// What the page says once it may not go on as whom it was opened. No DOM here.

export const CHANGED = { text: "What you may do here has changed.", action: "Reload" };
export const HIDDEN = { text: "This session is not shown to you any more.", action: "" };

// What is to be said after the stream was closed; `status` is how the server answers for this page
// now: 200 as long as the login itself is good.
export function endOfStanding(role, status) {
  if (status === 200) return CHANGED;
  if (role === "guest") return { text: "This link has ended. Ask whoever sent it for a new one.", action: "" };
  if (status === 404) return HIDDEN;
  return { text: "You have been logged out. Your programs go on.", action: "Log in again" };
}
