// Addresses in a terminal are written by programs: they are shown as they are before they open.

import { confirm } from "./confirm.js";
import { plain } from "./format.js";

export function isWebAddress(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && (url.protocol === "https:" || url.protocol === "http:");
}

export async function openLink(text) {
  if (!isWebAddress(text)) return;
  const { href, host } = new URL(text);
  const agreed = await confirm({
    heading: `Open ${plain(host)}?`,
    text: "A program in the terminal wrote this address.",
    detail: href,
    yes: "Open in a new tab",
  });
  if (agreed) window.open(href, "_blank", "noopener,noreferrer");
}
