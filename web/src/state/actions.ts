// What can be done to a run, the same from every view.
import { post, runPath } from "../api/http";
import { complain, toast } from "../ui/toasts";
import { refresh } from "./runs";

export async function stop(run: string): Promise<void> {
  await attempt(async () => {
    await post(runPath(run, "stop"));
    toast({ text: `${run} stops after this step, and can be resumed.` });
  });
}

export async function resume(run: string): Promise<void> {
  await attempt(async () => {
    await post(runPath(run, "resume"));
    toast({ text: `${run} is resumed.` });
  });
}

/** Returns the new name; rejects with why it was refused. */
export async function rename(run: string, to: string): Promise<string> {
  const { run: name } = await post<{ run: string }>(runPath(run, "rename"), { to });
  await refresh();
  return name;
}

/** Delete runs, with one message that can undo it. */
export async function remove(runs: string[]): Promise<void> {
  const undo: string[] = [];
  for (const run of runs) {
    await attempt(async () => {
      undo.push((await post<{ undo: string }>(runPath(run, "delete"))).undo);
    });
  }
  if (undo.length === 0) return;
  await refresh();
  const what = undo.length === 1 ? runs[0] : `${undo.length} runs`;
  toast({
    text: `${what} deleted.`,
    action: {
      label: "Undo",
      run: () => void attempt(async () => {
        for (const id of undo) await post("api/undo", { undo: id });
        await refresh();
      }),
    },
  });
}

async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    complain(error);
  }
}
