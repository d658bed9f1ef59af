// What pages do beyond reading: none of it is needed to read them.
"use strict";

// A region that refreshes itself waits while its tab is hidden or somebody reads in it.
document.addEventListener("htmx:beforeRequest", (event) => {
  const region = event.detail.elt;
  if (!region.dataset.view) return;
  const selection = document.getSelection();
  const isRead = region.contains(document.activeElement)
    || (selection && !selection.isCollapsed && region.contains(selection.anchorNode));
  const isUnfolded = region.querySelector("details[open]") !== null;
  if (document.hidden || isRead || isUnfolded) event.preventDefault();
});

// The server says when a view has changed; the region then asks for it. Without a stream (too
// many are open, or a proxy ends them) a region that has a period goes on asking by itself.
let stream = null;
let again = null;
function changed() {
  const region = document.querySelector("[data-view]");
  if (region) htmx.trigger(region, "desk:changed");
}
function listen() {
  const region = document.querySelector("[data-view]");
  if (!region || document.hidden || stream) return;
  stream = new EventSource(`/events?view=${encodeURIComponent(region.dataset.view)}`);
  stream.addEventListener("changed", () => {
    // The answer that all share may be older than the change: asked again once it is read anew.
    const shown = document.querySelector("[data-view]");
    const seconds = Number(shown && shown.dataset.again) || 0;
    if (again === null) again = setTimeout(() => { again = null; changed(); }, 1000 * (seconds + 1));
    changed();
  });
  stream.addEventListener("error", () => {
    if (stream && stream.readyState === EventSource.CLOSED) stream = null;
  });
}
function fallSilent() {
  if (stream) stream.close();
  stream = null;
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { fallSilent(); return; }
  changed();
  listen();
});
window.addEventListener("pagehide", fallSilent);
window.addEventListener("pageshow", listen);

// Filters that are not set are not in the address.
document.addEventListener("htmx:configRequest", (event) => {
  const parameters = event.detail.parameters;
  for (const name of Object.keys(parameters)) {
    if (parameters[name] === "") delete parameters[name];
  }
});

// An answer that is an error replaces the page, so that its reason is read. A region that
// refreshes itself keeps what it shows, marked as old, and tries again.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.elt.dataset.view) event.detail.elt.classList.add("stale");
  else window.location.assign(event.detail.pathInfo.finalRequestPath);
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.elt.dataset.view) event.detail.elt.classList.add("stale");
});

function showCopiers(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button.copier")) button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copier");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
document.addEventListener("htmx:afterSettle", () => showCopiers(document));
showCopiers(document);
