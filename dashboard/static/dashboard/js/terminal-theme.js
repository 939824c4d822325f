// The terminal's colours in both themes. They match `--terminal` of the design system.

const DARK = {
  background: "#0b0e13",
  foreground: "#d7dce4",
  cursor: "#8fb0ff",
  cursorAccent: "#0b0e13",
  selectionBackground: "#2f4679",
  black: "#1b2029",
  red: "#ff7b72",
  green: "#5fd38d",
  yellow: "#e5b567",
  blue: "#79a8ff",
  magenta: "#d2a0ff",
  cyan: "#5ccfe6",
  white: "#c5ccd6",
  brightBlack: "#7d8796",
  brightRed: "#ffa198",
  brightGreen: "#8ae6ae",
  brightYellow: "#ffd58a",
  brightBlue: "#a8c7ff",
  brightMagenta: "#e4c2ff",
  brightCyan: "#95e6f5",
  brightWhite: "#f5f7fa",
};

const LIGHT = {
  background: "#fcfcfd",
  foreground: "#20262e",
  cursor: "#2553c7",
  cursorAccent: "#ffffff",
  selectionBackground: "#c9d8fb",
  black: "#20262e",
  red: "#b3261e",
  green: "#17713c",
  yellow: "#7a5200",
  blue: "#1f4fc0",
  magenta: "#8532a8",
  cyan: "#0b6b7d",
  white: "#6a7280",
  brightBlack: "#565e6a",
  brightRed: "#c9362d",
  brightGreen: "#1d8348",
  brightYellow: "#8f6200",
  brightBlue: "#2d63dd",
  brightMagenta: "#9c45c0",
  brightCyan: "#0e7f94",
  brightWhite: "#3a424d",
};

export const themeFor = (isDark) => (isDark ? DARK : LIGHT);

// Programs that assume one background stay readable on the other.
export const MINIMUM_CONTRAST = 4.5;
