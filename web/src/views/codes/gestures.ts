// Pointer, wheel and fingers on the plane, as what they mean: pan, zoom, decode, select, point at, click.

export type Tool = "decode" | "pan" | "select";

export interface Meanings {
  tool(): Tool;
  pan(dx: number, dy: number): void;
  zoom(x: number, y: number, factor: number): void;
  /** `stamp`: when it happened, as performance.now() counts. */
  decode(x: number, y: number, stamp: number, phase: "start" | "move" | "end"): void;
  select(points: number[], done: boolean): void;
  hover(x: number, y: number): void;
  leave(): void;
  /** Pressed and released at the same place. */
  click(x: number, y: number): void;
}

const STILL = 4; // pixels that a click may move
const PER_PIXEL = 0.0018, PER_PIXEL_PINCH = 0.01; // of a wheel, in the logarithm of the zoom
const LINE = 18; // pixels of a wheel that counts lines

type Mode = Tool | "pinch" | null;

export class Gestures {
  private readonly down = new Map<number, [number, number]>();
  private mode: Mode = null;
  private start: [number, number] = [0, 0];
  private last: [number, number] = [0, 0];
  private moved = false;
  private space = false;
  private lasso: number[] = [];
  private box = new DOMRect();
  private readonly stop = new AbortController();

  constructor(private readonly element: HTMLElement, private readonly does: Meanings) {
    const on = <K extends keyof HTMLElementEventMap>(name: K, run: (event: HTMLElementEventMap[K]) => void, passive = true) =>
      element.addEventListener(name, run, { signal: this.stop.signal, passive });
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.release(event));
    on("pointerleave", () => does.leave());
    on("wheel", (event) => this.wheel(event), false);
    on("keydown", (event) => this.key(event, true), false);
    on("keyup", (event) => this.key(event, false));
    on("blur", () => this.hold(false));
  }

  dispose(): void { this.stop.abort(); }

  /** Where it happened on the plane, which is measured anew only when no drag is under way: it takes a layout. */
  private place(event: MouseEvent): [number, number] {
    if (this.down.size === 0) this.box = this.element.getBoundingClientRect();
    return [event.clientX - this.box.left, event.clientY - this.box.top];
  }

  private press(event: PointerEvent): void {
    if (event.button > 1) return;
    const at = this.place(event);
    this.element.setPointerCapture(event.pointerId);
    this.element.focus({ preventScroll: true });
    this.down.set(event.pointerId, at);
    if (this.down.size === 2) {
      if (this.mode === "decode") this.does.decode(...at, event.timeStamp, "end");
      this.mode = "pinch";
      return;
    }
    if (this.down.size > 2) return;
    this.mode = event.button === 1 || this.space ? "pan" : event.shiftKey ? "select" : this.does.tool();
    this.start = this.last = at;
    this.moved = false;
    this.lasso = [...at];
    this.element.dataset["doing"] = this.mode;
    if (this.mode === "decode") this.does.decode(...at, event.timeStamp, "start");
  }

  private move(event: PointerEvent): void {
    const at = this.place(event);
    if (!this.down.has(event.pointerId)) {
      if (event.pointerType !== "touch") this.does.hover(...at);
      return;
    }
    if (this.mode === "pinch") return this.pinch(event.pointerId, at);
    this.down.set(event.pointerId, at);
    this.moved ||= Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) > STILL;
    if (this.mode === "decode") this.does.decode(...at, event.timeStamp, "move");
    else if (this.mode === "pan") this.does.pan(at[0] - this.last[0], at[1] - this.last[1]);
    else if (this.mode === "select" && this.moved) {
      this.lasso.push(...at);
      this.does.select(this.lasso, false);
    }
    this.last = at;
  }

  private pinch(id: number, at: [number, number]): void {
    const other = [...this.down].find(([key]) => key !== id)?.[1], before = this.down.get(id);
    this.down.set(id, at);
    if (other === undefined || before === undefined) return;
    const apart = (p: [number, number]) => Math.max(20, Math.hypot(p[0] - other[0], p[1] - other[1]));
    const middle: [number, number] = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.does.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.does.zoom(...middle, apart(at) / apart(before));
  }

  private release(event: PointerEvent): void {
    const at = this.place(event), mode = this.mode;
    if (!this.down.delete(event.pointerId)) return;
    if (mode === "pinch") {
      if (this.down.size === 0) this.mode = null;
      return;
    }
    this.mode = null;
    delete this.element.dataset["doing"];
    if (mode === "decode") this.does.decode(...at, event.timeStamp, "end");
    if (mode === "select") this.does.select(this.moved ? this.lasso : [], true);
    if (!this.moved && event.type === "pointerup") this.does.click(...at);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * LINE;
    const at = this.place(event);
    this.does.zoom(...at, Math.exp(-pixels * (event.ctrlKey ? PER_PIXEL_PINCH : PER_PIXEL)));
    if (this.down.size === 0) this.does.hover(...at); // another point may lie there now
  }

  private key(event: KeyboardEvent, pressed: boolean): void {
    if (event.key !== " ") return;
    if (pressed) event.preventDefault(); // the page would scroll
    this.hold(pressed);
  }

  private hold(space: boolean): void {
    this.space = space;
    this.element.classList.toggle("space", space);
  }
}
