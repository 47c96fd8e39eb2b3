// The drawing pad: the canvas of streamlit-drawable-canvas, one pointer at a time, with Undo and Clear in the browser.
//
// The package draws with Fabric.js, which listens to mouse and touch events, knows no touchcancel, and ends a stroke
// only when the last finger has left the page. Here one pointer at a time draws: its events become the mouse events that
// the package gets, and it gets no others. The package also holds a stroke back for 200 ms; its hidden button "Update
// the app with this drawing" sends at once.
//
// After every change Python gets the whole picture, with the number of the drawing that it belongs to. Clear begins
// another drawing, and so does Python by naming the one that is finished; strokes that it had not seen begin the next.
//
// The first page has a pad of its own before Streamlit has loaded (mnist/web/first_page.py): `begin`. What was drawn on
// it goes to Streamlit's.
import showCanvas from "../_stcore/bidi-components/streamlit-drawable-canvas.streamlit_drawable_canvas/index-ynYgWHmM.js";

const SEND = '.dc-toolbar [aria-label="Update the app with this drawing"]';
const BRUSH = 0.06; // of the pad's height: about as thick as MNIST's strokes
const SHARPEST = 600; // px; a higher pad is drawn enlarged
const PEN_MS = 20_000; // a touch so soon after a pen was near is the hand that holds it

const HTML = `
<style>
.pad { width: var(--pad-width, 300px); max-width: 100%; border-radius: 2px; }
.pad:focus { outline: none; }
.pad:focus-visible .canvas-root { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
.canvas-root { height: var(--pad-height, 300px); background: #000000; touch-action: none; user-select: none;
  -webkit-user-select: none; -webkit-touch-callout: none; display: flex; justify-content: center; align-items: center;
  overflow: hidden; cursor: crosshair; }
.dc-container, .canvas-container, .dc-container canvas { width: var(--shown-width) !important;
  height: var(--shown-height) !important; }
.dc-container, .canvas-container { position: relative; }
.dc-container canvas { position: absolute; left: 0; top: 0; touch-action: none; }
.dc-textarea-host { position: absolute; width: 0; height: 0; overflow: hidden; }
.dc-toolbar { display: none !important; }
.tools { display: flex; gap: .5rem; margin-top: .5rem; justify-content: var(--pad-tools, start); }
.tools button { font: inherit; color: inherit; background: none; min-height: 2.25rem; padding: .1rem .8rem;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); cursor: pointer;
  display: inline-flex; gap: .4rem; align-items: center; touch-action: manipulation; }
.tools button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.tools button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
.tools button[aria-disabled=true] { opacity: .4; cursor: default; border-color: var(--st-border-color); color: inherit; }
.tools svg { width: 1.1em; height: 1.1em; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
</style>
<div class="pad" role="group" aria-label="Drawing area. With a keyboard: Upload, above." tabindex="0">
  <div class="canvas-root"></div>
  <div class="tools">
    <button type="button" class="undo" title="Backspace"><svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M9 14 4 9l5-5"/><path d="M4 9h10a6 6 0 0 1 0 12h-2"/></svg>Undo</button>
    <button type="button" class="clear" title="Delete"><svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 7h16"/><path d="M9 7V4h6v3"/><path d="M6 7l1 13h10l1-13"/></svg>Clear</button>
  </div>
</div>`;

const pads = new WeakMap(); // one for each shadow root
let early = null; // the first page's, until it has handed over
const LATEST = 30_000; // ms in which Streamlit should show its pad; after that, what it shows instead is to be seen

// skeleton: element that covers the page, with a place for the pad and a line of text.
export function begin(skeleton) {
  const place = skeleton.querySelector("span").attachShadow({ mode: "open" });
  early = new Pad(place);
  early.setStateValue = () => {};
  early.skeleton = skeleton;
  skeleton.querySelector("p").textContent = "Draw a digit. It is read once the rest has loaded.";
  const root = document.querySelector("#root");
  const started = new MutationObserver(() => {
    started.disconnect();
    setTimeout(() => skeleton.remove(), LATEST);
  });
  started.observe(root, { childList: true });
}

