// Strokes of a pen, drawn as smooth lines through their points.
export interface Stroke {
  width: number;
  erase: boolean;
  points: [number, number][];
}

export function drawStrokes(pen: CanvasRenderingContext2D, strokes: Stroke[], width: number, height: number): void {
  pen.fillStyle = "black";
  pen.fillRect(0, 0, width, height);
  pen.lineCap = "round";
  pen.lineJoin = "round";
  for (const stroke of strokes) {
    const [first, ...rest] = stroke.points;
    if (first === undefined) continue;
    pen.strokeStyle = pen.fillStyle = stroke.erase ? "black" : "white";
    pen.lineWidth = stroke.width;
    pen.beginPath();
    if (rest.length === 0) {
      pen.arc(first[0], first[1], stroke.width / 2, 0, 2 * Math.PI);
      pen.fill();
      continue;
    }
    pen.moveTo(first[0], first[1]);
    let before = first;
    for (const point of rest) { // through the middles, bent at the points
      pen.quadraticCurveTo(before[0], before[1], (before[0] + point[0]) / 2, (before[1] + point[1]) / 2);
      before = point;
    }
    pen.lineTo(before[0], before[1]);
    pen.stroke();
  }
}
