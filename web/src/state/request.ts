// What a view asks the server for: the answer, kept until the next one is there, or why there is none.
import { useEffect, useState } from "preact/hooks";
import { useStore } from "./runs";

export interface Answer<T> {
  value: T | null;
  error: string;
  loading: boolean;
}

/**
 * Ask whenever `key` changes, again when the server is back, and when `retry` is called; null asks for nothing.
 * The answer before stays until there is another, so that nothing jumps.
 */
export function useRequest<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): Answer<T> & { retry: () => void } {
  const [answer, setAnswer] = useState<Answer<T>>({ value: null, error: "", loading: true });
  const [tries, setTries] = useState(0);
  const { online } = useStore();
  useEffect(() => {
    if (online && answer.error !== "") setTries((n) => n + 1); // the server is back
  }, [online]);
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    setAnswer(({ value }) => ({ value, error: "", loading: true }));
    ask(stop.signal).then(
      (value) => !stop.signal.aborted && setAnswer({ value, error: "", loading: false }),
      (reason: Error) => !stop.signal.aborted && setAnswer({ value: null, error: reason.message, loading: false }),
    );
    return () => stop.abort();
  }, [key, tries]);
  return { ...answer, retry: () => setTries((n) => n + 1) };
}
