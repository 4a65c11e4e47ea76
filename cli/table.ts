/**
 * Tables for a terminal.
 *
 * @module
 */

/** Returns the lines of a table: numbers aligned right, texts aligned left. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => typeof cell === "number" ? cell.toLocaleString("en") : printable(cell))
  );
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const isNumber = head.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const line = (texts: readonly string[]) =>
    texts.map((text, i) => isNumber[i] ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0))
      .join("  ").trimEnd();
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...cells.map(line)].join("\n");
}

/** One line without control characters: names may come from hostile peers. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, "\ufffd");
}
