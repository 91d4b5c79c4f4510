// The plane of the codes: it owns the canvases and the view of them, and draws only what has changed, once per frame.
import { colour } from "../../state/theme";
import type { Atlas } from "./atlas";
import { CanvasRenderer } from "./canvas";
import { LEAST_ALPHA, parse } from "./colours";
import { Follower, noMarks, Overlay, type Marks } from "./overlay";
import { diameterOf, Tiles, type Renderer } from "./renderer";
import { boundsOf, Viewport } from "./viewport";
import { WebglRenderer } from "./webgl";

const MOST_RATIO = 2; // of pixels of the device to those of the page: finer is not seen, and slower

export class Plane {
  readonly view = new Viewport();
  readonly marks: Marks = noMarks();
  readonly tiles = new Tiles();
  points: Float32Array = new Float32Array(0);
  colours: Uint8Array = new Uint8Array(0);
  /** The user moved the view. */
  moved: () => void = () => undefined;
  showTiles = true;
  private renderer: Renderer;
  private readonly overlay: Overlay;
  /** The code at hand, and the point that is pointed at. */
  private readonly hand: Follower;
  private readonly pointer: Follower;
  private readonly front: HTMLCanvasElement;
  private atlas: Atlas | null = null;
  private prepared = false; // whether the renderer has an atlas
  private frame = 0;
  private stale = true; // points must be drawn anew, not the marks alone
  private staleMarks = true;
  private axes = true;
  private ratio = 1;
  private readonly observer: ResizeObserver;
  private readonly restyled = () => this.restyle();
  private readonly dark = window.matchMedia("(prefers-color-scheme: dark)");
  private readonly draw = () => this.drawNow();

  constructor(private readonly host: HTMLElement, force: string) {
    this.renderer = this.rendererOf(force);
    this.front = this.layer();
    this.overlay = new Overlay(this.front);
    this.pointer = new Follower(host, "ring");
    this.hand = new Follower(host, "cross");
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(host);
    window.addEventListener("narrows-theme", this.restyled);
    this.dark.addEventListener("change", this.restyled);
    this.restyle();
    this.resize();
  }

  get rendererName(): string { return this.renderer.name; }

  private layer(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    this.host.append(canvas);
    return canvas;
  }

  private rendererOf(force: string): Renderer {
    const canvas = this.layer();
    if (force !== "canvas") {
      try {
        const renderer = new WebglRenderer(canvas, force === "webgl");
        canvas.addEventListener("webglcontextlost", () => this.fallBack(canvas));
        return renderer;
      } catch (error) {
        console.info(`Drawn with Canvas2D: ${error instanceof Error ? error.message : ""}`);
        canvas.remove(); // a canvas that was asked for WebGL gives nothing else
        const other = this.layer();
        return new CanvasRenderer(other);
      }
    }
    return new CanvasRenderer(canvas);
  }

  /** The graphics processor was taken away: go on without. */
  private fallBack(lost: HTMLCanvasElement): void {
    if (!lost.isConnected) return;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    lost.replaceWith(canvas);
    this.renderer = new CanvasRenderer(canvas);
    this.prepared = false;
    this.renderer.setPoints(this.points);
    this.renderer.setColours(this.colours);
    this.restyle();
    this.resize();
  }

