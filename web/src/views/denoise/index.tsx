export function DenoiseView() {
  return <h1>Denoise</h1>;
}
