// The switch between the system's theme, light and dark. What was chosen is kept in this browser.
const ORDER = ["auto", "light", "dark"];
const NAMES = { auto: "system", light: "light", dark: "dark" };

export function themeSwitch(button) {
  const root = document.documentElement;
  const show = () => {
    button.textContent = `Theme: ${NAMES[root.dataset.theme] ?? "system"}`;
  };
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(root.dataset.theme) + 1) % ORDER.length];
    root.dataset.theme = next;
    try {
      localStorage.setItem("riskwarden-theme", next);
    } catch {
      // It holds for this page then.
    }
    show();
  });
  show();
}
