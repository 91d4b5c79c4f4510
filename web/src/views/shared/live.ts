// Answers that follow a slider: at most two calls are under way, and the newest question replaces one that waits.
import { useEffect, useRef, useState } from "preact/hooks";
import { isSuperseded } from "../../model/explorer";
import { useParam } from "../../state/route";

const UNDERWAY = 2;
const QUIET = 300; // ms without a change until the address takes it: browsers limit how often it may change

export class Latest<T> {
  private underway = 0;
  private sent = 0;
  private shown = 0;
  private waiting: (() => Promise<T>) | null = null;
  private readonly show: (answer: T | null, error: string | null) => void;

  constructor(show: (answer: T | null, error: string | null) => void) {
    this.show = show;
  }

  ask(question: () => Promise<T>): void {
    this.waiting = question;
    this.turn();
  }

  /** Nothing of what is under way is wanted any more. */
  forget(): void {
    this.waiting = null;
    this.shown = this.sent;
  }

  private turn(): void {
    if (this.waiting === null || this.underway >= UNDERWAY) return;
    const question = this.waiting, number = ++this.sent;
    this.waiting = null;
    this.underway++;
    const told = (answer: T | null, error: string | null) => {
      this.underway--;
      if (number > this.shown && (answer !== null || error !== null)) {
        this.shown = number;
        this.show(answer, error);
      }
      this.turn();
    };
    question().then(
      (answer) => told(answer, null),
      (error: Error) => told(null, isSuperseded(error) ? null : error.message),
    );
  }
}

export interface Live<T> {
  /** The newest answer; it stays until the next is there. */
  answer: T | null;
  error: string | null;
}

/** The answer to a question that `key` names; null asks nothing. */
export function useLive<T>(key: string | null, question: () => Promise<T>): Live<T> {
  const [state, setState] = useState<Live<T>>({ answer: null, error: null });
  const latest = useRef<Latest<T> | null>(null);
  latest.current ??= new Latest<T>((answer, error) => {
    setState((before) => ({ answer: answer ?? before.answer, error }));
  });
  useEffect(() => () => latest.current?.forget(), []);
  const asked = useRef<string | null>(null);
  if (key !== asked.current) {
    asked.current = key;
    if (key === null) latest.current.forget();
    else {
      const pump = latest.current;
      queueMicrotask(() => pump.ask(question)); // not while a view is drawn
    }
  }
  return state;
}

/** A value of the view that changes while one drags: at once here, in the address when it has come to rest. */
export function useSettling(name: string, fallback: string): [string, (value: string) => void] {
  const [text, write] = useParam(name, fallback);
  const [value, setValue] = useState(text);
  const written = useRef(text);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    if (text === written.current) return;
    written.current = text; // someone else changed the address
    setValue(text);
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const set = (next: string) => {
    setValue(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      written.current = next;
      write(next);
    }, QUIET);
  };
  return [value, set];
}

export function useSettlingNumber(name: string, fallback: number, low = -Infinity, high = Infinity): [number, (value: number) => void] {
  const [text, set] = useSettling(name, String(fallback));
  const value = Number(text);
  return [Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : fallback, (next) => set(String(next))];
}

/** Counts what was drawn, for measurements: `window.narrowsMetrics`. */
export function counted(name: string): void {
  const holder = window as unknown as { narrowsMetrics?: Record<string, number> };
  const metrics = (holder.narrowsMetrics ??= {});
  metrics[name] = (metrics[name] ?? 0) + 1;
}

export function randomSeed(): number {
  return Math.floor(Math.random() * 1e6);
}
