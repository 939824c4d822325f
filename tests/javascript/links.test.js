import assert from "node:assert/strict";
import { test } from "node:test";

import { describe, isWebAddress } from "../../dashboard/static/dashboard/js/links.js";

test("only addresses of the web can be opened", () => {
  const refused = ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ssh://host", "//host/", "", "http://"];
  for (const text of refused) assert.ok(!isWebAddress(text), text);
  for (const text of ["http://host/", "HTTPS://host"]) assert.ok(isWebAddress(text), text);
});

test("what is shown is the address that would be opened, whole", () => {
  for (const text of ["https://user:word@host:8443/a?b#c", "http://[::1]:80/x", "https://host", `https://host/${"x".repeat(2000)}`]) {
    const { href, before, host, after } = describe(text);
    assert.equal(before + host + after, href);
    assert.equal(href, new URL(text).href);
  }
});

test("letters that look like others are shown as they are spelled", () => {
  const { href, host, hints } = describe("https://\u0440\u0430ypal.com/\u202egpj.exe#\u2066");
  assert.match(host, /^xn--/);
  assert.match(href, /^[\x21-\x7e]+$/);
  assert.match(hints.join(), /^Its name has letters other than a to z/);
});

test("a user's name is not taken for the host", () => {
  const { host, hints } = describe("https://bank.example@evil.example/");
  assert.equal(host, "evil.example");
  assert.match(hints.join(), /not what is before the @/);
  assert.deepEqual(describe("https://bank.example/@evil").hints, []);
});