export default function ({ data, parentElement, setStateValue }) {
  if (!pads.has(parentElement)) {
    pads.set(parentElement, new Pad(parentElement));
    early?.handOver(pads.get(parentElement));
  }
  const pad = pads.get(parentElement);
  pad.setStateValue = setStateValue;
  pad.finish(data.finished, data.seen);
  return () => {
    // Streamlit calls this also where newer data overtakes older, and then the pad stays on the page.
    if (!parentElement.host.isConnected) pad.remove();
  };
}

class Pad {
  number = Date.now(); // of the drawing, unlike that of any earlier one in this browser
  strokes = []; // as the package describes them
  told = null; // number of the drawing that Python knows of
  pointer = null; // id of the one that draws
  byTouch = false; // whether that is a finger, or a palm
  palms = []; // places in `strokes` of touches that a pen overtook
  penNear = -Infinity; // when
  loading = false; // the package puts `strokes` on the canvas, and would lose what is drawn meanwhile
  later = []; // what happened meanwhile
  starts = 0; // makes two equal starts differ for the package
  finished = { number: null, seen: null }; // what Python last said
  heir = null; // the pad that takes over

  constructor(parent) {
    this.parent = parent;
    const holder = document.createElement("div");
    holder.innerHTML = HTML;
    parent.append(holder);
    [this.root, this.box, this.undoButton, this.clearButton] = [".pad", ".canvas-root", ".undo", ".clear"].map((each) =>
      parent.querySelector(each),
    );
    this.ended = new AbortController();
    const on = (target, names, action) => {
      for (const name of names.split(" ")) {
        target.addEventListener(name, action, { capture: true, passive: false, signal: this.ended.signal });
      }
    };
    on(this.undoButton, "click", () => this.undo());
    on(this.clearButton, "click", () => this.clear());
    on(window, "keydown", (event) => this.press(event));
    on(this.box, "pointerdown", (event) => this.after(() => this.down(event), event));
    on(this.box, "pointermove", (event) => this.after(() => this.move(event), event));
    on(this.box, "pointerup pointercancel lostpointercapture", (event) => this.after(() => this.up(event), event));
    // Not Fabric's own: a touch would scroll the page, and the mouse events after one end another pointer's stroke.
    on(this.box, "touchstart touchmove touchend touchcancel mousedown dblclick", ignore);
    on(window, "mousemove mouseup", (event) => this.pointer !== null && event.isTrusted && event.stopPropagation());
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(this.box);
    this.fit();
  }

  remove() {
    this.ended.abort();
    this.resized.disconnect();
    this.dispose();
    pads.delete(this.parent);
  }

  // Another pad takes over, now or once the pointer is lifted.
  handOver(heir) {
    this.heir = heir;
    if (this.pointer !== null || this.loading) return; // `changed` calls again
    early = null;
    this.skeleton.remove();
    this.remove();
    if (!this.strokes.length) return;
    heir.size = this.size;
    heir.load(this.strokes);
  }

  // Pointers

  down(event) {
    const isTouch = event.pointerType === "touch";
    if (event.pointerType === "pen") this.penNear = performance.now();
    if (event.button !== 0 || (isTouch && performance.now() - this.penNear < PEN_MS)) return;
    if (this.pointer !== null) {
      if (event.pointerType !== "pen" || !this.byTouch) return;
      this.palms.push(this.strokes.length); // the palm came before the pen: its ink goes once the pen is lifted
      this.mouse("mouseup", event);
    }
    [this.pointer, this.byTouch] = [event.pointerId, isTouch];
    try {
      this.box.setPointerCapture(event.pointerId);
    } catch {
      // the pointer has left already
    }
    this.mouse("mousedown", event);
  }

  move(event) {
    if (event.pointerType === "pen") this.penNear = performance.now();
    if (event.pointerId !== this.pointer) return;
    // Every place since the last frame, or a busy phone would cut the corners of a quick stroke.
    const places = event.getCoalescedEvents?.() ?? [];
    for (const each of places.length ? places : [event]) this.mouse("mousemove", each);
  }

  // The end of a stroke, also where the system takes the pointer away.
  up(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.mouse("mouseup", event);
    queueMicrotask(() => this.parent.querySelector(SEND).click()); // after the package has scheduled its own sending
  }

