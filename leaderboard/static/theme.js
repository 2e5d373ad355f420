// Sets the theme that the reader chose before anything is drawn; without a choice the system's counts.
"use strict";
(() => {
  try {
    const chosen = localStorage.getItem("touchstone-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is closed to pages on some disks: the system's theme stays.
  }
})();
