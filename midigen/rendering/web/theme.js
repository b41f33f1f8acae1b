"use strict";
// Light or dark: as the system has it, until the button says otherwise.  In the head, so that the
// page is never drawn in the wrong one.
{
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const KEY = "midigen-theme";

  // a browser may refuse to store anything for a file
  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const store = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // it holds until the page is closed, then
    }
  };
  const show = () => {
    const chosen = root.dataset.chosen || stored();
    const dark = chosen ? chosen === "dark" : system.matches;
    root.dataset.theme = dark ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(dark));
    dispatchEvent(new Event("themechange"));
  };

  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      root.dataset.chosen = root.dataset.theme === "dark" ? "light" : "dark";
      store(root.dataset.chosen);
      show();
    });
    show();
  });
  show();
}
