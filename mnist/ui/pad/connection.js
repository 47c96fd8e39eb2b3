// Tells when the page's WebSocket does not come through. Otherwise the page would stay as it is before its first message:
// blank, whatever the reason. Within the page itself, for it has to be there before Streamlit connects.
{
  const patience = 10_000; // ms from the first attempt to connect
  const words = `<b>No connection.</b> The page is here, but its connection to the server (a WebSocket) does not come
    through, so it can’t show more. Reload it; try without VPN or blocker, or another network.
    <small>If you run this server: whatever is in front of it has to pass WebSockets on (docs/proxies.md).</small>`;
  const style = `position: fixed; inset: auto 0 0; z-index: 9999999; padding: 1rem; color: #1d2433; background: #ffe9b8;
    border-top: 2px solid #b86e00; font: 1rem/1.45 system-ui, sans-serif`;
  let isThrough = false;
  let note;
  const Streamlits = WebSocket;
  window.WebSocket = class extends Streamlits {
    constructor(...how) {
      super(...how);
      watch(); // not from the page's loading on: on a slow line Streamlit comes to connect much later
      this.addEventListener("message", () => { isThrough = true; note?.remove(); }, { once: true });
    }
  };
  let watch = () => {
    watch = () => {};
    setTimeout(tell, patience);
  };

  function tell() {
    if (isThrough) return;
    note = document.createElement("div");
    note.id = "no-connection";
    note.setAttribute("role", "alert");
    note.style.cssText = style;
    note.innerHTML = words;
    document.body.append(note);
  }
}
