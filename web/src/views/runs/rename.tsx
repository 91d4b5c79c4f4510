// A dialog that asks for a run's new name.
import { useEffect, useRef, useState } from "preact/hooks";
import { rename } from "../../state/actions";
import { Button, TextField } from "../../ui/controls";

export function Rename({ run, taken, onClose }: { run: string; taken: string[]; onClose: (name: string | null) => void }) {
  const ref = useRef<HTMLDialogElement>(null);
  const [name, setName] = useState(run);
  useEffect(() => {
    ref.current?.showModal();
    const input = ref.current?.querySelector("input");
    input?.focus();
    input?.select();
  }, []);
  const [refused, setRefused] = useState<string | undefined>();
  const error = problem(name.trim(), run, taken) ?? refused;
  const submit = async () => {
    setRefused(undefined);
    try {
      onClose(name.trim() === run ? run : await rename(run, name.trim()));
    } catch (reason) {
      setRefused((reason as Error).message);
    }
  };
  return (
    <dialog ref={ref} class="dialog" aria-label={`Rename ${run}`} onClose={() => onClose(null)}>
      <form class="stack" method="dialog" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        <h2>Rename the run</h2>
        <TextField label="Name" value={name} onInput={(text) => { setRefused(undefined); setName(text); }} error={error} hint="The name of its folder." />
        <div class="row">
          <Button type="submit" kind="primary" disabled={problem(name.trim(), run, taken) !== undefined}>Rename</Button>
          <Button onClick={() => ref.current?.close()}>Cancel</Button>
        </div>
      </form>
    </dialog>
  );
}

export function problem(name: string, run: string, taken: string[]): string | undefined {
  if (name === "") return "A run needs a name.";
  if (/[/\\]/.test(name) || name.startsWith(".")) return "A name has no / or \\, and no dot at its beginning.";
  if (name !== run && taken.includes(name)) return "Another run has this name.";
  return undefined;
}
