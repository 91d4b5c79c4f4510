// The runs as a grid of which only the rows that are seen are in the document. The arrow keys go from row to row.
import { Component } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RunRow } from "../../api/types";
import { go } from "../../state/route";
import * as actions from "../../state/actions";
import { COLUMNS, type Column } from "./columns";
import { between, windowOf, type Window } from "./window";

const NARROW = "(max-width: 760px)";
const HEIGHT = { wide: 56, narrow: 132 }; // px, as in runs.css

interface Props {
  runs: RunRow[];
  selected: string[];
  onSelect: (names: string[]) => void;
  sort: string;
  onSort: (sort: string) => void;
  onRename: (run: string) => void;
}

export function Table({ runs, selected, onSelect, sort, onSort, onRename }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const [rowHeight, seen] = useWindow(body, runs.length);
  const [active, setActive] = useState<string | null>(null);
  const anchor = useRef<string | null>(null);
  const names = runs.map(({ name }) => name);
  const at = Math.max(0, active === null ? 0 : names.indexOf(active));
  const chosen = new Set(selected);

  const toggle = (name: string, range: boolean) => {
    if (range && anchor.current !== null) onSelect([...new Set([...selected, ...between(names, anchor.current, name)])]);
    else onSelect(chosen.has(name) ? selected.filter((other) => other !== name) : [...selected, name]);
    anchor.current = name;
    setActive(name);
  };
  const latest = useRef(toggle);
  latest.current = toggle;
  const onToggle = useCallback((name: string, range: boolean) => latest.current(name, range), []);
  const moveTo = (index: number, extend: boolean) => {
    const name = names[Math.min(runs.length - 1, Math.max(0, index))];
    if (name === undefined) return;
    if (extend) onSelect([...new Set([...selected, names[at] ?? name, name])]);
    setActive(name);
    requestAnimationFrame(() => {
      const row = body.current?.querySelector<HTMLElement>(`[data-index="${names.indexOf(name)}"]`);
      row?.focus({ preventScroll: true });
      row?.scrollIntoView({ block: "nearest" });
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if ((event.target as HTMLElement).getAttribute("role") !== "row") return;
    const name = names[at] ?? "";
    const page = Math.max(1, Math.floor(window.innerHeight / rowHeight) - 3);
    const step = ({ ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity } as Record<string, number>)[event.key];
    if (step !== undefined) moveTo(Math.min(runs.length - 1, Math.max(0, at + step)), event.shiftKey);
    else if (event.key === " ") toggle(name, event.shiftKey);
    else if (event.key === "Enter") open(name);
    else if (event.key === "Delete") void actions.remove(chosen.has(name) ? selected : [name]);
    else if (event.key === "F2") onRename(name);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) onSelect(names);
    else if (event.key === "Escape") onSelect([]);
    else return;
    event.preventDefault();
  };

  const shown = runs.slice(seen.from, seen.to).map((run, i) => ({ run, index: seen.from + i }));
  // The row of the keyboard stays, wherever one scrolls, so that the focus is not lost.
  const kept = runs[at];
  if (kept !== undefined && (at < seen.from || at >= seen.to)) shown.push({ run: kept, index: at });
  return (
    <div class="runs-grid" role="grid" aria-label="Runs" aria-rowcount={runs.length + 1} aria-multiselectable="true" onKeyDown={onKeyDown}>
      <div class="runs-head" role="rowgroup">
        <div class="run-row" role="row" aria-rowindex={1}>
          <div class="run-cell of-select" role="columnheader">
            <input
              type="checkbox" aria-label="Select all runs" checked={runs.length > 0 && runs.every(({ name }) => chosen.has(name))}
              onChange={(event) => onSelect(event.currentTarget.checked ? names : [])}
            />
          </div>
          {COLUMNS.map((column) => <Header key={column.id} column={column} sort={sort} onSort={onSort} />)}
          <div class="run-cell of-act" role="columnheader"><span class="visually-hidden">Stop or resume</span></div>
        </div>
      </div>
      <div ref={body} class="runs-body" role="rowgroup" style={{ height: `${runs.length * rowHeight}px` }}>
        {shown.map(({ run, index }) => (
          <Row
            key={run.name} run={run} index={index} top={index * rowHeight} active={index === at} selected={chosen.has(run.name)}
            onToggle={onToggle} onFocus={setActive}
          />
        ))}
      </div>
    </div>
  );
}

function open(name: string): void {
  go({ view: "run", run: name, params: new URLSearchParams() });
}

function Header({ column, sort, onSort }: { column: Column; sort: string; onSort: (sort: string) => void }) {
  const by = sort.replace(/^-/, "") === column.sort ? (sort.startsWith("-") ? "descending" : "ascending") : undefined;
  const kind = `run-cell of-${column.id} ${column.number ? "number" : ""}`;
  if (column.sort === null) return <div class={kind} role="columnheader">{column.label}</div>;
  const first = column.highest ? `-${column.sort}` : column.sort;
  const other = column.highest ? column.sort : `-${column.sort}`;
  return (
    <div class={kind} role="columnheader" aria-sort={by ?? "none"}>
      <button type="button" class="sorter" onClick={() => onSort(sort === first ? other : first)}>
        {column.label}<span class="arrow" aria-hidden="true">{by === undefined ? "" : by === "ascending" ? "▲" : "▼"}</span>
      </button>
    </div>
  );
}

interface RowProps {
  run: RunRow;
  index: number;
  top: number;
  active: boolean;
  selected: boolean;
  onToggle: (name: string, range: boolean) => void;
  onFocus: (name: string) => void;
}

/** Drawn anew only where something of it changed: while one scrolls, most rows stay as they are. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { run, index, top, active, selected } = this.props;
    return run !== next.run || index !== next.index || top !== next.top || active !== next.active || selected !== next.selected;
  }

  override render({ run, index, top, active, selected, onToggle, onFocus }: RowProps) {
    const onClick = (event: MouseEvent) => {
      if ((event.target as HTMLElement).closest("a, button, input, label") === null) onToggle(run.name, event.shiftKey);
    };
    return (
      <div
        class={`run-row ${selected ? "selected" : ""}`} role="row" aria-rowindex={index + 2} aria-selected={selected} data-index={index}
        tabIndex={active ? 0 : -1} style={{ transform: `translateY(${top}px)` }} onClick={onClick} onFocus={() => onFocus(run.name)}
        onDblClick={() => open(run.name)}
      >
        <div class="run-cell of-select" role="gridcell">
          <label>
            <input
              type="checkbox" tabIndex={-1} aria-label={`Select ${run.name}`} checked={selected}
              onClick={(event) => {
                event.preventDefault(); // of a range the box does not toggle; the browser takes its own change back after this event
                setTimeout(onToggle, 0, run.name, event.shiftKey);
              }}
            />
          </label>
        </div>
        {COLUMNS.map((column) => (
          <div key={column.id} class={`run-cell of-${column.id} ${column.number ? "number" : ""}`} role="gridcell">{column.cell(run)}</div>
        ))}
        <div class="run-cell of-act" role="gridcell">
          {run.status === "running" && <Act label={`Stop ${run.name}`} sign="stop" onClick={() => void actions.stop(run.name)} />}
          {run.resumable && run.status !== "running" && <Act label={`Resume ${run.name}`} sign="resume" onClick={() => void actions.resume(run.name)} />}
        </div>
      </div>
    );
  }
}

function Act({ label, sign, onClick }: { label: string; sign: "stop" | "resume"; onClick: () => void }) {
  return (
    <button type="button" class="button quiet icon" aria-label={label} title={label} tabIndex={-1} onClick={onClick}>
      <svg viewBox="0 0 16 16" aria-hidden="true">{sign === "stop" ? <rect x="3.5" y="3.5" width="9" height="9" rx="1" /> : <path d="M4 2.5 L13 8 L4 13.5 Z" />}</svg>
    </button>
  );
}

/** The height of a row, and the rows that are seen; both follow the window. */
function useWindow(body: { current: HTMLDivElement | null }, count: number): [number, Window] {
  const [narrow, setNarrow] = useState(() => matchMedia(NARROW).matches);
  const height = narrow ? HEIGHT.narrow : HEIGHT.wide;
  const [seen, setSeen] = useState<Window>({ from: 0, to: 30 });
  const measure = () => {
    const top = body.current?.getBoundingClientRect().top ?? 0;
    const next = windowOf(top, window.innerHeight, height, count);
    setSeen((now) => (now.from === next.from && now.to === next.to ? now : next));
  };
  useLayoutEffect(measure, [height, count]);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const onQuery = () => setNarrow(query.matches);
    query.addEventListener("change", onQuery);
    window.addEventListener("scroll", measure, { passive: true });
    window.addEventListener("resize", measure);
    return () => {
      query.removeEventListener("change", onQuery);
      window.removeEventListener("scroll", measure);
      window.removeEventListener("resize", measure);
    };
  }, [height, count]);
  return [height, seen];
}