  private restyle(): void {
    this.renderer.setBackground(parse(colour("surface", this.host)));
    this.overlay.restyle();
    this.redraw();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width === 0 || height === 0) return;
    this.ratio = Math.min(MOST_RATIO, window.devicePixelRatio || 1);
    this.view.resize(width, height);
    this.renderer.resize(width, height, this.ratio);
    this.stale = this.staleMarks = true;
    cancelAnimationFrame(this.frame);
    this.drawNow(); // at once, since resizing has emptied the canvas
  }

  /** Show other points. `free`: each axis has a scale of its own; `window`: the part that is seen first. */
  setPoints(points: Float32Array, free: boolean, axes: boolean, window: string): void {
    this.points = points;
    this.axes = axes;
    this.renderer.setPoints(points);
    this.view.show(boundsOf(points), free);
    if (window !== "") this.view.read(window);
    this.setAtlas(null);
  }

  setColours(colours: Uint8Array): void {
    this.colours = colours;
    this.renderer.setColours(colours);
    this.atlas?.forget();
    this.redraw();
  }

  setAtlas(atlas: Atlas | null): void {
    this.atlas = atlas;
    this.prepared = false;
    this.tiles.count = 0;
    this.redraw();
  }

  /** Whether a point is drawn as one that is meant, and can be pointed at. */
  readonly meant = (point: number): boolean => this.colours[4 * point + 3]! >= LEAST_ALPHA;

  redraw(): void {
    this.stale = true;
    this.redrawMarks();
  }

  redrawMarks(): void {
    this.staleMarks = true;
    this.soon();
  }

  /** Where the code at hand lies; null where the map cannot say. */
  setHand(at: [number, number] | null): void {
    this.hand.at = at;
    this.soon();
  }

  setPointed(point: number): void {
    this.pointer.at = point < 0 ? null : [this.points[2 * point]!, this.points[2 * point + 1]!];
    this.soon();
  }

  private soon(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(this.draw);
  }

  private drawNow(): void {
    this.frame = 0;
    const { view, points, colours, tiles } = this;
    if (view.width <= 1) return;
    if (this.stale && colours.length * 2 === points.length * 4) {
      this.stale = false;
      tiles.count = 0;
      const missing = this.fillTiles();
      this.renderer.draw(view, diameterOf(points.length / 2, view.zoom), tiles);
      if (points.length > 0 && window.narrowsMetrics) window.narrowsMetrics.frames++;
      if (missing) this.redraw();
    }
    if (this.staleMarks) this.overlay.draw(view, points, this.marks, this.ratio, this.axes && points.length > 0);
    this.staleMarks = false;
    this.hand.place(view);
    this.pointer.place(view);
  }

  private fillTiles(): boolean {
    const { atlas } = this;
    if (atlas === null || atlas.loaded === 0 || !this.showTiles) return false;
    if (!this.prepared) {
      atlas.prepare(this.renderer);
      this.prepared = true;
    }
    return atlas.show(this.view, this.renderer, this.colours, LEAST_ALPHA, this.tiles);
  }

  /** The point whose picture is under the pointer; the last drawn lies on top. */
  tileAt(px: number, py: number): number {
    const { tiles, view, points } = this;
    for (let i = tiles.count - 1; i >= 0; i--) {
      const point = tiles.index[i]!;
      const dx = view.screenX(points[2 * point]!) - px, dy = view.screenY(points[2 * point + 1]!) - py;
      if (Math.max(Math.abs(dx), Math.abs(dy)) < tiles.size / 2) return point;
    }
    return -1;
  }

  pan(dx: number, dy: number): void {
    this.view.pan(dx, dy);
    this.changed();
  }

  zoomAt(x: number, y: number, factor: number): void {
    this.view.zoomAt(x, y, factor);
    this.changed();
  }

  /** See the part that an address names. */
  look(window: string): void {
    this.view.read(window);
    this.redraw();
  }

  fit(): void {
    this.view.fit();
    this.changed();
  }

  /** Move the view so that a point is in sight. */
  reveal(point: number): void {
    const { view } = this;
    const x = this.points[2 * point]!, y = this.points[2 * point + 1]!;
    const px = view.screenX(x), py = view.screenY(y), edge = 30;
    if (px > edge && py > edge && px < view.width - edge && py < view.height - edge) return;
    view.cx = x;
    view.cy = y;
    this.changed();
  }

  private changed(): void {
    this.redraw();
    this.moved();
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.frame = -1; // nothing is drawn any more
    this.observer.disconnect();
    window.removeEventListener("narrows-theme", this.restyled);
    this.dark.removeEventListener("change", this.restyled);
    this.renderer.dispose();
    this.host.replaceChildren();
  }
}
