// Runs before the first paint, so that a chosen theme never flashes in the other one.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
} catch {
  // Storage may be forbidden; the system's choice stands.
}
