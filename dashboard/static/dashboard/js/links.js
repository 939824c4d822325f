// Addresses in a terminal are written by programs: they are shown as they are before they open.

import { confirm } from "./confirm.js";

export function isWebAddress(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && (url.protocol === "https:" || url.protocol === "http:");
}

// What the browser would open: {href, before, host, after}, all in ASCII, the host as it is asked
// for (punycode), and the hints that a reader needs so as not to take another part for the host.
export function describe(text) {
  const { href, protocol, username, password, host } = new URL(text);
  const user = username + (password && `:${password}`);
  const before = `${protocol}//${user && `${user}@`}`;
  const hints = [
    user !== "" && "Beware: the site is what stands in bold, not what is before the @.",
    /(^|\.)xn--/.test(host) && "Its name has letters other than a to z, which are spelled here as browsers do (xn--).",
  ];
  return { href, before, host, after: href.slice(before.length + host.length), hints: hints.filter(Boolean) };
}

export async function openLink(text) {
  if (!isWebAddress(text)) return;
  const { href, before, host, after, hints } = describe(text);
  const site = Object.assign(document.createElement("strong"), { textContent: host });
  const agreed = await confirm({
    heading: "Open this address?",
    text: ["A program in the terminal wrote it.", ...hints].join(" "),
    detail: [before, site, after],
    yes: "Open in a new tab",
  });
  if (agreed) window.open(href, "_blank", "noopener,noreferrer");
}
