// Light or dark: the system's, or what the switch says; kept in the browser.
const KEY = "narrows-theme";
export type Theme = "auto" | "light" | "dark";

export function theme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "auto";
  } catch {
    return "auto"; // a browser without storage
  }
}

export function setTheme(next: Theme): void {
  try {
    if (next === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // as above
  }
  applyTheme(next);
}

export function applyTheme(next: Theme = theme()): void {
  if (next === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = next;
  window.dispatchEvent(new Event("narrows-theme"));
}

/** A colour of the style sheet as the canvas takes it. */
export function colour(name: string, element: Element = document.querySelector(".narrows-widget") ?? document.documentElement): string {
  return getComputedStyle(element).getPropertyValue(`--${name}`).trim();
}
