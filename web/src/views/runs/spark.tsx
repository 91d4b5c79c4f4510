// The course of the loss in a few points, without axes.
const WIDTH = 100, HEIGHT = 28, PAD = 2;

export function Sparkline({ values }: { values: number[] }) {
  const points = pointsOf(values);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {points !== "" && <polyline points={points} vector-effect="non-scaling-stroke" />}
    </svg>
  );
}

export function pointsOf(values: number[]): string {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.length < 2) return ""; // a point is no course
  const low = Math.min(...finite), range = Math.max(...finite) - low || 1;
  const at = (value: number, i: number) => {
    const x = PAD + (i / (finite.length - 1)) * (WIDTH - 2 * PAD);
    return `${x.toFixed(1)},${(HEIGHT - PAD - ((value - low) / range) * (HEIGHT - 2 * PAD)).toFixed(1)}`;
  };
  return finite.map(at).join(" ");
}
