// Lets xterm.js style itself under a content security policy without `unsafe-inline`.
//
// It writes its colours into <style> elements, which the policy allows only with the page's nonce,
// and those of single cells into `style` attributes, which it allows nobody; the same declarations
// set on the element's `style` property are allowed. xterm.js has no option for either: its
// `documentOverride` does not reach the style sheet of its scroll bar.

const nonce = document.querySelector("script[nonce]")?.nonce ?? "";

export function allowStyles() {
  document.createElement = createElement;
  HTMLSpanElement.prototype.setAttribute = setAttribute;
}

function createElement(name, options) {
  const element = Document.prototype.createElement.call(this, name, options);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  return element;
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}
