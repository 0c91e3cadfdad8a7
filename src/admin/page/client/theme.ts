/// <reference lib="dom" />

const KEY = "culvert-theme";

/** Applies the theme that is chosen, or that of the system. `onChange` is called when the colours have changed. */
export function followTheme(select: HTMLSelectElement, onChange: () => void): void {
  const apply = () => {
    const { value } = select;
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
    onChange();
  };
  select.value = stored();
  select.addEventListener("change", () => {
    store(select.value);
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}

function stored(): string {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto"; // The browser keeps nothing for this page.
  }
}

function store(value: string): void {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // It lasts as long as the page.
  }
}
