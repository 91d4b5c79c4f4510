// What stands where there is nothing else to show: empty, loading, absent, or an error, each with what to do.
import type { ComponentChildren } from "preact";
import { Button } from "./controls";

interface Action {
  label: string;
  run: () => void;
}

export function Notice(
  { kind, title, children, action, whole = false }: {
    kind: "empty" | "loading" | "absent" | "error"; title: string; children?: ComponentChildren; action?: Action | undefined;
    /** Whether it stands for the whole view, whose heading its title is then. */
    whole?: boolean;
  },
) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      {kind === "loading" && <span class="spinner" aria-hidden="true" />}
      {whole ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children !== undefined && <p>{children}</p>}
      {action && <Button onClick={action.run}>{action.label}</Button>}
    </div>
  );
}

/** Why a view, or a part of one, is absent: `info.absent[name]`. */
export function Absent({ what, why }: { what: string; why: string }) {
  return <Notice whole kind="absent" title={`${what}: not for this model`}>{why}</Notice>;
}
