// The explorer of the view's run: loaded, said to be loading, or told why there is none.
import { createContext, type ComponentChildren } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { Notice } from "../ui/notice";
import { isSuperseded, type Explorer } from "./explorer";

const Context = createContext<Explorer | null>(null);

/** The explorer that `WithExplorer` or `Given` above provides. */
export function useExplorer(): Explorer {
  const explorer = useContext(Context);
  if (explorer === null) throw new Error("useExplorer: a view must be inside WithExplorer");
  return explorer;
}

export function Given({ explorer, children }: { explorer: Explorer; children: ComponentChildren }) {
  return <Context.Provider value={explorer}>{children}</Context.Provider>;
}

/** Connects to a run's model; children are drawn when it is there. */
export function WithExplorer(
  { run, connect, children }: {
    run: string; connect: (run: string, signal: AbortSignal) => Promise<Explorer>; children: ComponentChildren;
  },
) {
  const [state, setState] = useState<{ run: string; explorer?: Explorer; error?: string } | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let explorer: Explorer | undefined;
    setState(null);
    connect(run, stop.signal).then(
      (connected) => {
        explorer = connected;
        if (stop.signal.aborted) connected.close();
        else setState({ run, explorer: connected });
      },
      (error: Error) => {
        if (!isSuperseded(error)) setState({ run, error: error.message });
      },
    );
    return () => {
      stop.abort();
      explorer?.close();
    };
  }, [run, tries]);
  if (state?.error !== undefined) {
    return <Notice whole kind="error" title="No model" action={{ label: "Try again", run: () => setTries(tries + 1) }}>{state.error}</Notice>;
  }
  if (state?.explorer === undefined || state.run !== run) return <Notice whole kind="loading" title="Loading the model">{run}</Notice>;
  return <Given explorer={state.explorer} key={run}>{children}</Given>;
}
