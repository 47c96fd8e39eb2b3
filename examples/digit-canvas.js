// <digit-canvas>: a field to draw in, on any page. It says what is drawn, and learns when it is told better.
//
//   <script src="digit-canvas.js" defer></script>
//   <digit-canvas server="https://digits.example.org" size="280"></digit-canvas>
//
// It sends a "digit" event (event.detail is the API's answer). The server needs CORS_ORIGINS=<your page's origin>, or,
// with API_KEY set, a proxy of yours that adds the key: never put a key into a page.
const STYLE = `
  :host { display: inline-block; font: 1rem system-ui, sans-serif }
  canvas { display: block; border-radius: .5rem; background: #000; touch-action: none }
  output { display: block; min-height: 1.5em; margin: .4rem 0 }
  button { font: inherit; padding: .3rem .6rem }`;

class DigitCanvas extends HTMLElement {
  connectedCallback() {
    const size = Number(this.getAttribute("size")) || 280;
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
      <canvas width="${size}" height="${size}" role="img" aria-label="Draw a digit here"></canvas>
      <output></output><span class="labels"></span> <button>Clear</button>`;
    this.field = this.shadowRoot.querySelector("canvas");
    this.pen = this.field.getContext("2d");
    this.output = this.shadowRoot.querySelector("output");
    this.labels = this.shadowRoot.querySelector(".labels");
    this.shadowRoot.querySelector("button").onclick = () => this.clear();
    this.field.onpointerdown = (event) => {
      this.field.setPointerCapture(event.pointerId);
      this.pen.beginPath();
      this.to(event);
    };
    this.field.onpointermove = (event) => event.buttons && this.to(event);
    this.field.onpointerup = this.field.onpointercancel = () => this.read();
    this.clear();
  }

  clear() {
    const { pen, field } = this;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, field.width, field.height);
    Object.assign(pen, { strokeStyle: "#fff", lineWidth: field.width / 16, lineCap: "round", lineJoin: "round" });
    this.strokes = 0;
    this.output.textContent = "Draw a digit.";
    this.labels.replaceChildren();
  }

  to({ offsetX, offsetY }) {
    this.pen.lineTo(offsetX, offsetY);
    this.pen.stroke();
  }

  async read() {
    const strokes = ++this.strokes;
    const answer = await this.ask("/api/predict", { image: this.field.toDataURL() });
    if (!answer || strokes !== this.strokes) return; // there is a newer stroke, and its answer follows
    const read = answer.number ?? answer.digit ?? "not a digit";
    this.output.textContent = `${read}${answer.verdict === "unsure" ? "?" : ""} (${Math.round(100 * answer.confidence)} % sure)`;
    this.labels.replaceChildren(...Array.from("0123456789", (label) => this.button(answer, Number(label))));
    this.dispatchEvent(new CustomEvent("digit", { detail: answer, bubbles: true, composed: true }));
  }

  button(answer, label) {
    const button = document.createElement("button");
    button.textContent = label;
    button.ariaLabel = `It is a ${label}`;
    button.onclick = async () => {
      if (await this.ask(`/api/predictions/${answer.id}/feedback`, { label })) this.clear();
      this.output.textContent = this.strokes ? this.output.textContent : `Thank you! Stored as ${label}.`;
    };
    return button;
  }

  async ask(path, body) {
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch((this.getAttribute("server") ?? "") + path, {
        method: "POST", headers, body: JSON.stringify(body),
      });
      const said = response.status === 204 ? {} : await response.json();
      if (response.ok) return said;
      this.output.textContent = said.error;
    } catch {
      this.output.textContent = "The server can’t be reached from this page.";
    }
    return null;
  }
}

customElements.define("digit-canvas", DigitCanvas);
