// Labels with the keyboard: 0–9, and N for "not a digit". Y is the shortcut of its own button.
addEventListener("keydown", (event) => {
  const isTyping = event.composedPath()[0].closest?.("input:not([type=checkbox]), textarea, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const text = event.key.toLowerCase() === "n" ? "not a digit" : event.key;
  const labels = [...document.querySelectorAll(".st-key-labels button")];
  labels.find((label) => label.textContent.trim() === text)?.click();
});
