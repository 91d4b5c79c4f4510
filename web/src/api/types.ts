// What the server tells, as JSON; its Python side is src/narrows/page.

export type Status = "running" | "finished" | "interrupted" | "failed";

export interface RunRow {
  name: string;
  status: Status;
  model: string;
  data: string;
  started: string;
  epoch: number;
  epochs: number | null;
  seconds: number | null;
  left: number | null;
  loss: number[];
  error: number | null;
  pca: number | null;
  elbo: number | null;
  kl: number | null;
  split: string | null;
  parameters: number | null;
  latent_dim: number | null;
  resumable: boolean;
  failure: string;
  /** What followed the last epoch, of which the history tells nothing. */
  note: string;
  changed: Record<string, string>;
}

export interface Setting {
  name: string;
  text: string;
  default: string;
  help: string;
  changed: boolean;
}

export interface RunDetail extends RunRow {
  settings: Setting[];
  command: string;
  data_about: {
    name: string; source: string; licence: string; splits: Record<string, unknown>; shape: number[]; columns: string[] | null;
  };
  versions: Record<string, string>;
  ended: string | null;
  summary: Record<string, unknown> | null;
  pictures: { file: string; caption: string }[];
  frames: number[];
  label_names: string[] | null;
  terms: Record<string, string>;
}

export interface Epoch {
  epoch: number;
  epochs: number;
  step: number;
  train: Record<string, number | null>;
  validation: Record<string, number | null> | null;
  seconds: number;
  learning_rate: number;
  samples_per_second?: number;
  best?: boolean;
  note?: string;
}

export interface Advice {
  title: string;
  text: string;
  command: string | null;
  severity: string;
}

export type Kind = "image" | "sequence" | "table";

export interface Dimension {
  name: string;
  low: number;
  high: number;
  centre: number;
  deviation: number;
  usage: number;
}

export interface CorruptionKind {
  name: string;
  help: string;
  low: number;
  high: number;
  default: number;
  integer: boolean;
}

/** A column of a table; of text, values are the positions of its levels. */
export interface Column {
  name: string;
  quantiles: number[];
  unit: string;
  levels?: string[];
}

export interface ModelInfo {
  run: string;
  model: string;
  kind: Kind;
  shape: number[];
  columns: string[] | null;
  latent_dim: number;
  code: { continuous: boolean; shape: number[] };
  probabilistic: boolean;
  condition: string[] | null;
  splits: Record<string, number>;
  default_split: string;
  label_names: string[] | null;
  labelled: boolean;
  limits: [number, number];
  dims: Dimension[];
  usage_unit: string;
  dims_by_usage: number[];
  corruption: { default: string; kinds: CorruptionKind[] };
  samplers: { name: string; help: string }[];
  maps: string[];
  distribution: Column[];
  absent: Record<string, string>;
}

export type Inverse =
  | { kind: "dims"; dims: [number, number] }
  | { kind: "linear"; mean: number[]; components: number[][] }
  | { kind: "neighbours" };

export interface FormField {
  name: string;
  help: string;
  group: "model" | "training";
  type: "number" | "whole" | "text" | "choice" | "flag" | "component" | "list";
  default: string;
  low: number | null;
  high: number | null;
  choices: string[] | null;
  options: { name: string; about: string; fields: FormField[] }[];
}

export interface Form {
  models: { name: string; about: string; fields: FormField[] }[];
  presets: { name: string; title: string; model: string; data: string; data_options?: Record<string, string>; parameters: Record<string, string> }[];
}
