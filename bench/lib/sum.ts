import type { BenchRecord } from './data.ts';
import type { Answer } from './harness.ts';

/** A record as it comes from a CSV, where a number is text. */
export type TextRecord = { readonly [Key in keyof BenchRecord]: string };

/** Adds up what every reader must agree on: each field of each record. */
export class RecordSum {
  rows = 0;
  chars = 0;
  score = 0;

  add(row: BenchRecord | TextRecord): void {
    const { id, title, text, category, score, created } = row;
    this.rows++;
    this.chars += id.length + title.length + text.length + category.length + created.length;
    this.score += Number(score);
  }

  get answer(): Answer {
    return { rows: this.rows, chars: this.chars, score: Math.round(this.score) };
  }
}
