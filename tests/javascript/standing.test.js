import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { CHANGED, HIDDEN, endOfStanding } from "../../dashboard/static/dashboard/js/standing.js";

describe("the end of a live stream", () => {
  it("is a logout when the server does not know the user any more, or cannot be asked", () => {
    for (const status of [401, 0]) {
      const { text, action } = endOfStanding("operator", status);
      assert.match(text, /logged out/);
      assert.equal(action, "Log in again");
    }
  });

  it("is the end of the link for a guest, who has nothing to log in with", () => {
    for (const status of [401, 404]) {
      const { text, action } = endOfStanding("guest", status);
      assert.match(text, /This link has ended/);
      assert.equal(action, "");
    }
  });

  it("is a change of rights while the login is good", () => {
    assert.equal(endOfStanding("operator", 200), CHANGED);
    assert.equal(endOfStanding("guest", 200), CHANGED);
  });

  it("is said of the session when only that is not shown any more", () => {
    assert.equal(endOfStanding("viewer", 404), HIDDEN);
  });
});
