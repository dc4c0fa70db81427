import type { Answer } from './harness.ts';

/** Adds up what every reader must agree on: each field of each record. */
export class RecordSum {
  rows = 0;
  chars = 0;
  score = 0;

  /** A CSV's score is text. */
  add(row: {
    readonly id: string;
    readonly title: string;
    readonly text: string;
    readonly category: string;
    readonly score: string | number;
    readonly created: string;
  }): void {
    const { id, title, text, category, score, created } = row;
    this.rows++;
    this.chars += id.length + title.length + text.length + category.length + created.length;
    this.score += Number(score);
  }

  get answer(): Answer {
    return { rows: this.rows, chars: this.chars, score: Math.round(this.score) };
  }
}
