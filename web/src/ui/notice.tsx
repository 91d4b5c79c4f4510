// What stands where there is nothing else to show: empty, loading, absent, or an error, each with what to do.
import type { ComponentChildren } from "preact";
import { Button } from "./controls";

interface Action {
  label: string;
  run: () => void;
}

export function Notice(
  { kind, title, children, action }: {
    kind: "empty" | "loading" | "absent" | "error"; title: string; children?: ComponentChildren; action?: Action | undefined;
  },
) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      {kind === "loading" && <span class="spinner" aria-hidden="true" />}
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action && <Button onClick={action.run}>{action.label}</Button>}
    </div>
  );
}

/** Why a view, or a part of one, is absent: `info.absent[name]`. */
export function Absent({ what, why }: { what: string; why: string }) {
  return <Notice kind="absent" title={`${what}: not for this model`}>{why}</Notice>;
}
