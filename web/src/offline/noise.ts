// Seeded random numbers, and corruptions of samples as in src/narrows/corruptions.py; the noise is the page's own.

/** Uniform numbers in [0, 1): the generator sfc32 of PractRand, started from a seed. */
export function uniform(seed: number): () => number {
  let a = 0x9e3779b9, b = 0x243f6a88, c = seed >>> 0, counter = 1;
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}

/** Standard normal numbers, by pairs (Box & Muller 1958). */
export function normal(draw: () => number): () => number {
  let kept: number | null = null;
  return () => {
    if (kept !== null) {
      const value = kept;
      kept = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - draw())), angle = 2 * Math.PI * draw();
    kept = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

export function corrupt(x: Float32Array, kind: string, strength: number, seed: number): Float32Array {
  const draw = uniform(seed);
  const gauss = normal(draw);
  const kinds: Record<string, (value: number) => number> = {
    gaussian: (value) => value + strength * gauss(),
    dropout: (value) => (draw() < strength ? 0 : value) / (1 - strength),
    masking: (value) => (draw() < strength ? 0 : value),
    uniform: (value) => {
      const hit = draw() < strength, noise = draw();
      return hit ? Math.min(1, value + noise) : value;
    },
    salt_pepper: (value) => {
      const u = draw();
      return u < strength / 2 ? 0 : u < strength ? 1 : value;
    },
  };
  const chosen = kinds[kind];
  if (chosen === undefined) throw new Error(`This page has no noise of the kind ${kind}.`);
  return x.map(chosen);
}
