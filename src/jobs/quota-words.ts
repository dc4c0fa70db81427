const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, b: 1e9 };

/**
 * The limit that a refusal for enqueued tokens names, in tokens, or null: `... has surpassed the
 * configured limit of 20K for the deployment ...`, `Limit: 2,000,000 enqueued tokens`.
 */
export function limitIn(words: string): number | null {
  const match = /\blimit(?: of|:)\s*(\d[\d,]*(?:\.\d+)?)\s*([kmb]?)\b/i.exec(words);
  if (match === null) return null;
  const [, digits = '', unit = ''] = match;
  return Number(digits.replaceAll(',', '')) * (UNITS[unit.toLowerCase()] ?? 1);
}
