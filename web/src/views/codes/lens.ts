// The decoded picture beside the pointer.
import type { ModelInfo } from "../../api/types";
import type { Samples } from "../../model/explorer";
import { extentOf, TilePen } from "./tile";

const AWAY = 18; // pixels from the pointer
const SIZE = 116;
const UNIT = 220;

export class Lens {
  private readonly canvas = document.createElement("canvas");
  private pen: TilePen | null = null;
  private readonly drawn = (x: Samples) => this.draw(x);

  constructor(private readonly element: HTMLElement, private readonly info: ModelInfo, private readonly pictures: Set<(x: Samples) => void>) {
    element.append(this.canvas);
    pictures.add(this.drawn);
  }

  private draw(x: Samples): void {
    if (this.element.hidden) return;
    const [width, height] = extentOf(this.info, x, UNIT);
    if (this.canvas.width !== width || this.canvas.height !== height || this.pen === null) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.canvas.className = this.info.kind === "image" ? "sample image" : "sample";
      this.pen = TilePen.on(this.canvas, this.info);
    }
    this.pen?.draw(x, 0, 0, 0, width, height);
  }

  /** Beside the pointer, on the side where there is room. */
  place(x: number, y: number, width: number, height: number): void {
    const w = SIZE + AWAY, h = SIZE + AWAY;
    const left = x + w < width ? x + AWAY : x - w, top = y - h > 0 ? y - h : Math.min(y + AWAY, height - SIZE);
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    if (this.element.hidden) {
      this.pen = null; // the appearance may have changed
      this.element.hidden = false;
    }
  }

  hide(): void { this.element.hidden = true; }

  dispose(): void {
    this.pictures.delete(this.drawn);
    this.canvas.remove();
  }
}
