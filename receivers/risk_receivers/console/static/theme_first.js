// Before anything is drawn: the theme that was chosen here last. No module, so that nothing flashes.
(() => {
  let kept = null;
  try {
    kept = localStorage.getItem("riskwarden-theme");
  } catch {
    // A browser that keeps nothing shows the system's theme.
  }
  document.documentElement.dataset.theme = kept === "light" || kept === "dark" ? kept : "auto";
})();
