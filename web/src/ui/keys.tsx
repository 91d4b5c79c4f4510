// The keys of the page, in a dialog that "?" opens.
import { useEffect, useRef } from "preact/hooks";
import { Button } from "./controls";

const KEYS: [string, [string, string][]][] = [
  ["Everywhere", [["Alt 1 … 8", "Go to a view"], ["?", "These keys"], ["Esc", "Close, or leave a selection"]]],
  ["Runs", [
    ["/", "Filter"], ["↑ ↓", "Row by row; with Shift, select"], ["Space", "Select"], ["Ctrl A", "Select all"], ["Enter", "Open"], ["F2", "Rename"], ["Delete", "Delete"],
  ]],
  ["Curves", [["← →", "Point at an epoch"], ["Shift ← →", "Move"], ["+ −", "Zoom"], ["0", "See all"]]],
  ["Codes", [
    ["← ↑ ↓ →", "Point by point; with Shift, move"], ["Enter", "Pin the point"], ["A, B", "Ends of the path"], ["S", "Select what is in sight"],
    ["+ −", "Zoom"], ["0", "See all"], ["Space and drag", "Move"], ["Shift and drag", "Select"], ["Esc", "Clear"],
  ]],
  ["Reconstructions", [["Space", "Play or pause"], ["← →", "Epoch by epoch, on the slider"]]],
];

export function Keys() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      if (event.key !== "?" || (event.target as HTMLElement).closest("input, textarea, select") !== null) return;
      event.preventDefault();
      if (ref.current?.open) ref.current.close();
      else ref.current?.showModal();
    };
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, []);
  return (
    <>
      <Button kind="quiet" label="Keys" onClick={() => ref.current?.showModal()}><kbd>?</kbd> Keys</Button>
      <dialog ref={ref} class="dialog keys" aria-label="Keys">
        <div class="spread"><h2>Keys</h2><Button kind="quiet" label="Close" onClick={() => ref.current?.close()}>×</Button></div>
        {KEYS.map(([where, keys]) => (
          <section key={where} aria-label={where}>
            <h3>{where}</h3>
            <dl>{keys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
          </section>
        ))}
      </dialog>
    </>
  );
}
