// The administration comes with libraries that write a few fixed pieces of markup as strings, to
// find out what the browser can do and to empty a list. Every other string is refused.
"use strict";

const KNOWN_MARKUP = [
  /^$/,
  /^<textarea>x<\/textarea>$/,
  /^<option><\/option>$/,
  /^<form><\/form><form><\/form>$/,
  /^<a id='(jQuery\d+)' href='' disabled='disabled'><\/a><select id='\1-\r\\' disabled='disabled'><option selected=''><\/option><\/select>$/,
];

window.trustedTypes?.createPolicy("default", {
  createHTML: (markup) => (KNOWN_MARKUP.some((known) => known.test(markup)) ? markup : null),
});
