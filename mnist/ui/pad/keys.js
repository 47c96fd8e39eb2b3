// What the keyboard does on the page. Labels: 0–9, and N for "not a digit". Y is the shortcut of its own button.
// Captured, because a button that has the focus keeps keys to itself.
const onKey = (event) => {
  const isTyping = event.composedPath()[0].closest?.("input:not([type=checkbox]), textarea, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const text = event.key.toLowerCase() === "n" ? "not a digit" : event.key;
  const labels = [...document.querySelectorAll(".st-key-labels button")];
  labels.find((label) => label.textContent.trim() === text)?.click();
};
addEventListener("keydown", onKey, { capture: true });

// A button that goes after it was pressed takes the focus along. It goes on among the labels, or on the pad.
let focused = null;
addEventListener("focusin", ({ target }) => (focused = target.closest(".st-key-reply") && target));
new MutationObserver(() => {
  if (!focused || focused.isConnected || document.activeElement !== document.body) return;
  focused = null;
  const pad = [...document.querySelectorAll(".st-key-canvas *")].find((each) => each.shadowRoot);
  const next = document.querySelector(".st-key-reply .st-key-labels button") ?? pad?.shadowRoot.querySelector(".pad");
  next?.focus({ preventScroll: true });
}).observe(document.body, { childList: true, subtree: true });
