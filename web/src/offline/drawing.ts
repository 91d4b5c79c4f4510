// A drawing or a picture file brought to the form of the data: as large, and with its middle where theirs is.
import type { ModelInfo } from "../api/types";
import type { Prepared, Samples } from "../model/explorer";
import type { Display } from "./display";

interface Grey {
  h: number;
  w: number;
  data: Float32Array; // 0 to 255
}

const INK = 25; // of 255: what is darker is ground

export async function prepared(
  picture: Blob | Samples, draw: boolean, data: Samples, info: ModelInfo, display: Display,
): Promise<Prepared> {
  const colour = data.shape.length === 4;
  const [, height = 1, width = 1] = data.shape;
  let x: Samples;
  if (picture instanceof Blob) x = await fromFile(picture, height, width, colour);
  else {
    const [h = 1, w = 1] = picture.shape;
    const grey = { h, w, data: Float32Array.from(picture.data) };
    x = grown(draw ? placed(grey, height, width, usual(data)) : fitted(grey, height, width), colour);
  }
  const { data: input } = display.values(x);
  return { x, input: { shape: [1, ...info.shape], data: input } };
}

async function fromFile(file: Blob, height: number, width: number, colour: boolean): Promise<Samples> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  } catch {
    throw new Error("The file must be a picture, such as PNG or JPEG; it could not be read as one.");
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d")!;
  pen.drawImage(bitmap, 0, 0);
  const pixels = pen.getImageData(0, 0, width, height).data;
  const out = new Uint8Array(height * width * (colour ? 3 : 1));
  for (let i = 0; i < height * width; i++) {
    const [r = 0, g = 0, b = 0] = pixels.subarray(4 * i, 4 * i + 3);
    if (colour) out.set([r, g, b], 3 * i);
    else out[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  return { shape: colour ? [1, height, width, 3] : [1, height, width], data: out };
}

function grown({ h, w, data }: Grey, colour: boolean): Samples {
  const grey = Uint8Array.from(data, (value) => Math.round(Math.min(255, Math.max(0, value))));
  if (!colour) return { shape: [1, h, w], data: grey };
  return { shape: [1, h, w, 3], data: Uint8Array.from({ length: 3 * grey.length }, (_, i) => grey[Math.floor(i / 3)]!) };
}

export interface Usual {
  /** The longer side of what is drawn, and the middle of its ink, as shares of the image's sides. */
  side: number;
  middle: [number, number];
}

/** How large the ink of the data is, and where it lies, on average; null where there is none. */
export function usual({ shape, data }: Samples): Usual | null {
  const [n = 0, h = 1, w = 1, c = 1] = shape, most = Math.min(n, 300);
  let sides = 0, down = 0, across = 0, found = 0;
  for (let s = 0; s < most; s++) {
    const box = boxOf({ h, w, data: Float32Array.from({ length: h * w }, (_, i) => data[(s * h * w + i) * c]!) });
    if (box === null) continue;
    sides += Math.max((box.bottom - box.top) / h, (box.right - box.left) / w);
    down += box.y / h;
    across += box.x / w;
    found++;
  }
  return found === 0 ? null : { side: sides / found, middle: [down / found, across / found] };
}

/** The box around the ink, and the middle of its mass. */
function boxOf({ h, w, data }: Grey): { top: number; bottom: number; left: number; right: number; y: number; x: number } | null {
  let top = h, bottom = 0, left = w, right = 0, y = 0, x = 0, mass = 0;
  for (let i = 0; i < h * w; i++) {
    const value = data[i]!;
    if (value < INK) continue;
    const row = Math.floor(i / w), column = i % w;
    top = Math.min(top, row);
    bottom = Math.max(bottom, row + 1);
    left = Math.min(left, column);
    right = Math.max(right, column + 1);
    y += value * (row + 0.5);
    x += value * (column + 0.5);
    mass += value;
  }
  return mass === 0 ? null : { top, bottom, left, right, y: y / mass, x: x / mass };
}

/** The drawing with its ink as large as is usual, and its middle there. */
export function placed(grey: Grey, height: number, width: number, like: Usual | null): Grey {
  const box = boxOf(grey);
  if (box === null || like === null) return fitted(grey, height, width);
  const side = Math.max(box.bottom - box.top, box.right - box.left);
  const scale = side / (like.side * Math.max(height, width)); // pixels of the drawing per pixel of the image
  // Where its middle would push ink over an edge, the ink stays within.
  const start = (middle: number, share: number, length: number, low: number, high: number) =>
    Math.min(low, Math.max(high - length * scale, middle - share * length * scale));
  const top = start(box.y, like.middle[0], height, box.top, box.bottom);
  return sampled(grey, height, width, scale, top, start(box.x, like.middle[1], width, box.left, box.right));
}

/** The whole picture, as large as it fits. */
function fitted(grey: Grey, height: number, width: number): Grey {
  const scale = Math.max(grey.h / height, grey.w / width);
  return sampled(grey, height, width, scale, (grey.h - height * scale) / 2, (grey.w - width * scale) / 2);
}

/** Means over the squares of `scale` pixels that each new pixel covers; beyond the picture lies black. */
function sampled(grey: Grey, height: number, width: number, scale: number, top: number, left: number): Grey {
  const fine = Math.max(2, Math.ceil(scale)), out = new Float32Array(height * width);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    let total = 0;
    for (let i = 0; i < fine; i++) for (let j = 0; j < fine; j++) {
      const row = Math.floor(top + (y + (i + 0.5) / fine) * scale), column = Math.floor(left + (x + (j + 0.5) / fine) * scale);
      if (row >= 0 && row < grey.h && column >= 0 && column < grey.w) total += grey.data[row * grey.w + column]!;
    }
    out[y * width + x] = total / (fine * fine);
  }
  return { h: height, w: width, data: out };
}