  mouse(type, { clientX, clientY }) {
    const buttons = type === "mouseup" ? 0 : 1;
    const options = { bubbles: true, composed: true, cancelable: true, button: 0, buttons, clientX, clientY };
    this.parent.querySelector(".upper-canvas").dispatchEvent(new MouseEvent(type, options));
  }

  // Do something now, or once the package has put the strokes on the canvas.
  after(action, event) {
    if (event?.type.startsWith("pointer")) event.preventDefault();
    if (this.loading) this.later.push(action);
    else action();
  }

  // What is on the pad

  undo() {
    if (this.pointer === null && this.strokes.length) this.after(() => this.load(this.strokes.slice(0, -1)));
  }

  clear() {
    if (this.pointer === null && this.strokes.length) this.after(() => this.begin([]));
  }

  press(event) {
    const isTyping = event.composedPath()[0].closest?.("input:not([type=checkbox]), textarea, [contenteditable]");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "Backspace") this.undo();
    if (event.key === "Delete") this.clear();
  }

  // Python is done with a drawing, of which it has seen so many strokes.
  finish(number, seen) {
    this.finished = { number, seen };
    if (this.pointer !== null) return; // when it is lifted
    this.after(() => {
      if (this.number !== this.finished.number) return;
      this.begin(this.strokes.slice(this.finished.seen ?? Infinity));
      // The button that was pressed is about to go.
      setTimeout(() => document.activeElement === document.body && this.root.focus({ preventScroll: true }), 300);
    });
  }

  begin(strokes) {
    this.number += 1;
    this.load(strokes);
  }

  load(strokes) {
    this.strokes = strokes;
    this.starts += 1;
    this.loading = true;
    this.render();
    this.fit();
  }

  // The package has new strokes, or has put those of `load` on its canvas.
  changed({ raw, data }) {
    if (this.pointer !== null) return; // a palm's ink, while the pen draws
    const isLoaded = this.loading;
    this.loading = false;
    this.strokes = raw.objects;
    if (!isLoaded && this.palms.length) {
      this.load(this.strokes.filter((_, place) => !this.palms.includes(place)));
      this.palms = [];
      return;
    }
    // Python need not hear that the drawing is gone which it has finished itself.
    if (this.strokes.length || this.told !== this.finished.number) this.tell(data);
    this.fit();
    this.finish(this.finished.number, this.finished.seen);
    for (const action of this.later.splice(0)) this.after(action);
    if (this.heir) this.handOver(this.heir);
  }

  tell(picture) {
    const count = this.strokes.length;
    this.told = this.number;
    this.setStateValue("drawing", { number: this.number, strokes: count, picture: count ? picture : null });
  }

  // Size

  // An empty pad takes the size of its place; ink keeps its shape, and is shown smaller or larger.
  fit() {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    for (const button of [this.undoButton, this.clearButton]) button.ariaDisabled = String(!this.strokes.length);
    if (!width || !height) return;
    if (!this.size || (!this.strokes.length && this.pointer === null)) {
      const sharp = Math.min(1, SHARPEST / height);
      const size = { width: Math.round(width * sharp), height: Math.round(height * sharp) };
      if (size.width !== this.size?.width || size.height !== this.size?.height) {
        this.size = size;
        this.render();
      }
    }
    const scale = Math.min(width / this.size.width, height / this.size.height);
    this.root.style.setProperty("--shown-width", `${this.size.width * scale}px`);
    this.root.style.setProperty("--shown-height", `${this.size.height * scale}px`);
  }

  render() {
    const { width, height } = this.size;
    const start = { objects: this.strokes, background: "#000000", start: this.starts };
    this.dispose = showCanvas({
      parentElement: this.parent,
      setStateValue: (name, value) => name === "drawing" && this.changed(value),
      data: {
        canvasWidth: width, canvasHeight: height, drawingMode: "freedraw", strokeWidth: Math.round(BRUSH * height),
        strokeColor: "#ffffff", fillColor: "#ffffff", backgroundColor: "#000000", backgroundImageURL: null,
        backgroundImageFit: "stretch", realtimeUpdateStreamlit: true, returnImageData: true, disabled: false,
        maxDisplayHeight: null, displayRadius: 0, fontSize: 20, label: "", initialDrawing: start,
      },
    });
  }
}

function ignore(event) {
  if (!event.isTrusted) return;
  event.stopPropagation();
  event.preventDefault();
}
